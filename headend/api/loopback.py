"""What guards an HTTP service without accounts on the loopback interface.

A web page in some browser on this machine can reach us too. So the Host must name this machine (DNS rebinding), an
Origin must be our own (cross-site requests), a body must be JSON (plain forms send no preflight) and small.
"""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headend.api import problems
from headend.api.problems import Problem

LARGEST_BODY: Final = 64 * 1024
_SECURITY_HEADERS: Final = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
]


class Loopback:
    """ASGI middleware. Immutable."""

    def __init__(self, app: ASGIApp, largest_body: int = LARGEST_BODY) -> None:
        self._app = app
        self._largest_body = largest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        hardened = _hardened(send)
        try:
            self._look_at(scope)
            first = await self._whole(receive)
        except Problem as problem:
            await problems.response(problem)(scope, receive, hardened)
            return
        await self._app(scope, _first(first, receive), hardened)

    def _look_at(self, scope: Scope) -> None:
        """Raises Problem where what stands in the head is enough to refuse the request."""
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        hosts = [value for name, value in scope["headers"] if name.lower() == b"host"]
        host = headers.get("host", "")
        if len(hosts) != 1 or not names_loopback(host):
            detail = f"Host {host!r} is not this machine's loopback interface"
            raise Problem(HTTPStatus.MISDIRECTED_REQUEST, "host", detail)
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            raise Problem(HTTPStatus.FORBIDDEN, "origin", f"requests from {origin!r} are not served")
        if scope["method"] == "POST" and not is_json(headers.get("content-type", "")):
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media-type", f"the body must be {_JSON}, in UTF-8")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > self._largest_body:
            raise self._too_large()

    async def _whole(self, receive: Receive) -> Message:
        """The whole body as one message, counted as it comes, whatever Content-Length said. Raises Problem."""
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return message
            body += message.get("body", b"")
            if len(body) > self._largest_body:
                raise self._too_large()
            if not message.get("more_body", False):
                return {"type": "http.request", "body": body, "more_body": False}

    def _too_large(self) -> Problem:
        detail = f"the body is larger than {self._largest_body} bytes"
        return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", detail)


_JSON: Final = "application/json"


def is_json(content_type: str) -> bool:
    """Whether a Content-Type header says JSON in UTF-8: names in any case (RFC 9110 clause 8.3.1)."""
    media, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = {part.partition("=")[2].strip('"') for part in parameters if part.startswith("charset=")}
    return media == _JSON and charsets <= {"utf-8"}


def names_loopback(host: str) -> bool:
    """Whether a Host header names this machine: `localhost` or a loopback address, with any port (ssh forwards)."""
    name, colon, port = host.rpartition(":") if not host.endswith("]") else (host, "", "")
    if not colon:
        name = host
    elif not (port.isascii() and port.isdigit()):
        return False
    if name.lower() == "localhost":
        return True
    try:
        return ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False


def _first(message: Message, receive: Receive) -> Receive:
    """`message`, and then whatever comes."""
    waiting = [message]

    async def replayed() -> Message:
        return waiting.pop() if waiting else await receive()

    return replayed


def _hardened(send: Send) -> Send:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = {name.lower() for name, _ in message.get("headers", [])}
            message["headers"] = [
                *message.get("headers", []),
                *((name, value) for name, value in _SECURITY_HEADERS if name not in present),
            ]
        await send(message)

    return with_headers
