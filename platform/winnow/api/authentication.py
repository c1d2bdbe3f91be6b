"""Who may call an operation of the API: programs by the scope of their key, people by the permission of their role."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest
from ninja.security import APIKeyCookie, HttpBearer

from winnow.accounts.keys import find_api_key
from winnow.accounts.models import ApiKey, Scope, User
from winnow.accounts.roles import Permission


class KeyWithScope(HttpBearer):
    """``Authorization: Bearer wn_…`` of a key with this scope."""

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        """The key, or None: refused."""
        return find_api_key(token, scope=self.scope)


class PersonWith(APIKeyCookie):
    """The session of a person whose role has this permission; a POST needs the CSRF token."""

    param_name = "sessionid"

    def __init__(self, permission: Permission) -> None:
        super().__init__(csrf=True)
        self.permission = permission

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        """The person, or None: refused."""
        user: User | AnonymousUser = request.user
        return user if isinstance(user, User) and user.may(self.permission) else None


READ = [PersonWith(Permission.VIEW), KeyWithScope(Scope.READ)]
RUN = [PersonWith(Permission.RUN_EXPERIMENTS)]
TRAIN = [PersonWith(Permission.REGISTER_STRATEGIES)]
