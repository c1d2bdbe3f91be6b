"""Addresses of the pages."""

from django.urls import path

from winnow.web import experiment, experiments, health, login, profiles, strategies, transitions

urlpatterns = [
    path("", experiments.experiments, name="experiments"),
    path("experiments/<slug:key>", experiment.experiment, name="experiment"),
    path("experiments/<slug:key>/refresh", experiment.refresh, name="refresh"),
    path("experiments/<slug:key>/job", experiment.job, name="job"),
    path("experiments/<slug:key>/start", transitions.start, name="start"),
    path("experiments/<slug:key>/stop", transitions.stop, name="stop"),
    path("experiments/<slug:key>/decide", transitions.decide, name="decide"),
    path("strategies", strategies.strategies, name="strategies"),
    path("profiles", profiles.profiles, name="profiles"),
    path("profiles/refresh", profiles.refresh, name="profiles-refresh"),
    path("profiles/user", profiles.user, name="profile-user"),
    path("profiles/item", profiles.item, name="profile-item"),
    path("login", login.by_password, name="login"),
    path("login/link/<str:token>", login.by_link, name="login-link"),
    path("logout", login.log_out, name="logout"),
    path("language", login.language, name="set_language"),
    path("healthz", health.healthz, name="healthz"),
]
