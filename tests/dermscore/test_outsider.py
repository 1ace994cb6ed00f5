"""The library as a stranger uses it: public names only, held to answers that were worked out without reading it.

An answer here comes from another project's published test, or from a second, slower way of reading the documentation.
"""

from __future__ import annotations

import os
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore import Allocation, Columns, Event, Mode, Now, Program, allocate, arbitrate, explain

MANY: Final = settings(max_examples=3000 if os.environ.get("DERMS_SOAK") == "1" else 60, deadline=None)
PROGRAMS: Final = {name: Program(name, rank, 3600) for rank, name in enumerate(("home", "contracted", "other"))}


def event(mrid: int, starts_s: float, lasts_s: float, program: str = "home", **times_s: float) -> Event:
    """An event that was created at its own number, as that project numbers its own."""
    given_ms: dict[str, Any] = {"known_ms": 0} | {name: int(1000 * s) for name, s in times_s.items()}
    starts_ms, ends_ms = int(1000 * starts_s), int(1000 * (starts_s + lasts_s))
    return Event(str(mrid), "site", program, mrid, starts_ms, ends_ms, {Mode.TARGET_W: 1.0}, **given_ms)


def told(events: list[Event]) -> list[str]:
    """What a handler of events is told while time goes by: each change of a state, but for what is only scheduled."""
    before: dict[str, str] = {}
    changes = []
    for now_ms in range(0, 12_000, 500):
        controls = arbitrate(PROGRAMS, events, Now(now_ms, 0))
        for each in sorted(events, key=lambda one: (one.ends_ms, one.id)):
            state = controls.status(each)[Mode.TARGET_W].name if each.heard_ms <= now_ms else "UNKNOWN"
            if state not in ("UNKNOWN", "SCHEDULED", before.get(each.id)):
                changes.append(f"{state} {each.id}")
            before[each.id] = state
    return changes


# The events and outcomes of sep2_client's tests of its DER schedule: another client of IEEE 2030.5, in Rust. It tells
# nothing of an event that never began; here that is told as superseded or cancelled, once.
@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        pytest.param(
            [event(2, 4, 2), event(3, 7, 2), event(1, 1, 2)],
            ["ACTIVE 1", "COMPLETE 1", "ACTIVE 2", "COMPLETE 2", "ACTIVE 3", "COMPLETE 3"],
            id="one after the other",
        ),
        pytest.param(
            [event(1, 1, 4), event(0, 2, 1), event(2, 4, 2, known_ms=3), event(3, 7, 2, known_ms=3)],
            ["ACTIVE 1", "SUPERSEDED 0", "SUPERSEDED 1", "ACTIVE 2", "COMPLETE 2", "ACTIVE 3", "COMPLETE 3"],
            id="an older one below never begins, a newer one takes over",
        ),
        pytest.param(
            [
                event(1, 1, 2, cancelled_ms=2.5),
                event(2, 4, 2, cancelled_ms=5.5),
                event(3, 7, 2, cancelled_ms=5.5),
            ],
            ["ACTIVE 1", "CANCELLED 1", "ACTIVE 2", "CANCELLED 2", "CANCELLED 3"],
            id="cancelled while they run, and before",
        ),
        pytest.param(
            [event(0, 4, 2), event(1, 1, 4, cancelled_ms=3), event(3, 7, 2)],
            ["ACTIVE 1", "CANCELLED 1", "ACTIVE 0", "COMPLETE 0", "ACTIVE 3", "COMPLETE 3"],
            id="what a cancelled one would have superseded runs",
        ),
        pytest.param(
            [event(1, 1, 3, "other"), event(2, 2, 2), event(3, 3, 2, "contracted")],
            ["SUPERSEDED 1", "ACTIVE 2", "SUPERSEDED 3", "COMPLETE 2"],
            id="the highest alone runs, and both others never",
        ),
    ],
)
def test_events_of_another_client_of_2030_5(events: list[Event], outcome: list[str]) -> None:
    assert told(events) == outcome
    assert told(events[::-1]) == outcome


def level(weight: Any, low_w: Any, high_w: Any, base_w: Any, target_w: float) -> Any:
    """Base + L times weight, cut to the bounds: L by halving, which is slow and cannot be wrong."""
    most = 10 * (np.abs(high_w) + np.abs(low_w) + np.abs(base_w)).max() / weight[weight > 0].min()
    below, above = -most, most
    for _ in range(120):
        middle = (below + above) / 2
        if np.clip(base_w + middle * weight, low_w, high_w).sum() < target_w:
            below = middle
        else:
            above = middle
    return np.clip(base_w + above * weight, low_w, high_w)


@MANY
@given(seed=st.integers(0, 2**32 - 1), wanted=st.floats(-1.2, 1.2))
def test_each_rule_is_what_its_line_in_the_table_says(seed: int, wanted: float) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 9))
    ids = [f"b{number}" for number in range(count)]
    capacity, efficiency = random.uniform(10, 100, count), random.uniform(0.7, 1, count)
    low_w, high_w = -random.uniform(1, 50, count), random.uniform(1, 50, count)
    empty_wh, full_wh = 0.1 * capacity, 0.9 * capacity
    soc_wh = capacity * random.uniform(0.11, 0.89, count)
    target_w = wanted * count * 30
    up = target_w >= 0
    fleet = Columns.flat(
        ids=ids, min_w=low_w, max_w=high_w, weight=capacity, efficiency=efficiency,
        soc_wh=soc_wh, min_soc_wh=empty_wh, max_soc_wh=full_wh,
    )  # fmt: skip
    weights = {
        "capacity share": capacity,
        "headroom": high_w if up else -low_w,
        "SOC balance": (soc_wh - empty_wh) * efficiency if up else (full_wh - soc_wh) / efficiency,
    }
    for rule, weight in weights.items():
        result = allocate(fleet, fleet.tree, fleet.envelope(), target_w, rule)
        assert isinstance(result, Allocation)
        assert result.setpoint_w == pytest.approx(level(weight, low_w, high_w, 0 * low_w, target_w), abs=1e-6)
        assert result.delivered_w + result.shortfall_w == pytest.approx(target_w)


@MANY
@given(seed=st.integers(0, 2**32 - 1), left=st.floats(0.0, 1.0))
def test_a_curtailment_takes_from_each_by_its_rating_or_by_its_output(seed: int, left: float) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 9))
    rating_w = random.uniform(1, 50, count)
    output_w = rating_w * random.uniform(0.01, 1, count)
    plants = Columns.flat(ids=[f"p{number}" for number in range(count)], min_w=0.0, max_w=rating_w, output_w=output_w)
    target_w = left * float(output_w.sum())
    for rule, weight in {"curtailment by rating": rating_w, "curtailment by output": output_w}.items():
        result = allocate(plants, plants.tree, plants.envelope(), target_w, rule)
        assert isinstance(result, Allocation)
        assert result.setpoint_w == pytest.approx(level(weight, 0 * rating_w, output_w, output_w, target_w), abs=1e-6)
        assert all(f"p{number} is asked for" in explain(result, f"p{number}") for number in range(count))
