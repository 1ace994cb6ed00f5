"""State files: what is read back, what is not believed, and the claim on an asset."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent import state
from agent.state import Held, Saved, Unreadable
from dermscore.errors import BadInput
from dermscore.guard import Fallback
from dermscore.intent import Intent, IntentState, Step
from dermscore.model import Now

INTENT = Intent("b1", "e1", 7, "d7", 10e6, 0.0, 1_000, 61_000, "default", 5)
SCHEDULED = replace(INTENT, schedule=(Step(20_000, 5e6), Step(40_000, 0.0)))
SAVED = Saved("b1", 1_000, 500, "boot-1", 42, 9e6, 50e6, 10e6, 0.75, "follow", "up", 1234)


def whole() -> Saved:
    """With everything present."""
    return replace(
        SAVED, reported_w=9e6, reported_ms=900, held=Held(SCHEDULED, 60_500, IntentState.FOLLOWING, steps_begun=1)
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    for saved in (
        SAVED,
        replace(SAVED, soc_wh=None, setpoint_w=None),
        replace(whole(), reported_w=None, reported_ms=None),
        replace(SAVED, held=Held(INTENT, 60_500)),
        replace(SAVED, fallback=Fallback(1_000, 2e6)),
        replace(SAVED, fallback=Fallback(0, 0.0, 3e6, -4e6)),
    ):
        state.save(state.path_of(tmp_path, "b1"), saved)
        assert state.load(state.path_of(tmp_path, "b1"), "b1") == saved


def test_what_was_held_before_there_were_schedules_is_still_believed(tmp_path: Path) -> None:
    path = state.path_of(tmp_path, "b1")
    saved = replace(SAVED, held=Held(INTENT, 60_500))
    state.save(path, saved)
    older = json.loads(path.read_text())
    del older["held"]["steps_begun"], older["held"]["intent"]["schedule"]
    path.write_text(json.dumps(older))
    assert state.load(path, "b1") == saved


def test_what_was_saved_before_headends_told_fallbacks_is_still_believed(tmp_path: Path) -> None:
    path = state.path_of(tmp_path, "b1")
    state.save(path, SAVED)
    older = json.loads(path.read_text())
    del older["fallback"]
    path.write_text(json.dumps(older))
    assert state.load(path, "b1") == SAVED


@pytest.mark.parametrize(
    "bent",
    [{"delay_ms": -1}, {"ramp_w_per_s": -1.0}, {"ramp_w_per_s": None}, {"most_w": -1.0}, {"least_w": 1.0}],
)
def test_a_fallback_that_cannot_be_is_not_believed(tmp_path: Path, bent: dict[str, float]) -> None:
    path = state.path_of(tmp_path, "b1")
    state.save(path, replace(SAVED, fallback=Fallback(1_000, 2e6, 3e6, -4e6)))
    written = json.loads(path.read_text())
    written["fallback"] |= bent
    path.write_text(json.dumps(written))
    with pytest.raises(Unreadable):
        state.load(path, "b1")


@pytest.mark.parametrize("schedule", [[[1]], [["1", 2.0]], [[1, None]], [[1, float("nan")]], [7], 7, "ab"])
def test_a_schedule_that_cannot_be_is_not_believed(tmp_path: Path, schedule: object) -> None:
    path = state.path_of(tmp_path, "b1")
    state.save(path, replace(SAVED, held=Held(INTENT, 60_500)))
    bent = json.loads(path.read_text())
    bent["held"]["intent"]["schedule"] = schedule
    path.write_text(json.dumps(bent))
    with pytest.raises(Unreadable):
        state.load(path, "b1")


def test_the_file_has_the_keys_that_others_read(tmp_path: Path) -> None:
    path = state.path_of(tmp_path, "b1")
    state.save(path, whole())
    promised = {"asset_id", "time_ms", "tick", "power_w", "soc_wh", "setpoint_w", "guard", "link", "pid"}
    assert promised <= set(json.loads(path.read_text()))
    assert list(tmp_path.iterdir()) == [path]


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert state.load(tmp_path / "b1.json", "b1") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "\x00" * 300,
        json.dumps({"asset_id": "b1"}),
        json.dumps({"asset_id": "b2"}),
        "NaN",
        "[" * 100_000,
    ],
)
def test_a_corrupted_file_is_said_to_be_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "b1.json"
    path.write_text(text)
    with pytest.raises(Unreadable):
        state.load(path, "b1")


@pytest.mark.parametrize(
    ("key", "value"),
    [("power_w", float("nan")), ("soc_wh", float("inf")), ("tick", "7"), ("time_ms", 1.5), ("pid", True), ("held", {})],
)
def test_a_value_that_cannot_be_is_not_believed(tmp_path: Path, key: str, value: object) -> None:
    path = state.path_of(tmp_path, "b1")
    state.save(path, SAVED)
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(Unreadable):
        state.load(path, "b1")


def test_anothers_state_is_not_ours(tmp_path: Path) -> None:
    state.save(tmp_path / "b2.json", SAVED)
    with pytest.raises(Unreadable, match="is the state of 'b1'"):
        state.load(tmp_path / "b2.json", "b2")


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 400))
def test_damage_of_any_kind_is_unreadable_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, at: int
) -> None:
    path = tmp_path_factory.mktemp("damage") / "b1.json"
    state.save(path, whole())
    text = path.read_bytes()
    path.write_bytes(text[:at] + noise + text[at + len(noise) :])
    with contextlib.suppress(Unreadable):
        state.load(path, "b1")


def test_time_passed_counts_on_the_monotonic_clock_within_one_boot() -> None:
    later = Now(utc_ms=900_000, mono_ms=10_500)
    assert SAVED.elapsed_s(later, "boot-1") == 10
    assert SAVED.elapsed_s(later, "boot-2") == 899
    assert SAVED.elapsed_s(Now(0, 0), "boot-1") == 0
    assert replace(SAVED, boot="").elapsed_s(later, "") == 899


def test_an_asset_is_claimed_once(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "state"
    first = state.claim(folder, "b1")
    with pytest.raises(BlockingIOError):
        state.claim(folder, "b1")
    state.claim(folder, "b2").close()
    first.close()
    state.claim(folder, "b1").close()


def test_a_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="--state DIR"):
        state.claim(tmp_path / "file", "b1")
