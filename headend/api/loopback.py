"""What guards an HTTP service without accounts on the loopback interface.

A web page in some browser on this machine can reach us too. So the Host must name this machine (DNS rebinding), an
Origin must be our own (cross-site requests), a body must be JSON (plain forms send no preflight) and small.
"""

from __future__ import annotations

from http import HTTPStatus
from ipaddress import ip_address
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headend.api import problems

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
        refusal = self._refusal(scope)
        if refusal is not None:
            status, kind, detail = refusal
            await problems.response(status, kind, detail)(scope, receive, hardened)
            return
        await self._app(scope, self._counted(receive), hardened)

    def _refusal(self, scope: Scope) -> tuple[HTTPStatus, str, str] | None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        hosts = [value for name, value in scope["headers"] if name.lower() == b"host"]
        host = headers.get("host", "")
        if len(hosts) != 1 or not names_loopback(host):
            return HTTPStatus.MISDIRECTED_REQUEST, "host", f"Host {host!r} is not this machine's loopback interface"
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            return HTTPStatus.FORBIDDEN, "origin", f"requests from {origin!r} are not served"
        if scope["method"] == "POST" and headers.get("content-type", "").partition(";")[0].strip() != _JSON:
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "media-type", f"the body must be {_JSON}"
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > self._largest_body:
            return _TOO_LARGE[0], _TOO_LARGE[1], f"the body is larger than {self._largest_body} bytes"
        return None

    def _counted(self, receive: Receive) -> Receive:
        """Count what really comes, whatever Content-Length said."""
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._largest_body:
                raise HTTPException(_TOO_LARGE[0], f"the body is larger than {self._largest_body} bytes")
            return message

        return counted


_JSON: Final = "application/json"
_TOO_LARGE: Final = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large")


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
