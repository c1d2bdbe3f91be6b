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
    EVALUATE = "evaluate"


class KeyKind(models.TextChoices):
    """Where a key may be: on servers only, or in pages that everybody can read."""

    SERVER = "server"
    CLIENT = "client"


CLIENT_SCOPES = (Scope.WRITE_EVENTS, Scope.EVALUATE)


class ApiKey(models.Model):
    """A program's key. Of a server key only the SHA-256 is kept: it has 256 random bits, so a slow hash adds nothing.

    A client key stands in web pages and is no secret; it can do nothing but write events and ask for arms.
    """

    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=10, choices=KeyKind.choices, default=KeyKind.SERVER)
    prefix = models.CharField(max_length=12)  # shown, so that people can tell keys apart
    digest = models.CharField(max_length=64, unique=True)
    client_key = models.CharField(max_length=64, blank=True)  # a client key itself, to be shown again
    scopes = models.CharField(max_length=100)  # words with a space between, in alphabetical order
    origins = models.TextField(blank=True)  # of web pages that may use the key; words with a space between
    per_second = models.PositiveIntegerField(null=True, blank=True)  # requests; null: as many as come
    created_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True)  # exact to a minute
    revoked_at = models.DateTimeField(null=True, blank=True)  # may lie ahead: until then a rotated key works
    successor = models.OneToOneField("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="before")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(kind__in=KeyKind.values), name="api_key_kind_is_known"),
            models.CheckConstraint(
                condition=models.Q(kind=KeyKind.SERVER)
                | models.Q(scopes__in=[Scope.WRITE_EVENTS, Scope.EVALUATE, "evaluate write_events"]),
                name="api_key_client_cannot_read",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def may(self, scope: Scope) -> bool:
        """Whether the key has this scope."""
        return scope.value in self.scopes.split()

    def lets_in(self, origin: str) -> bool:
        """Whether web pages of this origin may use the key."""
        return origin in self.origins.split()


class LoginLink(models.Model):
    """A link that logs one person in, once, until it expires. Only the SHA-256 of its token is kept."""

    user = models.ForeignKey(User, on_delete=models.CASCADE)
    digest = models.CharField(max_length=64, unique=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"login link for {self.user}"
