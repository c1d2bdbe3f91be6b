"""Requests to a server that a configuration names: allowed addresses only, one time limit over all, bounded answers."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import ip_address
from threading import Lock, Timer
from urllib.parse import urlsplit

from recommenders.errors import InvalidConfig, RecommendersError

ALLOWED = "WINNOW_ENDPOINTS"  # addresses that may be asked besides those of this machine, separated by spaces


class Unanswered(RecommendersError):
    """There is no answer. ``outcome`` says in a word or two why, for a counter."""

    def __init__(self, outcome: str, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is. ``path`` has no slash at its end."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def allowed(self) -> bool:
        """It is on this machine, or below an address of WINNOW_ENDPOINTS.

        Whoever may train could otherwise let the server ask anything in its network, and send keys anywhere.
        """
        return _is_local(self.host) or any(map(self._is_below, os.environ.get(ALLOWED, "").split()))

    def _is_below(self, url: str) -> bool:
        try:
            other = address_of(url)
        except InvalidConfig:
            return False
        same = (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)
        return same and f"{self.path}/".startswith(f"{other.path}/")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. ``retry_after`` in seconds, 0 where nothing is said."""

    status: int
    content: bytes
    retry_after: float = 0.0


def address_of(url: str) -> Address:
    """The parts of an address.

    Raises:
        InvalidConfig: it is not a plain http or https address.

    >>> str(address_of("https://models.example/v1/"))
    'https://models.example:443/v1'
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidConfig("url", f"{url!r} is no address: {error}") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InvalidConfig("url", f"{url!r} must begin with http:// or https:// and name a host")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidConfig("url", "must be without a user, a question mark and a #; keys belong in the environment")
    if not (url.isascii() and url.isprintable()) or " " in url or ".." in parts.path:
        raise InvalidConfig("url", f"{url!r} must be printable ASCII without spaces and ..")
    return Address(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), parts.path.rstrip("/"))


def key_of(variable: str) -> str:
    """The key that an environment variable holds; "" where no variable is named.

    Raises:
        Unanswered: it is not set, or cannot be sent. The message does not say what it holds.
    """
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not (key and key.isascii() and key.isprintable()):
        raise Unanswered("no key", f"the environment variable {variable} holds no key")
    return key


@contextmanager
def opened(
    address: Address, method: str, path: str, body: bytes, headers: Mapping[str, str], *, seconds: float
) -> Iterator[HTTPResponse]:
    """A response whose head was read. After ``seconds`` the connection is cut, whatever still drips in.

    No proxy is used and no redirection followed.

    Raises:
        Unanswered: the address is not allowed, or there is no connection, or it broke, or time was over.
    """
    if not address.allowed:
        raise Unanswered("not allowed", f"url: {address} is not on this machine and not among those of {ALLOWED}")
    ends = time.monotonic() + seconds
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = kind(address.host, address.port, timeout=seconds)
    try:
        connection.connect()
        with _cut(connection.sock, ends - time.monotonic()):
            connection.request(method, address.path + path, body, {"Connection": "close", **headers})
            yield connection.getresponse()
    except (OSError, HTTPException) as error:
        if isinstance(error, TimeoutError) or time.monotonic() >= ends:
            raise Unanswered("late", f"{address} did not answer within {seconds:g} s") from None
        raise Unanswered("no connection", f"{address}: {type(error).__name__}") from None
    finally:
        connection.close()


def ask(
    address: Address, method: str, path: str, body: bytes, headers: Mapping[str, str], *, seconds: float, most: int
) -> Reply:
    """A whole reply of at most ``most`` bytes. Raises Unanswered, also where it is longer or was cut off."""
    with opened(address, method, path, body, headers, seconds=seconds) as response:
        content = response.read(most + 1)
        after = response.headers.get("Retry-After", "")
        if len(content) > most:
            raise Unanswered("too long", f"{address} answered with more than {most:,} bytes")
        if response.length:  # bytes that were promised and did not come
            raise ConnectionError
        return Reply(response.status, content, float(after) if after.isdecimal() and len(after) < 6 else 0.0)


class Breaker:
    """After ``failures`` in a row nothing is let through for ``pause`` seconds, then one request to see."""

    def __init__(self, failures: int, pause: float) -> None:
        self.failures, self.pause = failures, pause
        self._lock = Lock()
        self._count, self._until = 0, 0.0

    def admits(self) -> bool:
        """Whether to ask now. Whoever asks says how it went."""
        with self._lock:
            now = time.monotonic()
            if now < self._until:
                return False
            if self._count >= self.failures:
                self._until = now + self.pause  # the others wait for this one
            return True

    def succeeded(self) -> None:
        """It answered."""
        with self._lock:
            self._count, self._until = 0, 0.0

    def failed(self, wait: float = 0.0) -> None:
        """It did not, and perhaps asked to be left alone for ``wait`` seconds."""
        with self._lock:
            self._count += 1
            pause = max(self.pause if self._count >= self.failures else 0.0, wait)
            self._until = max(self._until, time.monotonic() + pause) if pause else self._until


@contextmanager
def _cut(connection: socket.socket, seconds: float) -> Iterator[None]:
    """Reading and writing end after ``seconds``: a socket's own limit begins anew with every byte."""

    def cut() -> None:
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)  # not that of TLS, which is in use

    timer = Timer(max(seconds, 0.0), cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
