"""As much of HTTP/1.1 (RFC 9112) as one small POST and its answer need, read strictly. Pure.

Whatever could be read in two ways is refused: a folded line, a length given twice, a body of no stated length.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

HEAD_LIMIT = 8_192
"""Bytes of the longest request or response head, its empty line included."""

_REQUEST = re.compile(r"([A-Z]{1,16}) ([!-~]{1,1024}) HTTP/1\.([01])")
_RESPONSE = re.compile(r"HTTP/1\.[01] ([1-5][0-9]{2})(?: [\t -~\x80-\xff]*)?")
_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,10}")


class BadHttp(Exception):
    """A head that is not understood, or not taken; `status` is what a server answers."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True)
class RequestHead:
    """A request up to its body. `length` bytes of body follow; `keep_alive`: another request may."""

    method: str
    target: str
    length: int
    keep_alive: bool


@dataclass(frozen=True, slots=True)
class ResponseHead:
    """An answer up to its body. `length` None: the body goes on until the connection ends."""

    status: int
    kind: str
    length: int | None


def request_head(data: bytes, body_limit: int) -> RequestHead:
    """Read a request's head, which ends with its empty line. BadHttp for what is not taken."""
    first, fields = _lines(data)
    match = _REQUEST.fullmatch(first)
    if match is None:
        raise BadHttp(HTTPStatus.BAD_REQUEST, "the request line is not METHOD target HTTP/1.1")
    length = _length(fields)
    if length is None and match[1] == "POST":
        raise BadHttp(HTTPStatus.LENGTH_REQUIRED, "a Content-Length is needed")
    if length is not None and length > body_limit:
        raise BadHttp(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body may have {body_limit} bytes")
    keep_alive = match[3] == "1" and "close" not in fields.get("connection", "").lower()
    return RequestHead(match[1], match[2], length or 0, keep_alive)


def response_head(data: bytes) -> ResponseHead:
    """Read an answer's head, which ends with its empty line. BadHttp for what is not understood."""
    first, fields = _lines(data)
    match = _RESPONSE.fullmatch(first)
    if match is None:
        raise BadHttp(HTTPStatus.BAD_GATEWAY, "the answer is not HTTP")
    kind = fields.get("content-type", "").partition(";")[0].strip().lower()
    return ResponseHead(int(match[1]), kind, _length(fields))


def request(host: str, target: str, body: bytes) -> bytes:
    """A whole POST, after whose answer the connection ends."""
    head = {"Host": host, "Content-Type": "text/plain", "Content-Length": str(len(body)), "Connection": "close"}
    return _written(f"POST {target} HTTP/1.1", head) + body


def response(status: HTTPStatus, kind: str, body: bytes, *, keep_alive: bool) -> bytes:
    """A whole answer."""
    head = {"Content-Type": kind, "Content-Length": str(len(body)), "X-Content-Type-Options": "nosniff"}
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        head["Allow"] = "POST"
    if not keep_alive:
        head["Connection"] = "close"
    return _written(f"HTTP/1.1 {status.value} {status.phrase}", head) + body


def _written(first: str, fields: Mapping[str, str]) -> bytes:
    lines = [first, *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _lines(data: bytes) -> tuple[str, dict[str, str]]:
    """The first line, and the fields by their names in small letters."""
    if not data.endswith(b"\r\n\r\n") or len(data) > HEAD_LIMIT:
        raise BadHttp(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the head has more than {HEAD_LIMIT} bytes")
    first, *lines = data[:-4].decode("latin-1").split("\r\n")
    fields: dict[str, str] = {}
    for line in lines:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise BadHttp(HTTPStatus.BAD_REQUEST, "a header line is not name: value")
        name = match[1].lower()
        if name in fields and name in ("content-length", "content-type", "transfer-encoding"):
            raise BadHttp(HTTPStatus.BAD_REQUEST, f"{name} is given twice")
        fields[name] = match[2]
    return first, fields


def _length(fields: Mapping[str, str]) -> int | None:
    if "transfer-encoding" in fields:
        raise BadHttp(HTTPStatus.NOT_IMPLEMENTED, "transfer encodings are not understood; give a Content-Length")
    text = fields.get("content-length")
    if text is not None and not _LENGTH.fullmatch(text):
        raise BadHttp(HTTPStatus.BAD_REQUEST, "the Content-Length is not a number")
    return None if text is None else int(text)
