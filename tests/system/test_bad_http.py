"""What a clumsy or hostile user sends over HTTP, against a real headend: refused in words, and nothing moves."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Sequence

from tests.system.home import (
    BATTERY,
    GUERNSEY,
    JERSEY,
    JSON,
    PATIENCE_S,
    SECOND_BATTERY,
    Home,
    Running,
    ask,
    eventually,
)

# --- over HTTP -------------------------------------------------------------------------------------------------------

# What is posted to /dispatch, the status, the kind of problem, and what its detail says.
BAD_DISPATCHES: Sequence[tuple[str | bytes, int, str, str]] = (
    (f'{{"asset_id": "{BATTERY}", "mw": NaN}}', 400, "invalid", "body.mw is not a finite number"),
    (f'{{"asset_id": "{BATTERY}", "mw": Infinity}}', 400, "invalid", "body.mw is not a finite number"),
    (f'{{"asset_id": "{BATTERY}", "mw": -Infinity}}', 400, "invalid", "body.mw is not a finite number"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1e999}}', 400, "invalid", "body.mw is not a finite number"),
    (f'{{"asset_id": "{BATTERY}", "mw": "5"}}', 400, "invalid", "body.mw is not a number"),
    (f'{{"asset_id": "{BATTERY}", "mw": true}}', 400, "invalid", "body.mw is not a number"),
    (f'{{"asset_id": "{BATTERY}", "mw": null}}', 400, "invalid", "body.mw is not a number"),
    (f'{{"asset_id": "{BATTERY}", "mw": [5]}}', 400, "invalid", "body.mw is not a number"),
    (f'{{"asset_id": "{BATTERY}"}}', 400, "invalid", "body.mw is missing"),
    (f'{{"asset_id": "{BATTERY}", "mw": {"9" * 5000}}}', 400, "invalid", "too many digits"),
    ('{"asset_id": "nobody", "mw": 1}', 404, "unknown-asset", "there is no asset 'nobody'"),
    ('{"site_id": "nowhere", "mw": 1}', 404, "unknown-site", "there is no site 'nowhere'"),
    (f'{{"asset_id": "{JERSEY}", "mw": 1}}', 404, "unknown-asset", "there is no asset"),
    ('{"asset_id": 5, "mw": 1}', 400, "invalid", "body.asset_id is not a text"),
    ('{"asset_id": "", "mw": 1}', 400, "invalid", "body.asset_id"),
    (f'{{"asset_id": "{"x" * 60_000}", "mw": 1}}', 400, "invalid", "body.asset_id"),
    ('{"asset_id": "\\ud800", "mw": 1}', 400, "invalid", "body.asset_id"),
    (f'{{"asset_id": "{BATTERY}", "site_id": "{JERSEY}", "mw": 1}}', 400, "invalid", "exactly one target"),
    ('{"mw": 1}', 400, "invalid", "exactly one target"),
    ('{"asset_id": null, "site_id": null, "mw": 1}', 400, "invalid", "exactly one target"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "colour": "red"}}', 400, "invalid", "body.colour is not a known field"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": 0}}', 400, "invalid", "body.duration_s"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": -5}}', 400, "invalid", "body.duration_s"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": NaN}}', 400, "invalid", "body.duration_s"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": "10"}}', 400, "invalid", "body.duration_s is not a number"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": true}}', 400, "invalid", "body.duration_s is not a number"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": 1e308}}', 422, "limits", "is too long"),
    (f'{{"asset_id": "{BATTERY}", "mw": 500}}', 422, "limits", "500 MW is above the rating of Jersey battery 1, 50 MW"),
    (f'{{"asset_id": "{BATTERY}", "mw": -500}}', 422, "limits", "below the rating"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1e303}}', 400, "invalid", "body.mw"),  # finite in MW, infinite in W
    (f'{{"site_id": "{JERSEY}", "mw": -1.7e308}}', 400, "invalid", "body.mw"),
    (f'{{"asset_id": "{SECOND_BATTERY}", "mw": 1}}', 409, "unreachable", "Jersey battery 2"),
    (f'{{"site_id": "{GUERNSEY}", "mw": 1}}', 409, "unreachable", ""),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "mw": 2}}', 400, "invalid", "body.mw is given twice"),
    (f'{{"asset_id": "{BATTERY}", "mw": 1, "duration_s": 1e-9}}', 400, "invalid", "body.duration_s must be at least 1"),
    ("", 400, "invalid", "body is missing"),
    ("{", 400, "invalid", "body is not valid JSON"),
    ("[]", 400, "invalid", "body"),
    ("null", 400, "invalid", "body"),
    (b"\xff\xfe{", 400, "invalid", "body is not UTF-8"),
    ("[" * 50_000, 400, "invalid", "body is nested too deeply"),
    ("x" * 70_000, 413, "too-large", "larger than 65536 bytes"),
)
GOOD_BODY = f'{{"asset_id": "{BATTERY}", "mw": 1}}'
BAD_HEADERS: Sequence[tuple[dict[str, str], int, str]] = (
    ({"content-type": "text/plain"}, 415, "media-type"),
    ({"content-type": "application/x-www-form-urlencoded"}, 415, "media-type"),
    ({"content-type": ""}, 415, "media-type"),
    (JSON | {"host": "evil.example"}, 421, "host"),
    (JSON | {"host": "127.0.0.1.evil.example:3001"}, 421, "host"),
    (JSON | {"host": "192.0.2.7"}, 421, "host"),
    (JSON | {"host": ""}, 421, "host"),
    (JSON | {"origin": "http://evil.example"}, 403, "origin"),
    (JSON | {"origin": "null"}, 403, "origin"),
    (JSON | {"origin": "http://localhost:1"}, 403, "origin"),
)
BAD_QUESTIONS: Sequence[tuple[str, int, str]] = (
    ("/telemetry/nobody", 404, "there is no asset 'nobody'"),
    ("/telemetry/nobody/history", 404, "there is no asset 'nobody'"),
    ("/telemetry/%00", 404, "there is no asset"),
    ("/assets/..%2f..%2fetc%2fpasswd", 404, ""),
    ("/events/nobody/history", 404, "there is no asset 'nobody'"),
    ("/heartbeat/nobody", 404, "there is no asset 'nobody'"),
    ("/dispatch/nothing", 404, "there is no dispatch 'nothing'"),
    ("/nonsense", 404, ""),
    (f"/telemetry/{BATTERY}/history?start=yesterday", 400, "query.start is not an RFC 3339 time such as"),
    (f"/telemetry/{BATTERY}/history?start=", 400, "query.start"),
    (f"/telemetry/{BATTERY}/history?start=NaN", 400, "query.start"),
    (f"/telemetry/{BATTERY}/history?start=2031-01-01T00:00:00Z%00", 400, "query.start is not an RFC 3339 time"),
    (f"/telemetry/{BATTERY}/history?start=99999999999999999999", 400, "query.start"),
    (f"/telemetry/{BATTERY}/history?end=2026-13-01T00:00:00Z", 400, "query.end is not an RFC 3339 time"),
    (f"/telemetry/{BATTERY}/history?end=2026-11-23T08:00:00", 400, "query.end has no offset from UTC"),
    (f"/telemetry/{BATTERY}/history?end=0001-01-01T00:00:00%2B23:59", 400, "query.end is outside the years"),
    (f"/telemetry/{BATTERY}/history?start=2031-01-01T00:00:00Z&end=2030-01-01T00:00:00Z", 400, "is after query.end"),
    (f"/telemetry/{BATTERY}/history?limit=0", 400, "query.limit"),
    (f"/telemetry/{BATTERY}/history?limit=10001", 400, "query.limit"),
    (f"/telemetry/{BATTERY}/history?limit=many", 400, "query.limit"),
    (f"/telemetry/{BATTERY}/history?limt=5", 400, "query.limt is not a known parameter"),
    (f"/events/{BATTERY}/history?end=never", 400, "query.end"),
)


def test_every_bad_request_is_refused_in_words_and_moves_nothing(home: Home, start: Callable[..., Running]) -> None:
    headend = start("headend", "run", home.headend)
    headend.has_said("headend is up")
    start(*home.agent("run", BATTERY)).has_said("registered")
    eventually(lambda: ask(home, "GET", f"/assets/{BATTERY}")[1]["current_mw"] is not None)

    for body, status, kind, words in BAD_DISPATCHES:
        answered, said = ask(home, "POST", "/dispatch", body)
        about = (body[:80], answered, said)
        assert answered == status, about
        assert said["type"].endswith(kind), about
        assert words in said["detail"], about
    for headers, status, kind in BAD_HEADERS:
        answered, said = ask(home, "POST", "/dispatch", GOOD_BODY, headers)
        assert (answered, said["type"]) == (status, f"urn:derms:problem:{kind}"), (headers, said)
        if "host" in headers or "origin" in headers:
            assert ask(home, "GET", "/assets", None, headers)[0] == status, headers
    for path, status, words in BAD_QUESTIONS:
        answered, said = ask(home, "GET", path)
        assert answered == status, (path, said)
        assert words in said["detail"], (path, said)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert ask(home, method, "/dispatch", GOOD_BODY)[0] == 405
    for path, body in (
        ("/telemetry", f'{{"asset_id": "{BATTERY}", "current_mw": NaN}}'),
        ("/telemetry", '{"asset_id": "nobody", "current_mw": 1}'),
        ("/telemetry", f'{{"asset_id": "{SECOND_BATTERY}", "current_mw": 500}}'),
        ("/telemetry", f'{{"asset_id": "{BATTERY}", "current_mw": 1}}'),
        ("/events", f'{{"asset_id": "{BATTERY}", "type": "x", "severity": "awful"}}'),
        ("/events", f'{{"asset_id": "{BATTERY}", "type": "x", "severity": "info", "timestamp": "never"}}'),
        ("/release", f'{{"asset_id": "{BATTERY}", "mw": 1}}'),
        ("/release", "{}"),
    ):
        answered, said = ask(home, "POST", path, body)
        assert answered in (400, 404, 409, 422), (path, body, said)

    lines = ask(home, "GET", "/dispatch/history")[1]
    assert {line["status"] for line in lines} == {"refused"}
    assert not ask(home, "GET", f"/assets/{BATTERY}")[1]["setpoint_mw"]
    assert ask(home, "GET", "/health")[0] == 200
    assert '"error"' not in headend.said


def test_chunks_without_end_and_garbage_do_not_harm_the_headend(home: Home, start: Callable[..., Running]) -> None:
    start("headend", "run", home.headend).has_said("headend is up")
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    chunked = b"POST /dispatch HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for sent, status in (
        (chunked + b"Transfer-Encoding: chunked\r\n\r\n" + 3 * chunk, b"413"),
        (chunked + b"Content-Length: -5\r\n\r\n{}", b"400"),
        (chunked + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"400"),
        (b"GET /assets HTTP/1.1\r\n\r\n", b"400"),
        (b"GET /assets HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01" + bytes(100) + b"\r\n\r\n", b"400"),
    ):
        with socket.create_connection(("127.0.0.1", home.http), PATIENCE_S) as connection:
            connection.sendall(sent)
            assert connection.recv(65536).split()[1] == status, sent[:60]
    for port in (home.agents, home.boundary):  # a browser that has lost its way
        with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.settimeout(PATIENCE_S)
            with contextlib.suppress(ConnectionError):
                while connection.recv(4096):
                    pass
    assert ask(home, "GET", "/health")[0] == 200
