"""What guards a service without accounts from the web pages and forms of this machine's browsers."""

from __future__ import annotations

import json

import pytest

from headend.api.loopback import LARGEST_BODY, names_loopback


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:3001", "LocalHost:80", "127.0.0.1", "127.0.0.1:9", "127.9.9.9:1", "[::1]", "[::1]:3001"],
)
def test_this_machine_by_any_of_its_names(host):
    assert names_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:3001",
        "10.0.0.1",
        "0.0.0.0:3001",
        "::1x",
        "localhost:x",
        "localhost:",
        "[::2]:3001",
        "user@localhost",
    ],
)
def test_anything_else_is_not(host):
    assert not names_loopback(host)


@pytest.mark.parametrize("path", ["/health", "/docs", "/openapi.json", "/assets"])
async def test_a_rebound_name_is_turned_away_everywhere(http, path):
    answer = await http.get(path, headers={"host": "evil.example:3001"})
    assert answer.status_code == 421
    assert answer.json()["type"] == "urn:derms:problem:host"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://localhost:3001", "http://localhost:8080"])
async def test_another_origin_is_turned_away(http, desk, ids, origin):
    desk.connect(ids.b1)
    answer = await http.post("/dispatch", json={"asset_id": ids.b1, "mw": 1}, headers={"origin": origin})
    assert answer.status_code == 403
    assert desk.sent == {}


async def test_our_own_page_is_served(http, desk, ids):
    desk.connect(ids.b1)
    headers = {"origin": "http://localhost:3001"}
    assert (await http.post("/dispatch", json={"asset_id": ids.b1, "mw": 1}, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "media",
    [
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'APPLICATION/JSON; Charset="utf-8"',
    ],
)
async def test_json_by_any_of_its_names(http, desk, ids, media):
    desk.connect(ids.b1)
    body = json.dumps({"asset_id": ids.b1, "mw": 1})
    assert (await http.post("/dispatch", content=body, headers={"content-type": media})).status_code == 200


@pytest.mark.parametrize(
    "media",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonx",
        "application/json; charset=utf-16",
        "text/plain; application/json",
        "",
    ],
)
async def test_a_form_cannot_dispatch(http, desk, ids, media):
    desk.connect(ids.b1)
    body = json.dumps({"asset_id": ids.b1, "mw": 1})
    answer = await http.post("/dispatch", content=body, headers={"content-type": media})
    assert answer.status_code == 415
    assert desk.sent == {}


async def test_a_large_body_is_refused_whether_it_says_so_or_not(http):
    async def endless():
        while True:
            yield b" " * 10_000

    said = await http.post("/dispatch", content=b" " * (LARGEST_BODY + 1), headers={"content-type": "application/json"})
    assert said.status_code == 413
    unsaid = await http.post("/dispatch", content=endless(), headers={"content-type": "application/json"})
    assert unsaid.status_code == 413
    assert unsaid.headers["content-type"] == "application/problem+json"
    assert unsaid.json() == said.json()
    assert said.json()["type"] == "urn:derms:problem:too-large"


async def test_a_body_in_pieces_is_read_whole(http, desk, ids):
    desk.connect(ids.b1)

    async def pieces():
        for byte in json.dumps({"asset_id": ids.b1, "mw": 1}).encode():
            yield bytes([byte])

    answer = await http.post("/dispatch", content=pieces(), headers={"content-type": "application/json"})
    assert answer.status_code == 200


async def test_every_answer_is_hardened(http):
    for path in ("/health", "/docs", "/nowhere"):
        answer = await http.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
