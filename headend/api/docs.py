"""`/openapi.json` and `/docs`: everything the page needs comes from this host, out of the packaged swagger-ui.

That swagger-ui reads OpenAPI 3.0, so the document is written as 3.0.3: what pydantic says in 3.1's words is put in the
older ones (a union with null becomes `nullable`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response

from headend.api.schemas import ProblemOut

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>derms headend</title>
<link rel="icon" type="image/png" href="docs/favicon-32x32.png">
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<div id="ui"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START: Final = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#ui", deepLinking: true, validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis], layout: "BaseLayout"
});
"""
_FILES: Final = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "favicon-32x32.png": "image/png",
}


def install(app: FastAPI) -> None:
    """Give `app` its description and the page that shows it."""

    async def openapi(_: Request) -> Response:
        return JSONResponse(document(app))

    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE, headers={"content-security-policy": _POLICY})

    async def start(_: Request) -> Response:
        return Response(_START, media_type="text/javascript")

    app.add_route("/openapi.json", openapi, include_in_schema=False)
    app.add_route("/docs", page, include_in_schema=False)
    app.add_route("/docs/start.js", start, include_in_schema=False)
    for name, media_type in _FILES.items():
        app.add_route(f"/docs/{name}", _file(name, media_type), include_in_schema=False)


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.0.3 document of `app`."""
    made = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes, openapi_version="3.0.3"
    )
    older: dict[str, Any] = _in_3_0(made)
    older["components"]["schemas"]["Problem"] = _in_3_0(ProblemOut.model_json_schema())
    for unused in ("HTTPValidationError", "ValidationError"):
        older["components"]["schemas"].pop(unused, None)
    for operations in older["paths"].values():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _PROBLEM
    return older


_PROBLEM: Final = {
    "description": "Refused, and why",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


def _file(name: str, media_type: str) -> Any:
    import swagger_ui_bundle

    path = Path(str(swagger_ui_bundle.swagger_ui_path)) / name

    async def send(_: Request) -> Response:
        return FileResponse(path, media_type=media_type, headers={"cache-control": "max-age=86400"})

    return send


def _in_3_0(node: Any) -> Any:
    if isinstance(node, list):
        return [_in_3_0(each) for each in node]
    if not isinstance(node, dict):
        return node
    fresh = {key: _in_3_0(value) for key, value in node.items()}
    options = fresh.get("anyOf")
    if isinstance(options, list) and {"type": "null"} in options:
        return _nullable(fresh, [option for option in options if option != {"type": "null"}])
    return fresh


def _nullable(schema: dict[str, Any], options: list[Any]) -> dict[str, Any]:
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if len(options) == 1 and "$ref" not in options[0]:
        return {**options[0], **rest, "nullable": True}
    return {**rest, "anyOf": options, "nullable": True}
