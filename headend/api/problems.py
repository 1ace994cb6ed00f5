"""Refusals over HTTP: problem documents (RFC 9457), whatever it was that went wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from daemon import logs

log = logs.get(__name__)

MEDIA_TYPE: Final = "application/problem+json"
_TYPES: Final = "urn:derms:problem:"
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "finite_number": "is not a finite number",
    "json_invalid": "is not valid JSON",
    "float_type": "is not a number",
    "int_type": "is not a whole number",
    "string_type": "is not a text",
    "string_unicode": "is not valid Unicode",
}


class Problem(Exception):
    """A refusal on its way to the caller. `kind` is for programs, `detail` for people; `extra` members ride along."""

    def __init__(self, status: HTTPStatus, kind: str, detail: str, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.extra = dict(extra or {})


def response(status: int, kind: str, detail: str, extra: Mapping[str, Any] | None = None) -> Response:
    """The problem document as a response."""
    known = status in set(HTTPStatus)
    members = {
        "type": f"{_TYPES}{kind}",
        "title": HTTPStatus(status).phrase if known else "Error",
        "status": status,
        "detail": detail,
    }
    # The standard members win over extra ones; ASCII, so that any text a caller sent can be said back.
    body = json.dumps({**(extra or {}), **members}, ensure_ascii=True, allow_nan=False)
    return Response(body, status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Have `app` answer every refusal and every fault with a problem document."""

    @app.exception_handler(Problem)
    async def refused(_: Request, problem: Problem) -> Response:
        return response(problem.status, problem.kind, problem.detail, problem.extra)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        errors = [_plain(each) for each in error.errors()]
        detail = "; ".join(f"{each['path']} {each['what']}" for each in errors)
        return response(HTTPStatus.BAD_REQUEST, "invalid", detail, {"errors": errors})

    @app.exception_handler(HTTPException)
    async def standard(_: Request, error: HTTPException) -> Response:
        kind = HTTPStatus(error.status_code).name.lower().replace("_", "-")
        answer = response(error.status_code, kind, str(error.detail))
        for name, value in (error.headers or {}).items():
            answer.headers[name] = value
        return answer

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        log.error("a request failed by a fault of ours", path=request.url.path, exc_info=error)
        return response(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", "a fault of the headend; its log says more")


def _plain(error: Mapping[str, Any]) -> dict[str, str]:
    """One validation error in words. The input itself is not repeated: it may be anything."""
    where: Sequence[Any] = error["loc"]
    path = ".".join(str(part) for part in where if not (error["type"] == "json_invalid" and isinstance(part, int)))
    what = _WORDS.get(error["type"], str(error["msg"]).removeprefix("Value error, ").removeprefix("Input "))
    return {"path": path or "body", "what": what}
