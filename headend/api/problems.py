"""Refusals over HTTP: problem documents (RFC 9457), whatever it was that went wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
_LONGEST_STEP: Final = 64
_Words = Callable[[Mapping[str, Any]], str]
# What pydantic found, by its name for it and with its details (`ctx`), in our words.
_WORDS: Final[Mapping[str, _Words]] = {
    "missing": lambda _: "is missing",
    "extra_forbidden": lambda _: "is not a known field",
    "finite_number": lambda _: "is not a finite number",
    "float_type": lambda _: "is not a number",
    "int_type": lambda _: "is not a whole number",
    "int_parsing": lambda _: "is not a whole number",
    "int_parsing_size": lambda _: "is too large a number",
    "string_type": lambda _: "is not a text",
    "string_unicode": lambda _: "is not valid Unicode",
    "model_attributes_type": lambda _: "is not a JSON object",
    "string_too_short": lambda _: "must not be empty",
    "string_too_long": lambda found: f"must be no longer than {found['max_length']} characters",
    "greater_than_equal": lambda found: f"must be at least {found['ge']:.15g}",
    "less_than_equal": lambda found: f"must be at most {found['le']:.15g}",
    "literal_error": lambda found: f"must be one of {found['expected']}",
    "value_error": lambda found: str(found["error"]),
}


class Problem(HTTPException):
    """A refusal on its way to the caller. `kind` is for programs, `detail` for people; `extra` members ride along."""

    def __init__(self, status: HTTPStatus, kind: str, detail: str, extra: Mapping[str, Any] | None = None) -> None:
        super().__init__(status, detail)
        self.kind = kind
        self.extra = dict(extra or {})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a request: the steps to its place (`body`, `mw`), and what is wrong there."""

    where: Sequence[str | int]
    what: str

    @property
    def path(self) -> str:
        """The input itself is not said back whole: it may be anything."""
        return ".".join(text if len(text := str(step)) <= _LONGEST_STEP else "..." for step in self.where)


def invalid(findings: Iterable[Finding]) -> Problem:
    """A request that makes no sense, with everything that is wrong with it."""
    errors = [{"path": each.path, "what": each.what} for each in findings]
    detail = "; ".join(f"{each['path']} {each['what']}" for each in errors)
    return Problem(HTTPStatus.BAD_REQUEST, "invalid", detail, {"errors": errors})


def response(problem: Problem) -> Response:
    """The problem document as a response."""
    status = problem.status_code
    members = {
        "type": f"{_TYPES}{problem.kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": problem.detail,
    }
    # The standard members win over extra ones; ASCII, so that any text a caller sent can be said back.
    body = json.dumps({**problem.extra, **members}, ensure_ascii=True, allow_nan=False)
    return Response(body, status, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Have `app` answer every refusal and every fault with a problem document."""

    @app.exception_handler(Problem)
    async def refused(_: Request, problem: Problem) -> Response:
        return response(problem)

    @app.exception_handler(RequestValidationError)
    async def wrong(_: Request, error: RequestValidationError) -> Response:
        return response(invalid(_found(each) for each in error.errors()))

    @app.exception_handler(HTTPException)
    async def standard(_: Request, error: HTTPException) -> Response:
        status = HTTPStatus(error.status_code)
        answer = response(Problem(status, status.name.lower().replace("_", "-"), str(error.detail)))
        for name, value in (error.headers or {}).items():
            answer.headers[name] = value
        return answer

    @app.exception_handler(Exception)
    async def fault(request: Request, error: Exception) -> Response:
        log.error("a request failed by a fault of ours", path=request.url.path, exc_info=error)
        detail = "a fault of the headend; its log says more"
        return response(Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", detail))


def _found(error: Mapping[str, Any]) -> Finding:
    words = _WORDS.get(error["type"])
    return Finding(error["loc"], words(error.get("ctx", {})) if words else "is not what is wanted here")
