"""Addresses of the pages."""

from django.urls import path

from winnow.web import health

urlpatterns = [
    path("healthz", health.healthz, name="healthz"),
]
