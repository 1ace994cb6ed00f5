"""`/docs` works with no other host in reach, and the description is true to the routes."""

from __future__ import annotations

import re

import pytest


async def test_the_page_names_no_other_host(http):
    page = await http.get("/docs")
    assert page.status_code == 200
    assert "://" not in page.text
    assert "connect-src 'self'" in page.headers["content-security-policy"]
    assert "unsafe-inline" not in page.headers["content-security-policy"].partition("script-src")[2].partition(";")[0]
    for link in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        part = await http.get(f"/{link}")
        assert part.status_code == 200, link
        assert part.content
    assert "validatorUrl: null" in (await http.get("/docs/start.js")).text, "or it would call a validator elsewhere"


@pytest.fixture
async def document(http):
    return (await http.get("/openapi.json")).json()


async def test_every_call_of_the_interface_is_described(document):
    calls = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert calls >= {
        ("GET", "/health"),
        ("GET", "/assets"),
        ("GET", "/assets/{asset_id}"),
        ("GET", "/sites"),
        ("GET", "/agents"),
        ("GET", "/telemetry/{asset_id}"),
        ("GET", "/telemetry/{asset_id}/history"),
        ("POST", "/telemetry"),
        ("POST", "/dispatch"),
        ("GET", "/dispatch/history"),
        ("POST", "/events"),
        ("GET", "/events/{asset_id}/history"),
        ("GET", "/heartbeat/{asset_id}"),
    }


async def test_the_description_is_of_the_version_that_the_page_reads(document):
    assert document["openapi"] == "3.0.3"

    def walk(node):
        if isinstance(node, dict):
            assert node.get("type") != "null"
            assert not {"exclusiveMinimum", "exclusiveMaximum"} & node.keys(), "in 3.0 they are flags beside the bound"
            if "$ref" in node:
                name = node["$ref"].rpartition("/")[2]
                assert name in document["components"]["schemas"]
        for each in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            walk(each)

    walk(document)
    duration_s = document["components"]["schemas"]["DispatchIn"]["properties"]["duration_s"]
    assert (duration_s["nullable"], duration_s["minimum"]) == (True, 1)


async def test_operations_have_names_of_their_own_and_refusals_are_described(document):
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for operation in operations:
        assert "application/problem+json" in operation["responses"]["default"]["content"]
        assert "422" not in operation["responses"]
