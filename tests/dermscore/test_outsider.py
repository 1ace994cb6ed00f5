"""The library as a stranger uses it: public names only, held to answers that were worked out without reading it.

An answer here comes from a second, slower way of reading the documentation.
"""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore import Allocation, Allowed, Columns, Now, allocate, explain, load_policy

MANY: Final = settings(max_examples=3000 if os.environ.get("DERMS_SOAK") == "1" else 60, deadline=None)


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


PATHS: Final = ["/", "F", "F/A", "F/A/x", "F/B", "FF"]
NOON: Final = "2026-11-23T12:00:00Z"
NOON_MS: Final = int(datetime.fromisoformat(NOON).timestamp() * 1000)


def some_access(random: Random) -> dict[str, Any]:
    """An access.yaml at random: JSON is YAML."""

    def rule() -> dict[str, Any]:
        made: dict[str, Any] = {
            "roles": random.sample(["OPERATOR", "VIEWER"], random.randint(1, 2)),
            "actions": random.choice([["dispatch"], ["release"], ["dispatch", "view"]]),
            "paths": random.sample(PATHS, random.randint(1, 2)),
            "reason": "at random",
        }
        if made["actions"] == ["dispatch"] and random.random() < 0.6:
            made["max_w"] = random.choice([1.0, 1e3, 2e3])
        return made | random.choice([{}, {}, {"not_before": NOON}, {"not_after": NOON}])

    principal = {"id": "http:loopback", "roles": random.sample(["OPERATOR", "VIEWER"], random.randint(1, 2))}
    areas = {"areas": random.sample(PATHS, 2)} if random.random() < 0.4 else {}
    grants, forbids = [rule() for _ in range(random.randint(0, 4))], [rule() for _ in range(random.randint(0, 2))]
    return {"version": 1, "principals": [principal | areas], "grants": grants, "forbids": forbids}


def at_or_below(path: str, top: str) -> bool:
    return top == "/" or path == top or path.startswith(f"{top}/")


def may(access: dict[str, Any], action: str, path: str, w: float | None, now_ms: int) -> bool:
    """What docs/reference/policy-yaml.md says of access.yaml, read a second time."""
    principal = access["principals"][0]

    def concerns(rule: dict[str, Any]) -> bool:
        begun = "not_before" not in rule or now_ms >= NOON_MS
        ended = "not_after" in rule and now_ms > NOON_MS
        return begun and not ended and action in rule["actions"] and bool({*rule["roles"]} & {*principal["roles"]})

    def within(rule: dict[str, Any]) -> bool:
        return "max_w" not in rule or (w is not None and abs(w) <= rule["max_w"])

    def beyond(rule: dict[str, Any]) -> bool:
        return "max_w" not in rule or w is None or abs(w) > rule["max_w"]

    def covers(rule: dict[str, Any]) -> bool:
        return any(at_or_below(path, at) for at in rule["paths"])

    def meets(rule: dict[str, Any]) -> bool:
        return covers(rule) or any(at_or_below(at, path or "/") for at in rule["paths"])

    forbidden = any(concerns(rule) and beyond(rule) and meets(rule) for rule in access["forbids"])
    granted = any(concerns(rule) and within(rule) and covers(rule) for rule in access["grants"])
    return granted and not forbidden and any(at_or_below(path, at) for at in principal.get("areas", ["/"]))


@pytest.mark.parametrize("seed", range(3000 if os.environ.get("DERMS_SOAK") == "1" else 60))
def test_who_may_is_what_the_page_says(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    access = some_access(random)
    (tmp_path / "access.yaml").write_text(json.dumps(access))
    (tmp_path / "dispatch.yaml").write_text(
        '{"version": 1, "programs": {"default": {"primacy": 1, "max_duration_s": 60}}}'
    )
    policy = load_policy(tmp_path)
    who = policy.principal("http:loopback")
    for _ in range(40):
        action, path = random.choice(["dispatch", "release", "view"]), random.choice(["", *PATHS[1:], "F/A/x/y", "G"])
        w = random.choice([None, 0.0, 1.0, -1.0, 1.5, 1e3, -1001.0, 5e3]) if action == "dispatch" else None
        now_ms = NOON_MS + random.choice([-1, 0, 1])
        verdict = policy.authorize(who, action, path, w, now=Now(now_ms, 0))
        assert isinstance(verdict, Allowed) == may(access, action, path, w, now_ms), (action, path, w, verdict)
