"""Who may do what: four roles, and the permissions each one has."""

from __future__ import annotations

from enum import StrEnum

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Permission(StrEnum):
    """What a page or an endpoint may ask for."""

    VIEW = "view"  # read experiments, reports, strategies
    RUN_EXPERIMENTS = "run_experiments"  # set up, start, stop, decide, refresh
    REGISTER_STRATEGIES = "register_strategies"
    ADMINISTER = "administer"  # people, roles, keys


class Role(TextChoices):
    """The role of a person. Viewers read; the others add to that."""

    VIEWER = "viewer", _("Viewer")
    PRODUCT_MANAGER = "product_manager", _("Product manager")
    ENGINEER = "engineer", _("Engineer")
    ADMIN = "admin", _("Administrator")


PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.VIEW}),
    Role.PRODUCT_MANAGER: frozenset({Permission.VIEW, Permission.RUN_EXPERIMENTS}),
    Role.ENGINEER: frozenset({Permission.VIEW, Permission.RUN_EXPERIMENTS, Permission.REGISTER_STRATEGIES}),
    Role.ADMIN: frozenset(Permission),
}
