"""Refusals are told once, counted by the minute, and never fill the disk."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.denials import LONGEST_REASON, MOST_PEERS, MOST_REASONS, OTHERS, Denial, Denials
from tests.gateway.stage import T0, Clock

KNOCK = Denial("203.0.113.9", "stranger_refused", "refused", "address 7", "main/3", "in")


def test_the_first_is_told_at_once_and_its_repetitions_once_a_minute_with_the_exact_count() -> None:
    denials, clock = Denials(), Clock()
    first = denials.note(KNOCK, clock.now)
    assert first is not None
    assert (first.kind, first.peer, first.rule, first.n, first.reason, first.dir) == (
        "denied", "203.0.113.9", "stranger_refused", 1, "address 7", "in",
    )  # fmt: skip
    for _ in range(1000):
        clock.advance(0.05)
        assert denials.note(replace(KNOCK, session="main/9", reason="again"), clock.now) is None
    assert denials.due(clock.now) == []
    clock.advance(10.0)
    (rest,) = denials.due(clock.now)
    assert (rest.n, rest.reason) == (1000, f"repeated from {T0 + 50} to {T0 + 50_000} ms UTC; 1000 x again")
    assert denials.due(clock.now) == []
    assert denials.note(KNOCK, clock.now) is not None  # a new minute


def test_different_rules_answers_and_peers_are_told_apart() -> None:
    denials, now = Denials(), Clock().now
    for other in (KNOCK, replace(KNOCK, peer="x"), replace(KNOCK, rule="y"), replace(KNOCK, decision="z")):
        assert denials.note(other, now) is not None


def test_what_was_refused_for_several_reasons_says_each_with_its_count() -> None:
    denials, clock = Denials(), Clock()
    denials.note(KNOCK, clock.now)
    for reason in ("AO 3", "AO 4", "AO 3", "", "x" * 1000):
        denials.note(replace(KNOCK, reason=reason), clock.now)
    (rest,) = denials.due(clock.now, all_of_them=True)
    assert rest.n == 5
    assert rest.reason.split("; ")[1:] == [
        "2 x AO 3", "1 x AO 4", "1 x no reason", f"1 x {'x' * LONGEST_REASON}...",
    ]  # fmt: skip


@given(st.lists(st.integers(0, 30).map(str), max_size=100))
def test_however_many_reasons_are_given_the_counts_are_exact_and_the_record_short(reasons: list[str]) -> None:
    denials, now = Denials(), Clock().now
    denials.note(KNOCK, now)
    for reason in reasons:
        denials.note(replace(KNOCK, reason=reason), now)
    for rest in denials.due(now, all_of_them=True):
        told = dict(part.split(" x ")[::-1] for part in rest.reason.split("; ")[1:])
        assert rest.n == len(reasons) == sum(int(count) for count in told.values())
        assert len(told) <= MOST_REASONS + 1
        assert all(reasons.count(reason) == int(count) for reason, count in told.items() if reason != OTHERS)


def test_a_minute_without_repetitions_says_nothing_more() -> None:
    denials, clock = Denials(), Clock()
    denials.note(KNOCK, clock.now)
    clock.advance(60)
    assert denials.due(clock.now) == []


def test_beyond_many_peers_they_are_counted_together() -> None:
    denials, now = Denials(), Clock().now
    told = [denials.note(replace(KNOCK, peer=f"peer-{number}"), now) for number in range(3 * MOST_PEERS)]
    assert sum(entry is not None for entry in told) == MOST_PEERS + 1
    (rest,) = denials.due(now, all_of_them=True)
    assert (rest.peer, rest.n) == (OTHERS, 2 * MOST_PEERS - 1)
