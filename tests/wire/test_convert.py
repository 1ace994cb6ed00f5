"""The mappers of AgentLink: present, absent, round trip through real bytes; what makes no sense is refused whole."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.errors import BadInput
from dermscore.intent import Intent, IntentState, Step
from dermscore.model import Measurement
from dermscore.quality import GOOD, Cause, Quality, Source, Validity
from wire import convert
from wire.columns import LATEST_MS
from wire.convert import AssetEvent, Claim, Report, Severity
from wire.v1.agent_link_pb2 import Event, Held, Outcome, Register, Setpoint, Telemetry

IDS = ("asset-0", "asset-1", "asset-2")
INDEX = {asset_id: number for number, asset_id in enumerate(IDS)}

finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
times = st.integers(0, LATEST_MS)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ids = texts.filter(bool)
qualities = st.integers(0, 4095).map(Quality.from_bits)
measured = st.builds(
    Measurement,
    asset_id=st.sampled_from(IDS),
    time_ms=times,
    power_w=finite,
    soc_wh=st.none() | positive,
    available_up_w=positive,
    available_down_w=positive,
    setpoint_w=st.none() | finite,
    quality=qualities,
)
intents = st.builds(
    Intent,
    asset_id=st.sampled_from(IDS),
    epoch=ids,
    revision=st.integers(0, 2**64 - 1),
    dispatch_id=ids,
    setpoint_w=st.none() | finite,
    reversion_w=st.none() | finite,
    issued_ms=times,
    expires_ms=times,
    program=texts,
    primacy=st.integers(0, 2**32 - 1),
    schedule=st.lists(st.builds(Step, times, finite), max_size=4).map(tuple),
)
reports = st.builds(
    Report,
    asset_id=st.sampled_from(IDS),
    epoch=ids,
    revision=st.integers(0, 2**64 - 1),
    dispatch_id=ids,
    state=st.sampled_from(IntentState),
    reason=texts,
    time_ms=times,
    power_w=st.none() | finite,
)
events = st.builds(
    AssetEvent,
    asset_id=st.sampled_from(IDS),
    type=ids,
    severity=st.sampled_from(Severity),
    message=texts,
    time_ms=times,
)
claims = st.lists(ids, min_size=1, unique=True).flatmap(
    lambda known: st.builds(
        Claim,
        asset_ids=st.just(tuple(known)),
        software=texts,
        held=st.dictionaries(st.sampled_from(known), st.tuples(texts, st.integers(1, 2**64 - 1))),
    )
)

MEASUREMENT = Measurement("asset-1", 1_000, 5.0, 7.0, 1.0, 2.0, 3.0, GOOD)
INTENT = Intent("asset-1", "epoch", 4, "dispatch", 5.0, 0.0, 1_000, 2_000, "default", 3)
REPORT = Report("asset-1", "epoch", 4, "dispatch", IntentState.ACTIVE, "", 1_000, 5.0)
EVENT = AssetEvent("asset-1", "soc_bound", Severity.WARNING, "full", 1_000)


def over_the_wire(message: Any) -> Any:
    """Through real bytes, so that presence is what the wire keeps of it."""
    return type(message).FromString(message.SerializeToString())


def problems(raised: pytest.ExceptionInfo[BadInput]) -> list[str]:
    return [str(problem) for problem in raised.value.problems]


# --- round trips ----------------------------------------------------------------------------------------------------


@given(st.lists(measured), st.integers(0, 2**64 - 1))
def test_telemetry_comes_back_as_it_went(rows: list[Measurement], seq: int) -> None:
    columns = over_the_wire(convert.telemetry_columns(rows, INDEX, seq))
    assert columns.seq == seq
    assert convert.measurements(columns, IDS) == rows


@given(intents)
def test_an_intent_comes_back_as_it_went(intent: Intent) -> None:
    assert convert.intent(over_the_wire(convert.setpoint(intent, INDEX)), IDS) == intent


@given(reports)
def test_a_report_comes_back_as_it_went(report: Report) -> None:
    assert convert.report(over_the_wire(convert.outcome(report, INDEX)), IDS) == report


@given(events)
def test_an_event_comes_back_as_it_went(event: AssetEvent) -> None:
    assert convert.asset_event(over_the_wire(convert.event(event, INDEX)), IDS) == event


@given(claims)
def test_a_claim_comes_back_as_it_went(claim: Claim) -> None:
    assert convert.claim(over_the_wire(convert.register(claim))) == claim
    assert [claim.asset_ids[number] for number in claim.index.values()] == list(claim.asset_ids)


# --- absent is not zero ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("soc_wh", "setpoint_w"), [(None, None), (0.0, None), (None, 0.0), (0.0, 0.0)])
def test_absent_is_not_zero_in_telemetry(soc_wh: float | None, setpoint_w: float | None) -> None:
    row = replace(MEASUREMENT, soc_wh=soc_wh, setpoint_w=setpoint_w)
    (back,) = convert.measurements(over_the_wire(convert.telemetry_columns([row], INDEX, 1)), IDS)
    assert (back.soc_wh, back.setpoint_w) == (soc_wh, setpoint_w)


@pytest.mark.parametrize(("setpoint_w", "reversion_w"), [(None, None), (0.0, None), (None, 0.0), (0.0, 0.0)])
def test_a_release_is_not_a_setpoint_of_zero(setpoint_w: float | None, reversion_w: float | None) -> None:
    sent = replace(INTENT, setpoint_w=setpoint_w, reversion_w=reversion_w)
    back = convert.intent(over_the_wire(convert.setpoint(sent, INDEX)), IDS)
    assert (back.setpoint_w, back.reversion_w) == (setpoint_w, reversion_w)


@pytest.mark.parametrize("schedule", [(), (Step(0, 0.0),), (Step(1_500, 2.0), Step(1_700, -2.0))])
def test_a_step_to_zero_is_not_an_empty_schedule(schedule: tuple[Step, ...]) -> None:
    message = over_the_wire(convert.setpoint(replace(INTENT, schedule=schedule), INDEX))
    assert convert.intent(message, IDS).schedule == schedule


def test_a_step_that_makes_no_sense_is_refused_both_ways() -> None:
    wrong = (Step(1_500, 1.0), Step(1_600, math.nan))
    told = ["Setpoint: schedule[1].setpoint_w: is nan, not a finite number"]
    with pytest.raises(BadInput) as raised:
        convert.setpoint(replace(INTENT, schedule=wrong), INDEX)
    assert problems(raised) == told
    message = convert.setpoint(INTENT, INDEX)
    message.schedule.add(from_ms=1_500, setpoint_w=1.0)
    message.schedule.add(from_ms=-1, setpoint_w=math.nan)
    with pytest.raises(BadInput) as raised:
        convert.intent(over_the_wire(message), IDS)
    assert problems(raised) == ["Setpoint: schedule[1].from_ms: is -1, no UTC time in milliseconds", *told]
    with pytest.raises(BadInput) as raised:
        convert.setpoint(replace(INTENT, schedule=(Step(LATEST_MS + 1, 1.0),)), INDEX)
    assert problems(raised) == [f"Setpoint: schedule[0].from_ms: is {LATEST_MS + 1}, no UTC time in milliseconds"]


@pytest.mark.parametrize("power_w", [None, 0.0])
def test_an_outcome_without_a_measurement_invents_none(power_w: float | None) -> None:
    sent = replace(REPORT, power_w=power_w)
    assert convert.report(over_the_wire(convert.outcome(sent, INDEX)), IDS).power_w == power_w


def test_an_agent_that_holds_nothing_need_not_say_so() -> None:
    assert convert.claim(Register(asset_ids=["a", "b"])).held == {}


def test_every_quality_survives() -> None:
    bad = Quality(Validity.INVALID, Source.ENTERED, Cause.TEST | Cause.LOW_COVERAGE | Cause.COMM_LOST)
    rows = [replace(MEASUREMENT, quality=quality) for quality in (GOOD, bad, GOOD)]
    assert [row.quality for row in convert.measurements(convert.telemetry_columns(rows, INDEX, 1), IDS)] == [
        GOOD,
        bad,
        GOOD,
    ]


# --- what makes no sense --------------------------------------------------------------------------------------------


def columns(**changes: Any) -> Telemetry:
    """Two good rows, but for `changes`."""
    message = convert.telemetry_columns([MEASUREMENT, replace(MEASUREMENT, asset_id="asset-2")], INDEX, 1)
    for name, values in changes.items():
        del getattr(message, name)[:]
        getattr(message, name).extend(values)
    return message


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"power_w": [1.0]}, "Telemetry: power_w: has 1 rows where assets has 2"),
        ({"present": []}, "Telemetry: present: has 0 rows where assets has 2"),
        ({"quality": [0, 0, 0]}, "Telemetry: quality: has 3 rows where assets has 2"),
        ({"assets": [0, 3]}, "Telemetry: assets[1]: is 3; the index agreed on this stream ends at 2"),
        ({"assets": [2**32 - 1, 0]}, "Telemetry: assets[0]: is 4294967295; the index agreed on this stream ends at 2"),
        ({"power_w": [math.nan, 1]}, "Telemetry: power_w[0]: is nan, not a finite number"),
        ({"power_w": [1, math.inf]}, "Telemetry: power_w[1]: is inf, not a finite number"),
        ({"soc_wh": [-math.inf, 1]}, "Telemetry: soc_wh[0]: is -inf, not a finite number"),
        ({"soc_wh": [0, -1]}, "Telemetry: soc_wh[1]: is -1.0, outside 0..inf"),
        ({"available_up_w": [0, -1]}, "Telemetry: available_up_w[1]: is -1.0, outside 0..inf"),
        ({"available_down_w": [0, math.nan]}, "Telemetry: available_down_w[1]: is nan, not a finite number"),
        ({"setpoint_w": [math.inf, 0]}, "Telemetry: setpoint_w[0]: is inf, not a finite number"),
        ({"quality": [0, 4096]}, "Telemetry: quality[1]: quality bits 4096 are outside 0..4095"),
        ({"present": [4, 0]}, "Telemetry: present[0]: is 4; only the bits of 3 mean something"),
        ({"time_ms": [0, -1]}, "Telemetry: time_ms[1]: is -1, no UTC time in milliseconds"),
        ({"time_ms": [LATEST_MS + 1, 0]}, f"Telemetry: time_ms[0]: is {LATEST_MS + 1}, no UTC time in milliseconds"),
    ],
)
def test_telemetry_that_makes_no_sense_is_refused_whole(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput) as raised:
        convert.measurements(over_the_wire(columns(**changes)), IDS)
    assert problems(raised) == [problem]


def test_a_not_a_number_hides_behind_nothing() -> None:
    """Infinities of both signs, and numbers whose sum overflows: finite ones pass, the others never do."""
    huge = [1.7e308, 1.7e308]
    assert [row.power_w for row in convert.measurements(columns(power_w=huge), IDS)] == huge
    with pytest.raises(BadInput) as raised:
        convert.measurements(columns(power_w=[math.inf, -math.inf]), IDS)
    assert len(raised.value.problems) == 2


def test_all_that_is_wrong_is_told_at_once_but_a_flood_is_cut() -> None:
    with pytest.raises(BadInput) as raised:
        convert.measurements(columns(power_w=[math.nan, 1], soc_wh=[1, -1], assets=[9, 0]), IDS)
    assert len(raised.value.problems) == 3
    many = convert.telemetry_columns([MEASUREMENT] * 5000, INDEX, 1)
    del many.power_w[:]
    many.power_w.extend([math.nan] * 5000)
    with pytest.raises(BadInput) as raised:
        convert.measurements(many, IDS)
    assert len(raised.value.problems) == 20


@given(
    st.builds(
        Telemetry,
        assets=st.lists(st.integers(0, 5), max_size=3),
        time_ms=st.lists(st.integers(-5, 5), max_size=3),
        power_w=st.lists(st.floats(), max_size=3),
        soc_wh=st.lists(st.floats(), max_size=3),
        available_up_w=st.lists(st.floats(), max_size=3),
        available_down_w=st.lists(st.floats(), max_size=3),
        setpoint_w=st.lists(st.floats(), max_size=3),
        quality=st.lists(st.integers(0, 5000), max_size=3),
        present=st.lists(st.integers(0, 5), max_size=3),
    )
)
def test_whatever_comes_is_believed_or_refused(message: Telemetry) -> None:
    """No other exception, and nothing but finite numbers in what is believed."""
    try:
        rows = convert.measurements(message, IDS)
    except BadInput:
        return
    assert all(math.isfinite(row.power_w) and row.available_up_w >= 0 for row in rows)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_by_someone(data: bytes) -> None:
    for kind, mapper in (
        (Telemetry, convert.measurements),
        (Setpoint, convert.intent),
        (Outcome, convert.report),
        (Event, convert.asset_event),
    ):
        try:
            message = kind.FromString(data)
        except Exception:  # protobuf's DecodeError, and UnicodeDecodeError for text
            continue
        try:
            mapper(message, IDS)
        except BadInput:
            continue


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["power_w", "soc_wh", "available_up_w", "available_down_w", "setpoint_w"])
def test_no_number_that_is_none_leaves_us(field: str, bad: float) -> None:
    with pytest.raises(BadInput, match=rf"{field}\[0\]"):
        convert.telemetry_columns([replace(MEASUREMENT, **{field: bad})], INDEX, 1)


def test_an_asset_of_another_stream_is_not_written() -> None:
    for write, noun in (
        (lambda row, index: convert.telemetry_columns([row], index, 1), MEASUREMENT),
        (convert.setpoint, INTENT),
        (convert.outcome, REPORT),
        (convert.event, EVENT),
    ):
        with pytest.raises(BadInput, match="asset-1, which is not of this stream"):
            write(noun, {"asset-0": 0})  # type: ignore[operator]


def setpoint(**changes: Any) -> Setpoint:
    message = convert.setpoint(INTENT, INDEX)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"asset": 3}, "Setpoint: asset[0]: is 3; the index agreed on this stream ends at 2"),
        ({"setpoint_w": math.nan}, "Setpoint: setpoint_w: is nan, not a finite number"),
        ({"reversion_w": -math.inf}, "Setpoint: reversion_w: is -inf, not a finite number"),
        ({"epoch": ""}, "Setpoint: epoch: is empty"),
        ({"dispatch_id": ""}, "Setpoint: dispatch_id: is empty"),
        ({"expires_ms": -1}, "Setpoint: expires_ms: is -1, no UTC time in milliseconds"),
        ({"program": "x" * 1001}, "Setpoint: program: has 1001 characters; 1000 is the most"),
    ],
)
def test_a_setpoint_that_makes_no_sense(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput) as raised:
        convert.intent(over_the_wire(setpoint(**changes)), IDS)
    assert problems(raised) == [problem]


@pytest.mark.parametrize(
    "changes", [{"setpoint_w": math.nan}, {"revision": -1}, {"revision": 2**64}, {"primacy": 2**32}, {"expires_ms": -1}]
)
def test_an_intent_that_cannot_be_written(changes: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match=next(iter(changes))):
        convert.setpoint(replace(INTENT, **changes), INDEX)


def outcome(**changes: Any) -> Outcome:
    message = convert.outcome(REPORT, INDEX)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"asset": 7}, "Outcome: asset[0]: is 7; the index agreed on this stream ends at 2"),
        ({"state": "applied"}, "Outcome: state: is 'applied', which is not a state of an intent"),
        ({"state": ""}, "Outcome: state: is '', which is not a state of an intent"),
        ({"power_w": math.nan}, "Outcome: power_w: is nan, not a finite number"),
        ({"dispatch_id": ""}, "Outcome: dispatch_id: is empty"),
    ],
)
def test_an_outcome_that_makes_no_sense(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(BadInput) as raised:
        convert.report(over_the_wire(outcome(**changes)), IDS)
    assert problems(raised) == [problem]


@pytest.mark.parametrize(
    ("changes", "path"), [({"severity": "bad"}, "severity"), ({"type": ""}, "type"), ({"asset": 3}, "asset")]
)
def test_an_event_that_makes_no_sense(changes: dict[str, Any], path: str) -> None:
    message = convert.event(EVENT, INDEX)
    for name, value in changes.items():
        setattr(message, name, value)
    with pytest.raises(BadInput, match=f"Event: {path}"):
        convert.asset_event(message, IDS)


@pytest.mark.parametrize(
    ("message", "what"),
    [
        (Register(), "asset_ids: is empty"),
        (Register(asset_ids=["a", "a"]), "names an asset twice"),
        (Register(asset_ids=["a", ""]), r"asset_ids\[1\]: is empty"),
        (Register(asset_ids=["a", "b"], held=[Held(revision=1)]), "held: has 1 rows where asset_ids has 2"),
        (Register(asset_ids=["a"], software="x" * 1001), "software: has 1001 characters"),
    ],
)
def test_a_claim_that_makes_no_sense(message: Register, what: str) -> None:
    with pytest.raises(BadInput, match=what):
        convert.claim(message)


def test_a_long_reason_is_cut_not_refused() -> None:
    """A sender that has much to say must not lose its stream over it."""
    back = convert.report(convert.outcome(replace(REPORT, reason="x" * 5000), INDEX), IDS)
    assert len(back.reason) == 1000
    assert back.reason.endswith("x…")
