"""The mappers of the boundary: present, absent, round trip through real bytes; what makes no sense is refused whole."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.errors import BadInput
from dermscore.intent import IntentState
from dermscore.quality import GOOD, Quality
from dermscore.sheets.points import PointKind, Quantity, Series
from wire import convert
from wire.columns import LATEST_MS
from wire.convert import BoundaryCommand, BoundaryOutcome, Reading, Wanted
from wire.v1 import boundary_link_pb2 as pb

POWER = Series("feeder/F12", PointKind.ALL, Quantity.POWER)
SOC = Series("feeder/F12/site/S1", PointKind.BATTERY, Quantity.SOC)
SERIES = (POWER, SOC)
INDEX = {series: number for number, series in enumerate(SERIES)}
READING = Reading(POWER, 5.0, 1_000, GOOD, 4, 3, 75.0, 2_000)
COMMAND = BoundaryCommand("id-1", "feeder/F12", "target", 5.0, 60, 2)
OUTCOME = BoundaryOutcome("id-1", IntentState.ACTIVE, "", 5.0, 0.0, 1_000)

finite = st.floats(allow_nan=False, allow_infinity=False)
times = st.integers(0, LATEST_MS)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
every_series = st.builds(
    Series,
    path=texts,
    kind=st.sampled_from([kind for kind in PointKind if not kind.local]),
    quantity=st.sampled_from([quantity for quantity in Quantity if not quantity.local]),
)
readings = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)).flatmap(
    lambda counts: st.builds(
        Reading,
        series=every_series,
        value=st.none() | finite,
        time_ms=times,
        quality=st.integers(0, 4095).map(Quality.from_bits),
        configured=st.just(max(counts)),
        reporting=st.just(min(counts)),
        coverage_pct=st.floats(0, 100),
        oldest_age_ms=st.none() | times,
    )
)


def over_the_wire(message: Any) -> Any:
    return type(message).FromString(message.SerializeToString())


# --- round trips ----------------------------------------------------------------------------------------------------


@given(st.lists(readings, unique_by=lambda reading: reading.series))
def test_readings_come_back_as_they_went(rows: list[Reading]) -> None:
    series = tuple(reversed([row.series for row in rows]))
    index = {each: number for number, each in enumerate(series)}
    assert convert.readings(over_the_wire(convert.point_batch(rows, index)), series) == rows


@given(
    st.lists(every_series, unique=True),
    st.binary(min_size=16, max_size=64),
    texts,
    st.lists(texts.filter(bool), max_size=5),
)
def test_what_is_wanted_comes_back_as_it_went(
    series: list[Series], nonce: bytes, software: str, open_commands: list[str]
) -> None:
    wanted = Wanted(nonce, tuple(series), software, tuple(open_commands))
    assert convert.wanted(over_the_wire(convert.hello(wanted))) == wanted
    assert all(wanted.series[number] == each for each, number in wanted.index.items())


@given(
    st.builds(
        BoundaryCommand,
        id=texts.filter(bool),
        path=texts,
        mode=st.just("target"),
        target_w=finite,
        hold_s=st.integers(0, 2**32 - 1),
        primacy=st.integers(0, 2**32 - 1),
        heard_seq=st.integers(0, 2**64 - 1),
    )
)
def test_a_command_comes_back_as_it_went(command: BoundaryCommand) -> None:
    for each in (command, replace(command, mode="release", target_w=None)):
        assert convert.boundary_command(over_the_wire(convert.command(each))) == each


@given(
    st.builds(
        BoundaryOutcome,
        id=texts.filter(bool),
        state=st.sampled_from(IntentState),
        reason=texts,
        delivered_w=st.none() | finite,
        shortfall_w=st.none() | finite,
        time_ms=times,
        quality=st.none() | st.integers(0, 4095).map(Quality.from_bits),
    )
)
def test_an_outcome_comes_back_as_it_went(outcome: BoundaryOutcome) -> None:
    assert convert.boundary_outcome(over_the_wire(convert.command_outcome(outcome))) == outcome


# --- absent is not zero ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "oldest"), [(None, None), (0.0, None), (None, 0), (0.0, 0)])
def test_absent_is_not_zero_in_a_reading(value: float | None, oldest: int | None) -> None:
    sent = replace(READING, value=value, oldest_age_ms=oldest)
    (back,) = convert.readings(over_the_wire(convert.point_batch([sent], INDEX)), SERIES)
    assert (back.value, back.oldest_age_ms) == (value, oldest)


@pytest.mark.parametrize(("delivered", "shortfall"), [(None, None), (0.0, None), (None, 0.0)])
def test_absent_is_not_zero_in_an_outcome(delivered: float | None, shortfall: float | None) -> None:
    sent = replace(OUTCOME, delivered_w=delivered, shortfall_w=shortfall)
    assert convert.boundary_outcome(over_the_wire(convert.command_outcome(sent))) == sent


def test_no_quality_is_not_a_good_one() -> None:
    for quality in (None, GOOD):
        sent = replace(OUTCOME, quality=quality)
        assert convert.boundary_outcome(over_the_wire(convert.command_outcome(sent))) == sent


def test_a_command_that_the_headend_does_not_know_has_failed() -> None:
    sent = replace(OUTCOME, state=IntentState.FAILED, unknown=True)
    assert convert.boundary_outcome(over_the_wire(convert.command_outcome(sent))) == sent


def test_unknown_quality_bits_of_an_outcome_are_refused() -> None:
    message = convert.command_outcome(OUTCOME)
    message.quality = 4096
    with pytest.raises(BadInput, match="quality"):
        convert.boundary_outcome(message)


@pytest.mark.parametrize("heard", [-1, 2**64])
def test_a_publication_number_out_of_range_is_refused(heard: int) -> None:
    with pytest.raises(BadInput, match="heard_seq"):
        convert.command(replace(COMMAND, heard_seq=heard))


def test_a_target_of_zero_is_not_a_release() -> None:
    back = convert.boundary_command(over_the_wire(convert.command(replace(COMMAND, target_w=0.0))))
    assert (back.mode, back.target_w) == ("target", 0.0)


# --- what makes no sense --------------------------------------------------------------------------------------------


def batch(**changes: Any) -> pb.PointBatch:
    message = convert.point_batch([READING, replace(READING, series=SOC)], INDEX)
    for name, values in changes.items():
        del getattr(message, name)[:]
        getattr(message, name).extend(values)
    return message


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"value": [1.0]}, "PointBatch: value: has 1 rows where ref has 2"),
        ({"present": []}, "PointBatch: present: has 0 rows where ref has 2"),
        ({"ref": [0, 2]}, "PointBatch: ref[1]: is 2; the index agreed on this stream ends at 1"),
        ({"ref": [1, 1]}, "PointBatch: ref: names one series twice"),
        ({"value": [math.nan, 0]}, "PointBatch: value[0]: is nan, not a finite number"),
        ({"coverage_pct": [0, 100.5]}, "PointBatch: coverage_pct[1]: is 100.5, outside 0..100"),
        ({"coverage_pct": [math.nan, 0]}, "PointBatch: coverage_pct[0]: is nan, not a finite number"),
        ({"reporting": [5, 0]}, "PointBatch: reporting[0]: 5 of 4 is no count of members"),
        ({"quality": [0, 5000]}, "PointBatch: quality[1]: quality bits 5000 are outside 0..4095"),
        ({"present": [0, 8]}, "PointBatch: present[1]: is 8; only the bits of 3 mean something"),
        ({"oldest_age_ms": [-1, 0]}, "PointBatch: oldest_age_ms[0]: is -1, no UTC time in milliseconds"),
        ({"time_ms": [-1, 0]}, "PointBatch: time_ms[0]: is -1, no UTC time in milliseconds"),
    ],
)
def test_a_batch_that_makes_no_sense_is_refused_whole(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput) as raised:
        convert.readings(over_the_wire(batch(**changes)), SERIES)
    assert [str(each) for each in raised.value.problems] == [problem]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"value": math.nan}, "value"),
        ({"coverage_pct": 101.0}, "coverage_pct"),
        ({"reporting": 5}, "5 of 4"),
        ({"series": Series("elsewhere", PointKind.ALL, Quantity.POWER)}, "was not asked for"),
    ],
)
def test_a_reading_that_cannot_be_written(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(BadInput, match=what):
        convert.point_batch([replace(READING, **changes)], INDEX)


@pytest.mark.parametrize(
    ("hello", "what"),
    [
        (pb.Hello(nonce=b"short"), "nonce: has 5 bytes"),
        (pb.Hello(nonce=b"n" * 16, open_commands=["a", ""]), r"open_commands\[1\]"),
        (pb.Hello(nonce=b"n" * 16, open_commands=["a"] * 1001), "has 1001 ids; 1000 are the most"),
        (pb.Hello(nonce=b"n" * 16, series=[pb.Series(kind="wind", quantity="power_w")]), "'wind', not one of battery"),
        (pb.Hello(nonce=b"n" * 16, series=[pb.Series(kind="gateway", quantity="power_w")]), "'gateway', not one of"),
        (pb.Hello(nonce=b"n" * 16, series=[pb.Series(kind="all", quantity="audit_health")]), "'audit_health', not one"),
        (pb.Hello(nonce=b"n" * 16, series=[pb.Series(kind="all", quantity="power_w")] * 2), "names one series twice"),
    ],
)
def test_a_hello_that_makes_no_sense(hello: pb.Hello, what: str) -> None:
    with pytest.raises(BadInput, match=what):
        convert.wanted(hello)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"mode": "full_power"}, "'full_power', not one of target, release"),
        ({"id": ""}, "id: is empty"),
        ({"target_w": math.inf}, "target_w: is inf"),
    ],
)
def test_a_command_that_makes_no_sense(changes: dict[str, Any], what: str) -> None:
    message = convert.command(COMMAND)
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(BadInput, match=what):
        convert.boundary_command(over_the_wire(message))


@pytest.mark.parametrize(
    "command",
    [
        replace(COMMAND, target_w=None),
        replace(COMMAND, mode="release"),
        replace(COMMAND, hold_s=-1),
        replace(COMMAND, primacy=2**32),
        replace(COMMAND, target_w=math.nan),
    ],
)
def test_a_command_that_cannot_be_written(command: BoundaryCommand) -> None:
    with pytest.raises(BadInput):
        convert.command(command)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"state": "applied"}, "'applied', which is not a state"),
        ({"delivered_w": math.nan}, "delivered_w: is nan"),
        ({"time_ms": -5}, "time_ms: is -5"),
        ({"unknown": True}, "unknown: stands with state failed only"),
    ],
)
def test_a_command_outcome_that_makes_no_sense(changes: dict[str, Any], what: str) -> None:
    message = convert.command_outcome(OUTCOME)
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(BadInput, match=what):
        convert.boundary_outcome(over_the_wire(message))
