from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "winnow.jobs"

    def ready(self) -> None:
        import winnow.celery  # noqa: F401  (tasks are sent through this application, in every process)
