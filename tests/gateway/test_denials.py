"""Refusals are told once, counted by the minute, and never fill the disk."""

from __future__ import annotations

from dataclasses import replace

from gateway.denials import MOST_PEERS, OTHERS, Denial, Denials
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
    assert (rest.n, rest.reason) == (1000, f"repeated from {T0 + 50} to {T0 + 50_000} ms UTC")
    assert denials.due(clock.now) == []
    assert denials.note(KNOCK, clock.now) is not None  # a new minute


def test_different_rules_answers_and_peers_are_told_apart() -> None:
    denials, now = Denials(), Clock().now
    for other in (KNOCK, replace(KNOCK, peer="x"), replace(KNOCK, rule="y"), replace(KNOCK, decision="z")):
        assert denials.note(other, now) is not None


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
