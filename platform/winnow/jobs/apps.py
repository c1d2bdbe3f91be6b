from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "winnow.jobs"

    def ready(self) -> None:
        import winnow.celery
        import winnow.checks  # noqa: F401  (tasks are sent through the application, and checks registered, in every process)
