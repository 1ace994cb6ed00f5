"""How long a trail is kept, and what may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persons import at

from audit.keeping import retention
from audit.keeping.retention import DAY_US, BadHolds, Hold, Span, kept_until, oldest_run, parse_holds, why_kept

NOW = at("2026-11-23T00:00:00Z")


def span(number: int, since: str, until: str) -> Span:
    return Span(number, at(f"{since}T00:00:00Z"), at(f"{until}T00:00:00Z"))


def test_three_calendar_years_end_with_a_year() -> None:
    assert kept_until(at("2022-01-01T00:00:00Z")) == at("2026-01-01T00:00:00Z")
    assert kept_until(at("2022-12-31T23:59:59Z")) == at("2026-01-01T00:00:00Z")


@given(st.integers(0, at("2100-01-01T00:00:00Z")))
def test_the_longest_counts(recorded: int) -> None:
    assert kept_until(recorded) >= recorded + max(90, 3 * 365) * DAY_US


def test_what_may_go() -> None:
    spans = [
        span(0, "2021-01-01", "2021-06-01"), span(1, "2021-06-01", "2022-12-31"),
        span(2, "2022-12-31", "2023-01-01"), span(3, "2020-01-01", "2020-01-02"),
    ]  # fmt: skip
    assert oldest_run(spans, (), NOW) == tuple(spans[:2])
    assert why_kept(spans[2], (), NOW) == "90 days and 3 calendar years are not over"
    assert oldest_run(spans[2:3], (), NOW) == ()
    assert oldest_run([spans[0], spans[3]], (), NOW) == (spans[0],)  # neighbours only
    assert oldest_run([spans[2], spans[3]], (), NOW) == (spans[3],)


def test_holds() -> None:
    text = (
        "# why\n\nlegal-hold 2021-03-01T00:00:00Z 2021-04-01T00:00:00Z case 12/b\nopen-audit 2022-06-01T00:00:00Z - x\n"
    )
    holds = parse_holds(text)
    assert holds[0] == Hold("legal-hold", at("2021-03-01T00:00:00Z"), at("2021-04-01T00:00:00Z"), "case 12/b")
    assert holds[1].until is None
    first, second = span(0, "2021-01-01", "2021-06-01"), span(1, "2021-06-01", "2022-12-31")
    before, after = span(2, "2021-01-01", "2021-02-28"), span(3, "2021-04-01", "2021-05-01")
    assert why_kept(first, holds, NOW) == "legal-hold: case 12/b"
    assert why_kept(second, holds, NOW) == "open-audit: x"
    assert [why_kept(one, holds, NOW) for one in (before, after)] == [None, None]


@pytest.mark.parametrize(
    "line",
    ["x", "legal-hold 2021-03-01T00:00:00Z", "hold 2021-03-01T00:00:00Z - x", "legal-hold now - x",
     "legal-hold 2021-03-01T00:00:00Z later x", "legal-hold 2021-03-01T00:00:00Z -"],
)  # fmt: skip
def test_what_is_no_hold(line: str) -> None:
    with pytest.raises(BadHolds, match="line 1: expected legal-hold or open-audit"):
        parse_holds(line)


def test_the_page_and_the_numbers() -> None:
    assert (retention.KEPT_DAYS, retention.KEPT_YEARS) == (90, 3)
