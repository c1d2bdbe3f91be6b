from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "winnow.events"
