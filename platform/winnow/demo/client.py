"""The demo as a client of the platform: what it sends goes over HTTP like everybody's."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPConnection
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import orjson

from winnow.demo.openbandit import Event

BATCH = 500  # events in a request


class DemoFailed(RuntimeError):
    """A step of the demo did not work; the message says which."""


class Client:
    """One connection to the platform."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self.connection = HTTPConnection(address.hostname or "", address.port, timeout=60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.connection.close()

    def recommend(self, question: Mapping[str, object], *, key: str) -> Sequence[Mapping[str, object]]:
        """The lists of ``POST /api/v1/recommendations`` for several users."""
        answer = self._post("/api/v1/recommendations", question, f"Bearer {key}")
        lists: Sequence[Mapping[str, object]] = answer["lists"]  # type: ignore[assignment]
        return lists

    def send(self, events: Sequence[Event], *, key: str) -> None:
        """Send events to ``POST /v1/batch``, at most :data:`BATCH` at once."""
        authorization = "Basic " + b64encode(f"{key}:".encode()).decode()
        for start in range(0, len(events), BATCH):
            answer = self._post("/v1/batch", {"batch": events[start : start + BATCH]}, authorization)
            if answer.get("rejected"):
                raise DemoFailed(f"POST /v1/batch refused events: {str(answer)[:300]}")

    def _post(self, path: str, body: Mapping[str, object], authorization: str) -> dict[str, object]:
        headers = {"Authorization": authorization, "Content-Type": "application/json"}
        self.connection.request("POST", path, orjson.dumps(body), headers)
        response = self.connection.getresponse()
        answer: dict[str, object] = orjson.loads(response.read())
        if response.status != HTTPStatus.OK:
            raise DemoFailed(f"POST {path} answered {response.status}: {str(answer)[:300]}")
        return answer
