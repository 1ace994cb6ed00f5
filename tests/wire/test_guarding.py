"""The mappers of fallbacks and impairments: present, absent, round trip; what makes no sense is refused whole."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.errors import BadInput
from dermscore.guard import Fallback
from dermscore.model import Impairment, ImpairmentKind
from wire import guarding
from wire.columns import LATEST_MS
from wire.guarding import LONGEST_DELAY_MS
from wire.v1.agent_link_pb2 import Fallback as FallbackMessage
from wire.v1.agent_link_pb2 import Impairment as ImpairmentMessage
from wire.v1.agent_link_pb2 import Registered, Telemetry

IDS = ("asset-0", "asset-1")
INDEX = {asset_id: number for number, asset_id in enumerate(IDS)}
FALLBACK = Fallback(1_000, 2e6, 3e6, -4e6)

magnitudes = st.floats(min_value=0, allow_nan=False, allow_infinity=False)
fallbacks = st.builds(
    Fallback,
    st.integers(0, LONGEST_DELAY_MS),
    magnitudes,
    st.none() | magnitudes,
    st.none() | magnitudes.map(lambda w: -w),
)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
impairments = st.dictionaries(st.sampled_from(IDS), st.builds(Impairment, st.sampled_from(ImpairmentKind), texts))


def over_the_wire(message: Any) -> Any:
    return type(message).FromString(message.SerializeToString())


def registered(of: dict[str, Fallback]) -> Registered:
    back: Registered = over_the_wire(guarding.registered("s1", 7_000, of, IDS))
    return back


@given(st.fixed_dictionaries(dict.fromkeys(IDS, fallbacks)))
def test_fallbacks_come_back_as_they_went(of: dict[str, Fallback]) -> None:
    message = registered(of)
    assert guarding.fallbacks(message, IDS) == of
    assert (message.session_id, message.headend_time_ms) == ("s1", 7_000)


@pytest.mark.parametrize(("most_w", "least_w"), [(None, None), (0.0, None), (None, 0.0), (0.0, 0.0)])
def test_no_limit_is_not_a_limit_of_zero(most_w: float | None, least_w: float | None) -> None:
    of = dict.fromkeys(IDS, replace(FALLBACK, most_w=most_w, least_w=least_w))
    assert guarding.fallbacks(registered(of), IDS) == of


@pytest.mark.parametrize("of", [{}, {"asset-0": FALLBACK}, {"asset-2": FALLBACK}])
def test_a_headend_that_does_not_know_all_says_nothing(of: dict[str, Fallback]) -> None:
    assert guarding.fallbacks(registered(of), IDS) == {}


@pytest.mark.parametrize("delay_ms", [LONGEST_DELAY_MS + 1, 10**12])
def test_no_fallback_is_put_off_for_ever(delay_ms: int) -> None:
    back = guarding.fallbacks(registered(dict.fromkeys(IDS, replace(FALLBACK, delay_ms=delay_ms))), IDS)
    assert 0 <= back["asset-0"].delay_ms <= LONGEST_DELAY_MS


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"delay_ms": LONGEST_DELAY_MS + 1}, "fallbacks.delay_ms[1]: is 60001, outside -inf..60000"),
        ({"ramp_w_per_s": -1.0}, "fallbacks.ramp_w_per_s[1]: is -1.0, outside 0..inf"),
        ({"ramp_w_per_s": math.inf}, "fallbacks.ramp_w_per_s[1]: is inf, not a finite number"),
        ({"most_w": math.nan}, "fallbacks.most_w[1]: is nan, not a finite number"),
        ({"most_w": -1.0}, "fallbacks.most_w[1]: is -1.0, outside 0..inf"),
        ({"least_w": 1.0}, "fallbacks.least_w[1]: is 1.0, outside -inf..0"),
    ],
)
def test_a_fallback_that_makes_no_sense_is_refused(changes: dict[str, Any], problem: str) -> None:
    message = registered(dict.fromkeys(IDS, FALLBACK))
    message.fallbacks[1].MergeFrom(FallbackMessage(**changes))
    with pytest.raises(BadInput) as raised:
        guarding.fallbacks(over_the_wire(message), IDS)
    assert [str(each) for each in raised.value.problems] == [f"Registered: {problem}"]


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (Registered(fallbacks=[FallbackMessage()]), "fallbacks: has 1 rows where asset_ids has 2"),
        (Registered(headend_time_ms=-1), "headend_time_ms: is -1, no UTC time in milliseconds"),
        (Registered(headend_time_ms=LATEST_MS + 1), f"headend_time_ms: is {LATEST_MS + 1}, no UTC time"),
    ],
)
def test_an_answer_that_makes_no_sense_is_refused(message: Registered, problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        guarding.fallbacks(message, IDS)


@pytest.mark.parametrize("bad", [{"ramp_w_per_s": math.nan}, {"most_w": math.inf}, {"least_w": 1.0}])
def test_no_number_that_is_none_leaves_us(bad: dict[str, float]) -> None:
    fallback = replace(FALLBACK)
    ((name, value),) = bad.items()
    object.__setattr__(fallback, name, value)  # which a Fallback itself would refuse
    with pytest.raises(BadInput, match=name):
        guarding.registered("s1", 0, dict.fromkeys(IDS, fallback), IDS)


@given(impairments)
def test_impairments_come_back_as_they_went(of: dict[str, Impairment]) -> None:
    message = over_the_wire(Telemetry(impaired=guarding.impairments(of, INDEX)))
    assert guarding.impaired(message.impaired, IDS) == of


def test_an_impaired_asset_of_another_stream_is_not_written() -> None:
    with pytest.raises(BadInput, match="names asset asset-9, which is not of this stream"):
        guarding.impairments({"asset-9": Impairment(ImpairmentKind.LOCAL)}, INDEX)


def test_a_long_detail_is_cut_not_refused() -> None:
    (row,) = guarding.impairments({"asset-0": Impairment(ImpairmentKind.LOCKOUT, "x" * 5000)}, INDEX)
    assert guarding.impaired([row], IDS)["asset-0"].detail.endswith("x…")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([ImpairmentMessage(asset=2, kind="local")], r"impaired\[0\]: is 2; the index agreed on this stream ends at 1"),
        ([ImpairmentMessage(kind="local"), ImpairmentMessage(kind="lockout")], "names an asset twice"),
        ([ImpairmentMessage(kind="asleep")], r"impaired\[0\].kind: is 'asleep', not one of outage, lockout, local"),
        ([ImpairmentMessage()], r"impaired\[0\].kind: is ''"),
        ([ImpairmentMessage(kind="local", detail="x" * 1001)], r"impaired\[0\].detail: has 1001 characters"),
    ],
)
def test_an_impairment_that_makes_no_sense_is_refused(rows: list[ImpairmentMessage], problem: str) -> None:
    with pytest.raises(BadInput, match=problem):
        guarding.impaired(rows, IDS)
