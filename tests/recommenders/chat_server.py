"""A real server of the chat completions protocol: checks requests as such servers do, and answers or fails as told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

Reply = Callable[["Handler", dict[str, object]], None]


class Handler(BaseHTTPRequestHandler):
    """One request. ``server.reply`` does what the test wants once the request is found to be right."""

    server: ChatServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(body)
        self.server.keys.append(self.headers.get("Authorization"))
        problem = problem_of(self, body)
        if problem:
            self.answer(400, {"error": {"message": problem, "type": "invalid_request_error"}})
        else:
            self.server.reply(self, body)

    def answer(self, status: int, content: object, **headers: str) -> None:
        """Send JSON."""
        data = json.dumps(content).encode()
        self.send_response(status)
        for name, value in ({"Content-Type": "application/json", "Content-Length": str(len(data))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def say(self, text: object, ended: str = "stop") -> None:
        """Send a completion."""
        message = {"role": "assistant", "content": text if isinstance(text, str) else json.dumps(text)}
        choice = {"index": 0, "message": message, "finish_reason": ended}
        self.answer(200, {"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "choices": [choice]})

    def log_message(self, format: str, *args: object) -> None:
        """Quietly."""


class ChatServer(ThreadingHTTPServer):
    """``requests`` and ``keys`` are what came in; ``knows`` the kinds of response_format that it takes."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, object]] = []
        self.keys: list[str | None] = []
        self.knows = {"json_schema", "json_object"}
        self.reply: Reply = backwards

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are part of the tests."""


@contextmanager
def running() -> Iterator[ChatServer]:
    """A server on a free port."""
    with ChatServer() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def problem_of(handler: Handler, body: dict[str, object]) -> str:
    """What a real server would say of a wrong request; "" if nothing is wrong."""
    if handler.path != "/v1/chat/completions":
        return f"unknown path {handler.path}"
    if not (isinstance(body.get("model"), str) and body["model"]):
        return "you must provide a model parameter"
    messages = body.get("messages")
    if not (isinstance(messages, list) and messages):
        return "'messages' must be a non-empty array"
    for message in messages:
        if message.keys() != {"role", "content"} or message["role"] not in ("system", "user"):
            return "invalid message"
    unknown = body.keys() - {"model", "messages", "temperature", "seed", "response_format"}
    return f"unrecognized arguments: {unknown}" if unknown else problem_of_form(handler.server.knows, body)


def problem_of_form(knows: set[str], body: dict[str, object]) -> str:
    """Of response_format, by the rules of strict schemas."""
    form = body.get("response_format")
    if form is None:
        return ""
    if form["type"] not in knows:
        return f"response_format {form['type']} is not supported by this model"
    if form["type"] == "json_object" and not any("JSON" in message["content"] for message in body["messages"]):
        return "'messages' must contain the word 'json' to use 'response_format' of type 'json_object'"
    return problem_of_schema(form["json_schema"]["schema"]) if form["type"] == "json_schema" else ""


def problem_of_schema(schema: dict[str, object]) -> str:
    if schema["type"] == "array":
        return problem_of_schema(schema["items"])
    if schema["type"] != "object":
        return ""
    if schema.get("additionalProperties") is not False or set(schema["required"]) != set(schema["properties"]):
        return "'additionalProperties' must be false and every property required"
    return next(filter(None, map(problem_of_schema, schema["properties"].values())), "")


def asked(body: dict[str, object]) -> dict[str, object]:
    """The history and candidates of a request."""
    return json.loads(body["messages"][-1]["content"])


def backwards(handler: Handler, body: dict[str, object]) -> None:
    """The last candidate first, and why."""
    numbers = range(len(asked(body)["candidates"]), 0, -1)
    handler.say({"order": [{"item": number, "reason": f"Number {number} goes with your tea."} for number in numbers]})


def saying(text: object, ended: str = "stop") -> Reply:
    """Always the same completion."""
    return lambda handler, body: handler.say(text, ended)


def failing(status: int, **headers: str) -> Reply:
    """Always this status."""
    return lambda handler, body: handler.answer(status, {"error": {"message": "no"}}, **headers)


def dripping(handler: Handler, body: dict[str, object]) -> None:
    """A byte every now and then, so that no single wait is long."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        time.sleep(0.05)


def dying(handler: Handler, body: dict[str, object]) -> None:
    """The connection ends in the middle of the answer."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [{"mess')
    handler.close_connection = True


def silent(handler: Handler, body: dict[str, object]) -> None:
    """Nothing, for longer than anybody waits."""
    time.sleep(3)


def endless(handler: Handler, body: dict[str, object]) -> None:
    """More than anybody wants to read."""
    handler.say(" " * 300_000)
