"""A proxy that fails in the ways that networks and servers fail, and then works."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

REFUSE = "refuse"  # 503, and nothing was passed on
BREAK = "break"  # 500, and nothing was passed on
LOSE = "lose"  # passed on and done, but the answer is lost: a gateway says 502
CUT = "cut"  # passed on and done, and the connection dies without an answer


@dataclass(slots=True)
class Proxy:
    """Where it is, what it still does wrong, and what it answered."""

    url: str
    faults: list[str]
    answered: list[int] = field(default_factory=list)


@contextmanager
def faulty(target: str, *faults: str) -> Iterator[Proxy]:
    """A proxy before ``target`` (http://host:port) that commits one fault a request until they are used up."""
    guard = Lock()
    proxy = Proxy(url="", faults=list(faults))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with guard:
                fault = proxy.faults.pop(0) if proxy.faults else ""
                status, answer = {REFUSE: (503, b"{}"), BREAK: (500, b"{}")}.get(fault) or self.passed_on(body)
                proxy.answered.append(0 if fault == CUT else 502 if fault == LOSE else status)
            self.close_connection = True
            if fault == CUT:
                return
            self.send_response(502 if fault == LOSE else status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def passed_on(self, body: bytes) -> tuple[int, bytes]:
            connection = HTTPConnection(target.removeprefix("http://"), timeout=10)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
            connection.request("POST", self.path, body, headers | {"Connection": "close"})
            response = connection.getresponse()
            try:
                return response.status, response.read()
            finally:
                connection.close()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
