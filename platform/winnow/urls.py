"""Every address of the product."""

from django.urls import URLPattern, URLResolver, include, path

from winnow.api import rest

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/v1/", rest.urls()),
    path("", include("winnow.api.urls")),  # the tracking protocol lives at the root
    path("", include("winnow.web.urls")),
]
