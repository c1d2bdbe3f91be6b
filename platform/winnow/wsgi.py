"""The WSGI entry point for gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "winnow.settings")
application = get_wsgi_application()

from winnow.serving.service import prepare  # noqa: E402  (its models need Django to be set up)

prepare()  # so that the first request finds the strategies loaded
