"""History: what comes back is what went in, twice changes nothing, and a crash's open sessions get an end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dermscore.model import Measurement
from dermscore.quality import Cause, Quality, Validity
from headend.records import Abandoned, EventRow, SessionEnd, SessionRow, TelemetryRow
from headend.store.history import CUT_OFF, HistoryStore

SESSION = SessionRow("s1", "a", "Jersey battery 1", "site", "Jersey", "agent", "ipv4:127.0.0.1:9", 100)


def measured(time_ms: int, asset_id: str = "a", **changes) -> Measurement:
    quality = Quality(Validity.QUESTIONABLE, causes=Cause.TEST)
    return replace(Measurement(asset_id, time_ms, 1.5e6, 5e7, 1e6, 2e6, None, quality), **changes)


@pytest.fixture
def store(migrated) -> HistoryStore:
    return HistoryStore(migrated("history"))


def test_telemetry_comes_back_newest_first_inside_its_times(store):
    taken = [measured(t, soc_wh=None if t == 3 else 5e7, setpoint_w=t * 1.0) for t in range(1, 6)]
    store.write([TelemetryRow(one, 50) for one in taken])
    assert store.telemetry("a", 2, 4, 100) == [taken[3], taken[2], taken[1]]
    assert store.telemetry("a", 0, 99, 2) == [taken[4], taken[3]]
    assert store.telemetry("b", 0, 99, 2) == []


def test_what_is_sent_twice_is_kept_once_as_it_first_came(store):
    store.write([TelemetryRow(measured(1), 50)])
    store.write([TelemetryRow(measured(1, power_w=9.0), 60), TelemetryRow(measured(2), 60)])
    assert [one.power_w for one in store.telemetry("a", 0, 9, 9)] == [1.5e6, 1.5e6]


def test_a_session_opens_and_closes_even_in_one_batch(store):
    store.write([SESSION, replace(SESSION, asset_id="b"), SessionEnd("s1", 900, "left")])
    assert store.sessions(5) == {
        "a": [replace(SESSION, disconnected_ms=900, ended="left")],
        "b": [replace(SESSION, asset_id="b", disconnected_ms=900, ended="left")],
    }


def test_sessions_that_a_crash_left_open_are_closed_at_the_next_start(store):
    store.write([SESSION])
    store.write([Abandoned(500), replace(SESSION, session_id="s2", connected_ms=600)])
    newer, older = store.sessions(5)["a"]
    assert (newer.session_id, newer.disconnected_ms) == ("s2", None)
    assert (older.disconnected_ms, older.ended) == (500, CUT_OFF)
    assert [one.session_id for one in store.sessions(1)["a"]] == ["s2"]


def test_events_and_their_times(store):
    rows = [EventRow(f"e{t}", "a", t, "soc_bound", "alarm", "at its maximum", "urn", 50) for t in range(3)]
    store.write(rows)
    store.write(rows)
    assert store.events("a", 1, 9, 9) == [rows[2], rows[1]]


def test_old_telemetry_is_forgotten_and_nothing_else(store):
    store.write([TelemetryRow(measured(t, asset), 50) for t in (1, 2, 3) for asset in "ab"])
    assert store.forget(["a", "b"], 3) == 4
    assert [one.time_ms for one in store.telemetry("a", 0, 9, 9)] == [3]


def test_a_batch_of_thousands_is_one_transaction(store):
    store.write([TelemetryRow(measured(t), 1) for t in range(5000)])
    assert len(store.telemetry("a", 0, 10**9, 10_000)) == 5000
