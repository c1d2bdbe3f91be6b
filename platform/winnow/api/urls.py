"""Addresses of the tracking protocol. They live at the root and have no slash at the end, as its clients expect."""

from django.urls import path

from winnow.api import tracking

urlpatterns = [
    path("v1/batch", tracking.batch),
    path("v1/track", tracking.track),
]
