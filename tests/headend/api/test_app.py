"""The HTTP interface that its first users know, call by call, and everything it refuses."""

from __future__ import annotations

import json

import pytest

from dermscore.intent import IntentState as S
from dermscore.quality import Cause, Quality
from dermscore.times import written
from headend.records import EventRow, SessionRow, TelemetryRow
from headend.store.writer import Health

GATEWAY = "urn:derms:gateway:gateway"


def problem(answer, status, kind):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said = answer.json()
    assert said["status"] == status
    assert said["type"] == f"urn:derms:problem:{kind}"
    assert said["title"]
    return said["detail"]


# --- reading


async def test_health(http, bare, kept, desk, ids):
    desk.connect(ids.b1)
    answer = await http.get("/health")
    assert answer.status_code == 200
    assert answer.json() | {"reasons": []} == {
        "status": "ok",
        "db": "ok",
        "reasons": [],
        "agents_connected": 1,
        "assets": 10,
        "history_rows_dropped": 0,
    }
    assert (await bare.get("/health")).json()["db"] == "none"
    kept.health = Health(False, "disk is full", 10, 3)
    answer = await http.get("/health")
    assert answer.status_code == 503
    assert (answer.json()["status"], answer.json()["db"]) == ("degraded", "error")
    assert "disk is full" in answer.json()["reasons"][0]


async def test_an_asset_never_heard_has_ratings_and_nulls(http, ids):
    answer = (await http.get(f"/assets/{ids.b1}")).json()
    assert {key: answer[key] for key in ("name", "site_name", "location", "capacity_mwhr", "max_mw", "min_mw")} == {
        "name": "Jersey battery 1",
        "site_name": "Jersey",
        "location": "Region-A",
        "capacity_mwhr": 100.0,
        "max_mw": 50.0,
        "min_mw": -50.0,
    }
    assert (answer["efficiency"], answer["ramp_rate_mw_per_min"]) == (0.9, 1000.0)
    assert (answer["min_soc_pct"], answer["max_soc_pct"]) == (5.0, 95.0)
    live = ("status", "soc_mwhr", "soc_pct", "current_mw", "setpoint_mw", "timestamp", "quality", "age_s")
    assert [answer[key] for key in live] == [None] * len(live)
    assert answer["connected"] is False


async def test_an_asset_heard_has_its_values_and_an_age(http, desk, ids):
    desk.connect(ids.b1)
    desk.clocks.pass_s(1)
    desk.hear(ids.b1, power_w=-20e6, soc=0.25, setpoint_w=-20e6, quality=Quality(causes=Cause.TEST))
    desk.clocks.pass_s(2)
    answer = (await http.get("/assets")).json()[0]
    assert answer["id"] == ids.b1
    assert (answer["status"], answer["current_mw"], answer["setpoint_mw"]) == ("charging", -20.0, -20.0)
    assert (answer["soc_mwhr"], answer["soc_pct"], answer["age_s"]) == (25.0, 25.0, 2.0)
    assert (answer["quality"], answer["causes"], answer["connected"]) == ("good", ["test"], True)


async def test_an_age_is_counted_apart_from_wall_clocks(http, desk, ids):
    """It is the one by which a value is fresh: neither a step of ours nor an agent's wrong clock changes it."""
    desk.connect(ids.b1)
    desk.clocks.pass_s(2)
    desk.clocks.step_utc_s(-3600)
    assert (await http.get(f"/assets/{ids.b1}")).json()["age_s"] == 2.0
    desk.clocks.step_utc_s(7200)
    answer = (await http.get("/sites")).json()[0]
    assert (answer["assets"][0]["age_s"], answer["aggregate"]["oldest_age_s"]) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("mw", "status"), [(0.1, "idle"), (0.11, "discharging"), (-0.1, "idle"), (-0.11, "charging"), (0, "idle")]
)
async def test_the_status_is_by_the_power(http, desk, ids, mw, status):
    desk.hear(ids.b1, power_w=mw * 1e6)
    assert (await http.get(f"/telemetry/{ids.b1}")).json()["status"] == status


async def test_a_stale_value_does_not_look_good(http, desk, ids):
    desk.connect(ids.b1)
    desk.clocks.pass_s(13)
    for answer in ((await http.get(f"/assets/{ids.b1}")).json(), (await http.get(f"/telemetry/{ids.b1}")).json()):
        assert answer["quality"] == "invalid"
        assert "comm_lost" in answer["causes"]


async def test_sites_sum_what_reports_and_rate_what_is_there(http, desk, ids):
    desk.connect(ids.b1, ids.solar)
    desk.clocks.pass_s(1)
    desk.hear(ids.b1, power_w=5e6, soc=0.5)
    desk.hear(ids.solar, power_w=2e6)
    site = (await http.get("/sites")).json()[0]
    assert (site["site_id"], site["site_name"], site["path"]) == (ids.jersey, "Jersey", ids.path)
    aggregate = site["aggregate"]
    assert (aggregate["capacity_mwhr"], aggregate["max_mw"], aggregate["min_mw"]) == (180.0, 120.0, -110.0)
    assert aggregate["ramp_rate_mw_per_min"] == 3200.0
    assert (aggregate["current_mw"], aggregate["soc_mwhr"], aggregate["soc_pct"]) == (7.0, 50.0, 50.0)
    assert (aggregate["configured"], aggregate["reporting"]) == (4, 2)
    assert [asset["name"] for asset in site["assets"]][:2] == ["Jersey battery 1", "Jersey battery 2"]
    silent = (await http.get("/sites")).json()[1]["aggregate"]
    assert (silent["current_mw"], silent["soc_mwhr"], silent["reporting"], silent["coverage_pct"]) == (None, None, 0, 0)


async def test_agents_and_their_sessions(http, bare, desk, kept, ids):
    kept.keep([SessionRow("old", ids.b1, "Jersey battery 1", ids.jersey, "Jersey", "a", "ipv4:1", 5000, 9000, "left")])
    desk.connect(ids.b1, agent=ids.jersey)
    one, two = (await http.get("/agents")).json()[:2]
    assert (one["asset_id"], one["asset_name"], one["site_id"], one["site_name"]) == (
        ids.b1,
        "Jersey battery 1",
        ids.jersey,
        "Jersey",
    )
    assert (one["peer"], one["connected"], one["agent_id"]) == ("test", True, ids.jersey)
    assert one["connected_at"] == written(desk.clocks.now.utc_ms)
    assert one["sessions"] == [
        {"peer": "ipv4:1", "connected_at": "1970-01-01T00:00:05.000Z", "disconnected_at": "1970-01-01T00:00:09.000Z"}
    ]
    assert (two["peer"], two["connected"], two["connected_at"], two["sessions"]) == (None, False, None, [])
    assert (await bare.get("/agents")).json()[0]["sessions"] == []


async def test_telemetry_as_it_is_known(http, desk, ids):
    problem(await http.get(f"/telemetry/{ids.b1}"), 404, "never-heard")
    desk.hear(ids.b1, power_w=20e6)
    answer = (await http.get(f"/telemetry/{ids.b1}")).json()
    assert answer == {
        "asset_id": ids.b1,
        "site_id": ids.jersey,
        "site_name": "Jersey",
        "timestamp": "2030-03-17T17:46:40.000Z",
        "soc_mwhr": 50.0,
        "soc_pct": 50.0,
        "capacity_mwhr": 100.0,
        "current_mw": 20.0,
        "setpoint_mw": None,
        "max_mw": 50.0,
        "min_mw": -50.0,
        "status": "discharging",
        "quality": "good",
        "causes": [],
    }
    desk.hear(ids.solar)
    assert (await http.get(f"/telemetry/{ids.solar}")).json()["soc_pct"] is None


async def test_history_newest_first_within_its_times(http, bare, desk, kept, ids):
    for seconds in range(150):
        taken = desk.hear(ids.b1, power_w=seconds * 1e5, time_ms=seconds * 1000)
        kept.keep([TelemetryRow(taken, 1)])
    path = f"/telemetry/{ids.b1}/history"
    answer = (await http.get(path)).json()
    assert len(answer) == 100
    assert [row["timestamp"] for row in answer[:2]] == ["1970-01-01T00:02:29.000Z", "1970-01-01T00:02:28.000Z"]
    inside = {"start": "1970-01-01T00:00:10Z", "end": "1970-01-01T02:00:12+02:00", "limit": 2}
    rows = (await http.get(path, params=inside)).json()
    assert [row["timestamp"] for row in rows] == ["1970-01-01T00:00:12.000Z", "1970-01-01T00:00:11.000Z"]
    assert (await bare.get(path)).json() == []


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"start": "yesterday"}, "query.start is not an RFC 3339 time"),
        ({"start": "2031-01-01T00:00:00"}, "query.start has no offset"),
        ({"end": ""}, "query.end is not an RFC 3339 time"),
        ({"start": "2031-01-02T00:00:00Z", "end": "2031-01-01T00:00:00Z"}, "query.start is after query.end"),
        ({"end": "1960-01-01T00:00:00Z"}, "outside the years"),
        ({"start": "2031-01-01T00:00:00Z\0"}, "query.start is not an RFC 3339 time"),
        ({"limit": "0"}, "query.limit must be at least 1"),
        ({"limit": "10001"}, "query.limit must be at most 10000"),
        ({"limit": "9" * 30}, "query.limit must be at most 10000"),
        ({"limit": "many"}, "query.limit is not a whole number"),
        ({"strat": "x"}, "query.strat is not a known parameter"),
    ],
)
@pytest.mark.parametrize("what", ["telemetry", "events"])
async def test_a_question_that_makes_no_sense_is_refused(http, ids, query, says, what):
    assert says in problem(await http.get(f"/{what}/{ids.b1}/history", params=query), 400, "invalid")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/x",
        "/telemetry/x",
        "/telemetry/x/history",
        "/events/x/history",
        "/heartbeat/x",
        "/dispatch/x",
        "/nowhere",
    ],
)
async def test_what_is_not_there_is_404(http, path):
    answer = await http.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def test_heartbeats(http, desk, ids):
    problem(await http.get(f"/heartbeat/{ids.b1}"), 404, "never-heard")
    desk.connect(ids.b1)
    desk.live.heartbeat([ids.b1], 5000)
    answer = (await http.get(f"/heartbeat/{ids.b1}")).json()
    assert (answer["last_heartbeat"], answer["connected"]) == ("1970-01-01T00:00:05.000Z", True)


async def test_a_history_that_does_not_answer_is_503(http, kept, ids):
    kept.store.close()
    kept.file.unlink()
    problem(await http.get(f"/telemetry/{ids.b1}/history"), 503, "history")


# --- dispatch


async def test_one_asset_is_dispatched_and_followed(http, desk, ids):
    desk.connect(ids.b1)
    answer = await http.post("/dispatch", json={"asset_id": ids.b1, "mw": 5, "duration_s": 60})
    assert answer.status_code == 200
    said = answer.json()
    assert said | {"id": ""} == {
        "id": "",
        "asset_id": ids.b1,
        "mw": 5.0,
        "duration_s": 60.0,
        "status": "accepted",
        "state": "submitted",
        "reason": "",
        "submitted_at": written(desk.clocks.now.utc_ms),
        "expires_at": written(desk.clocks.now.utc_ms + 60_000),
        "clamped": False,
    }
    desk.report(desk.sent[ids.b1][0], S.FOLLOWING, 5e6)
    (row,) = (await http.get("/dispatch/history")).json()
    assert (row["id"], row["ack_status"], row["state"]) == (said["id"], "following", "following")
    assert row["acked_at"] == written(desk.clocks.now.utc_ms)
    whole = (await http.get(f"/dispatch/{said['id']}")).json()
    assert (whole["principal"], whole["program"], whole["parts"][0]["mw"]) == ("http:loopback", "operator", 5.0)
    assert whole["policy"] == row["policy"] == desk.dispatcher.policy.digest


async def test_a_site_is_split_and_the_shortfall_is_said(http, desk, ids):
    desk.connect(ids.b1, ids.b2)
    said = (await http.post("/dispatch", json={"site_id": ids.jersey, "mw": 100})).json()
    assert said["status"] == "partial"
    assert (said["placed_mw"], said["shortfall_mw"], said["duration_s"]) == (90.0, 10.0, 14400.0)
    assert {row["asset_id"]: (row["mw"], row["clamped"]) for row in said["allocations"]} == {
        ids.b1: (50.0, True),
        ids.b2: (40.0, True),
    }
    assert said["allocations"][0]["mw_raw"] == pytest.approx(100 * 100 / 180)
    assert [row["asset_id"] for row in said["dispatches"]] == [row["asset_id"] for row in said["allocations"]]
    assert {row["id"] for row in said["dispatches"]} == {said["id"]}
    assert said["causes"]


async def test_a_refusal_has_the_members_of_an_answer_and_the_reason(http, desk, ids):
    desk.connect(ids.b1)
    answer = await http.post("/dispatch", json={"asset_id": ids.b1, "mw": 60, "duration_s": 5})
    assert problem(answer, 422, "limits") == "60 MW is above the rating of Jersey battery 1, 50 MW"
    said = answer.json()
    assert (said["dispatch_status"], said["asset_id"], said["mw"], said["clamped"]) == ("refused", ids.b1, 60.0, False)
    (row,) = (await http.get("/dispatch/history")).json()
    assert (row["id"], row["status"], row["reason"]) == (said["id"], "refused", said["reason"])


async def test_scadas_hold_is_a_conflict_with_who_and_until_when(http, desk, ids):
    desk.connect(ids.b1)
    await desk.ask(ids.path, 9, program="scada", who=GATEWAY, duration_s=600)
    said = problem(await http.post("/dispatch", json={"asset_id": ids.b1, "mw": 5}), 409, "outranked")
    assert "program scada" in said
    assert f"until {written(desk.clocks.now.utc_ms + 600_000)}" in said


async def test_an_agent_that_is_away_is_a_conflict(http, ids):
    assert "not connected" in problem(
        await http.post("/dispatch", json={"asset_id": ids.b1, "mw": 5}), 409, "unreachable"
    )
    problem(await http.post("/dispatch", json={"site_id": ids.jersey, "mw": 5}), 409, "unreachable")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('{"asset_id": "B1", "mw": NaN}', "body.mw is not a finite number"),
        ('{"asset_id": "B1", "mw": Infinity}', "body.mw is not a finite number"),
        ('{"asset_id": "B1", "mw": 1e999}', "body.mw is not a finite number"),
        ('{"asset_id": "B1", "mw": 1e305}', "body.mw must be at most 1000000"),
        ('{"asset_id": "B1", "mw": -1e305}', "body.mw must be at least -1000000"),
        ('{"asset_id": "B1", "mw": "5"}', "body.mw is not a number"),
        ('{"asset_id": "B1", "mw": true}', "body.mw is not a number"),
        ('{"asset_id": "B1", "mw": null}', "body.mw is not a number"),
        ('{"asset_id": "B1"}', "body.mw is missing"),
        ('{"mw": 5}', "exactly one target"),
        ('{"asset_id": "B1", "site_id": "S", "mw": 5}', "exactly one target"),
        ('{"asset_id": "B1", "mw": 5, "duration": 60}', "body.duration is not a known field"),
        ('{"asset_id": "B1", "mw": 5, "duration_s": 0}', "body.duration_s must be at least 1"),
        ('{"asset_id": "B1", "mw": 5, "duration_s": 1e-9}', "body.duration_s must be at least 1"),
        ('{"asset_id": "B1", "mw": 5, "duration_s": -1}', "body.duration_s must be at least 1"),
        ('{"asset_id": "B1", "mw": 5, "duration_s": NaN}', "body.duration_s is not a finite number"),
        ('{"asset_id": 5, "mw": 5}', "body.asset_id is not a text"),
        ('{"asset_id": "", "mw": 5}', "body.asset_id must not be empty"),
        ('{"asset_id": "a\\u0000", "mw": 5}', "body.asset_id must be one line of plain text"),
        ('{"asset_id": ["B1"], "mw": 5}', "body.asset_id is not a text"),
        ('{"asset_id": "B1", "mw": 5, "mw": 6}', "body.mw is given twice"),
        ('{"asset_id": "B1", "mw": 5, "\\u006dw": 5}', "body.mw is given twice"),
        ("[]", "body is not a JSON object"),
        ("5", "body is not a JSON object"),
        ("null", "body is not a JSON object"),
        ("", "body is missing"),
        ("{", "body is not valid JSON (line 1, column 2)"),
        ("\xff", "body is not UTF-8 (byte 1)"),
        pytest.param("[" * 50_000, "body is nested too deeply", id="deep"),
        pytest.param('{"mw": ' + "9" * 5000 + "}", "body has a number of too many digits", id="digits"),
    ],
)
async def test_a_dispatch_that_makes_no_sense_is_refused_and_never_kept(http, desk, ids, body, says):
    desk.connect(ids.b1)
    raw = body.replace("B1", ids.b1).encode("latin-1")
    answer = await http.post("/dispatch", content=raw, headers={"content-type": "application/json"})
    assert says in problem(answer, 400, "invalid")
    assert desk.sent == {}
    assert desk.store.newest(9) == []


@pytest.mark.parametrize("target", ["asset_id", "site_id"])
async def test_an_unknown_target_is_404(http, target):
    kind = {"asset_id": "unknown-asset", "site_id": "unknown-site"}[target]
    answer = await http.post("/dispatch", content=json.dumps({target: "nöbody", "mw": 1}), headers=JSON)
    assert "there is no" in problem(answer, 404, kind)
    answer = await http.post("/dispatch", content=json.dumps({target: "\ud800", "mw": 1}), headers=JSON)
    assert "is not valid Unicode" in problem(answer, 400, "invalid")


JSON = {"content-type": "application/json"}


async def test_a_release_over_http(http, desk, ids):
    desk.connect(ids.b1, ids.b2)
    await http.post("/dispatch", json={"site_id": ids.jersey, "mw": 18})
    said = (await http.post("/release", json={"site_id": ids.jersey})).json()
    assert (said["status"], said["mw"]) == ("accepted", None)
    assert [row["mw"] for row in said["dispatches"]] == [None, None]
    nothing = await http.post("/release", json={"asset_id": ids.solar})
    assert (nothing.status_code, nothing.json()["state"], nothing.json()["status"]) == (200, "complete", "accepted")


async def test_history_has_the_200_newest_lines(http, desk, ids):
    desk.connect(ids.b1, ids.b2)
    for _ in range(101):
        await desk.ask(ids.path, 1)
    await desk.ask(ids.b1, 7, asset=True)
    rows = (await http.get("/dispatch/history")).json()
    assert len(rows) == 200
    assert rows[0]["mw"] == 7.0


# --- what devices without a stream report


async def test_a_device_without_a_stream_reports(http, desk, kept, ids):
    body = {"asset_id": ids.b1, "current_mw": 5, "soc_pct": 95, "timestamp": written(desk.clocks.now.utc_ms - 500)}
    answer = await http.post("/telemetry", json=body)
    assert answer.status_code == 202
    said = (await http.get(f"/telemetry/{ids.b1}")).json()
    assert (said["current_mw"], said["soc_mwhr"], said["quality"]) == (5.0, 95.0, "questionable")
    taken = desk.live.latest(ids.b1).measurement
    assert (taken.available_up_w, taken.available_down_w) == (45e6, 5e6), "full: it cannot absorb beyond 0"
    assert len((await http.get(f"/telemetry/{ids.b1}/history")).json()) == 1
    assert (await http.get(f"/assets/{ids.b1}")).json()["connected"] is False


async def test_a_store_that_does_not_say_its_charge_promises_nothing(http, desk, ids):
    await http.post("/telemetry", json={"asset_id": ids.b1, "current_mw": 5})
    taken = desk.live.latest(ids.b1).measurement
    assert (taken.soc_wh, taken.available_up_w, taken.available_down_w) == (None, 0.0, 0.0)


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        ({"asset_id": "B1", "current_mw": 500}, 422, "implausible"),
        ({"asset_id": "B1", "current_mw": 1e305}, 400, "invalid"),
        ({"asset_id": "B1", "current_mw": 1, "setpoint_mw": -1e305}, 400, "invalid"),
        ({"asset_id": "B1", "current_mw": 1, "setpoint_mw": 500}, 422, "implausible"),
        ({"asset_id": "B1", "current_mw": 1, "soc_mwhr": 1e305}, 400, "invalid"),
        ({"asset_id": "B1", "current_mw": 1, "soc_pct": 101}, 400, "invalid"),
        ({"asset_id": "B1", "current_mw": 1, "soc_mwhr": 500}, 422, "implausible"),
        ({"asset_id": "B1", "current_mw": 1, "soc_mwhr": 1, "soc_pct": 1}, 400, "invalid"),
        ({"asset_id": "B1", "current_mw": 1, "timestamp": "2031-05-01T00:00:00Z"}, 422, "implausible"),
        ({"asset_id": "B1", "current_mw": 1, "timestamp": "now"}, 400, "invalid"),
        ({"asset_id": "B1"}, 400, "invalid"),
        ({"asset_id": "nobody", "current_mw": 1}, 404, "unknown-asset"),
    ],
)
async def test_a_report_that_cannot_be_is_refused(http, desk, ids, body, status, kind):
    body = {key: ids.b1 if value == "B1" else value for key, value in body.items()}
    problem(await http.post("/telemetry", json=body), status, kind)
    assert desk.live.latest(ids.b1) is None


async def test_nobody_speaks_over_http_for_an_asset_with_an_agent(http, desk, ids):
    desk.connect(ids.b1)
    problem(await http.post("/telemetry", json={"asset_id": ids.b1, "current_mw": 49}), 409, "has-agent")
    assert desk.live.latest(ids.b1).measurement.power_w == 0


async def test_events_are_kept_and_read_newest_first(http, bare, kept, ids):
    body = {
        "asset_id": ids.b1,
        "type": "door",
        "severity": "alarm",
        "message": "open",
        "timestamp": "2030-01-01T00:00:00Z",
    }
    first = await http.post("/events", json=body)
    assert first.status_code == 202
    kept.keep([EventRow("later", ids.b1, 2**41, "x", "info", "", "urn", 1)])
    rows = (await http.get(f"/events/{ids.b1}/history")).json()
    assert [row["id"] for row in rows] == ["later", first.json()["id"]]
    assert (rows[1]["type"], rows[1]["severity"], rows[1]["message"], rows[1]["source"]) == (
        "door",
        "alarm",
        "open",
        "http:loopback",
    )
    said = problem(await http.post("/events", json=body | {"severity": "bad"}), 400, "invalid")
    assert said == "body.severity must be one of 'info', 'warning', 'alarm' or 'critical'"
    for field in ("type", "message"):
        for text in ("a\0b", "a\x1b[31mb", "two\nlines", "\u202egnp"):
            said = problem(await http.post("/events", json=body | {field: text}), 400, "invalid")
            assert said == f"body.{field} must be one line of plain text, without control characters"
    assert len((await http.get(f"/events/{ids.b1}/history")).json()) == 2
    problem(await bare.post("/events", json=body), 503, "history")
    assert (await bare.get(f"/events/{ids.b1}/history")).json() == []


ANYTHING = (None, True, 5, -5, 10**30, 1.5, -1e308, "", "x", "9" * 2000, "a\0b", [], [1], {}, {"a": 1})


@pytest.mark.parametrize("path", ["/dispatch", "/release", "/telemetry", "/events"])
async def test_whatever_is_wrong_is_said_in_our_words(http, ids, path):
    good = {"/telemetry": {"current_mw": 1}, "/events": {"type": "x", "severity": "info"}}.get(path, {})
    fields = ("asset_id", "site_id", "mw", "duration_s", "current_mw", "timestamp", "soc_mwhr", "soc_pct",
              "setpoint_mw", "type", "severity", "message", "colour")  # fmt: skip
    refused = 0
    for field in fields:
        for value in ANYTHING:
            answer = await http.post(path, json={"asset_id": ids.b1} | good | {field: value})
            if answer.status_code == 400:
                refused += 1
                detail = problem(answer, 400, "invalid")
                assert not any(word in detail for word in ("Input", "Value", "should", "wanted here")), detail
    assert refused > len(ANYTHING)


# --- policy


async def test_what_policy_takes_away_is_denied_everywhere(desk, kept, ids):
    import httpx

    from daemon.config import packaged
    from dermscore import policy
    from dermscore.files import yamlfile
    from headend.api.app import create
    from headend.api.desk import ApiDesk

    folder = packaged("policies/headend")
    access = (folder / "access.yaml").read_text().replace("  - id: http:loopback", "  - id: urn:derms:agent:elsewhere")
    strict = policy.load(yamlfile.load(access, "access.yaml"), yamlfile.load_file(folder / "dispatch.yaml"))
    desk.dispatcher.policy = strict
    app = create(ApiDesk(desk.live, desk.dispatcher, None, lambda _: None, desk.clocks, "operator"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        for path in ("/assets", f"/assets/{ids.b1}", "/sites", "/agents", f"/telemetry/{ids.b1}", "/dispatch/history"):
            problem(await client.get(path), 403, "denied")
        problem(await client.post("/dispatch", json={"asset_id": ids.b1, "mw": 0}), 403, "denied")
        problem(await client.post("/telemetry", json={"asset_id": ids.b1, "current_mw": 0}), 403, "denied")
        assert (await client.get("/health")).status_code == 200
