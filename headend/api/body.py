"""The body of a request, read strictly: what two readers could take for two different things is refused.

`json` by itself takes the last of two equal keys without a word, and guesses at encodings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from headend.api.problems import Finding, Problem, invalid


class StrictRoute(APIRoute):
    """A route whose body, if it takes one, is read by `document`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        return document(await self.body())


def document(raw: bytes) -> Any:
    """The value of one JSON text in UTF-8 (RFC 8259). Raises Problem (400): not JSON, or a key is given twice."""
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_unique)
    except UnicodeDecodeError as error:
        raise _refused(f"is not UTF-8 (byte {error.start + 1})") from None
    except json.JSONDecodeError as error:
        raise _refused(f"is not valid JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        raise _refused("is nested too deeply") from None
    except ValueError:
        # The only other one: Python's own limit to the digits of a whole number.
        raise _refused("has a number of too many digits") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise invalid([Finding(("body", key), "is given twice")])
        found[key] = value
    return found


def _refused(what: str) -> Problem:
    return invalid([Finding(("body",), what)])
