"""How a request is turned down: a status, a code for programs, a message for people."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from django.http import HttpResponse
from ninja import Schema


class Problem(Schema):
    """Why a request was not carried out. ``field`` names what breaks a rule, where it is one field."""

    code: str
    message: str
    field: str | None = None


class Refused(Exception):
    """A request that is not carried out. ``code`` is for programs, the message for people."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = dict(headers or {})

    def answer(self) -> HttpResponse:
        """The response that says so."""
        return json_answer({"code": self.code, "message": str(self)}, self.status, self.headers)


def json_answer(data: Mapping[str, object], status: int, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """A response of JSON."""
    return HttpResponse(orjson.dumps(data), content_type="application/json", status=status, headers=headers)
