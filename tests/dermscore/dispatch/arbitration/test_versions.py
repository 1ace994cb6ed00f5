"""One event that a log speaks of several times."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from dermscore.dispatch.arbitration.versions import merged
from tests.dermscore.dispatch.arbitration.programs import event

ONE = event("a", "P", 1, 2, TargetW=1.0)


def test_other_events_stay_apart() -> None:
    others = [ONE, replace(ONE, id="b")]
    assert merged([*others, *others]) == (others, [])


def test_the_first_cancellation_counts_in_any_order() -> None:
    late = replace(ONE, cancelled_ms=90_000, known_ms=8)
    early = replace(ONE, cancelled_ms=80_000, cancel_randomized=True, known_ms=9)
    for order in permutations([ONE, late, early, ONE]):
        kept, edited = merged(order)
        assert kept == [replace(ONE, cancelled_ms=80_000, cancel_randomized=True, known_ms=0)]
        assert edited == []


def test_the_first_known_stands_and_what_edits_it_does_not_count() -> None:
    edited = replace(ONE, ends_ms=200_000, known_ms=5)
    cancelled_edit = replace(edited, cancelled_ms=70_000)
    for order in permutations([edited, ONE, cancelled_edit, edited]):
        kept, refused = merged(order)
        assert kept == [replace(ONE, known_ms=0)]
        assert sorted(refused, key=repr) == sorted([edited, cancelled_edit], key=repr)
