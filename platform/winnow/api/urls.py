"""Addresses at the root, without a slash at the end, as their clients expect: the tracking protocol, and metrics."""

from django.urls import path

from winnow.api import recommendations, tracking

urlpatterns = [
    *(path(f"v1/{address}", tracking.call(call)) for address, call in tracking.CALL_OF_ADDRESS.items()),
    path("metrics", recommendations.metrics),
]
