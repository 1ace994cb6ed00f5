"""The figures: nearest-rank percentiles, and the one object that is printed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.report import Report, percentile


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, None), ([7.0], 99, 7.0), ([4.0, 1.0, 3.0, 2.0], 50, 2.0), ([float(n) for n in range(1, 101)], 95, 95.0)],
)
def test_percentile(values: list[float], percent: int, expected: float | None) -> None:
    assert percentile(values, percent) == expected


@given(st.lists(st.floats(0, 1e6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_one_of_the_values_and_enough_lie_at_or_below(values: list[float], percent: int) -> None:
    found = percentile(values, percent)
    assert found in values
    assert found is not None
    assert sum(value <= found for value in values) >= percent / 100 * len(values) - 1e-9


def test_the_object_names_its_figures_and_not_the_raw_latencies() -> None:
    figures = Report(latencies_ms=[10.0, 20.0], failed_stages=["steady"]).as_json()
    assert figures["latency_ms"] == {"p50": 10.0, "p95": 20.0, "p99": 20.0}
    assert figures["failed_stages"] == ["steady"]
    assert "latencies_ms" not in figures
