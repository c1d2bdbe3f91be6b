"""People, the keys of programs, and one-time login links."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models

from winnow.accounts.roles import PERMISSIONS, Permission, Role


class User(AbstractUser):
    """A person. The role says what they may do; Django's own groups and permissions are not used."""

    role = models.CharField(max_length=20, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="user_role_is_known"),
        ]

    def may(self, permission: Permission) -> bool:
        """Whether this person's role includes the permission."""
        return self.is_active and permission in PERMISSIONS[Role(self.role)]


class Scope(models.TextChoices):
    """What a key may do."""

    WRITE_EVENTS = "write_events"
    READ = "read"
    RECOMMEND = "recommend"


class ApiKey(models.Model):
    """A program's key. Only its SHA-256 is kept: the key itself has 256 random bits, so a slow hash adds nothing."""

    name = models.CharField(max_length=100)
    prefix = models.CharField(max_length=12)  # shown, so that people can tell keys apart
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(max_length=20, choices=Scope.choices)
    created_at = models.DateTimeField(auto_now_add=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(scope__in=Scope.values), name="api_key_scope_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class LoginLink(models.Model):
    """A link that logs one person in, once, until it expires. Only the SHA-256 of its token is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"login link for {self.user}"
