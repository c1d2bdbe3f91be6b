"""Addresses at the root, without a slash at the end, as their clients expect: the tracking protocol, and metrics."""

from django.urls import path

from winnow.api import recommendations, tracking

urlpatterns = [
    path("v1/batch", tracking.batch),
    path("v1/track", tracking.track),
    path("metrics", recommendations.metrics),
]
