"""The laws of arbitration, for any log of events; and that it equals a plain telling of its rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from dermscore.dispatch import Event, EventStatus, Mode, Next, arbitrate
from dermscore.model import Now
from tests.dermscore.dispatch.arbitration.programs import NODE, OneProgram, program, standing

NAMED = {
    "top": program(1, MaxLimW=5.0),
    "mid": OneProgram(2, "resume"),
    "low": OneProgram(3, "terminate", {NODE: {Mode.MAX_LIM_W: 1.0, Mode.CONNECT: True}}),
}
VALUES = st.fixed_dictionaries(
    {}, optional={Mode.MAX_LIM_W: st.integers(0, 9), Mode.CONNECT: st.booleans(), Mode.TARGET_W: st.none()}
)
EVENT = st.builds(
    Event,
    id=st.uuids().map(str),
    node=st.sampled_from([NODE, "b1"]),
    program=st.sampled_from(["top", "mid", "low", "nobody"]),
    issued_ms=st.integers(0, 6),
    starts_ms=st.integers(0, 12),
    ends_ms=st.integers(0, 16),
    controls=VALUES,
    primacy=st.one_of(st.none(), st.integers(0, 4)),
    cancelled_ms=st.one_of(st.none(), st.integers(0, 16)),
)
EVENTS = st.lists(EVENT, max_size=10, unique_by=lambda event: event.id)
TIMES = st.integers(0, 18)


def spread(one: Event, start_s: int, duration_s: int, randomized: bool) -> Event:
    """The same in seconds, with what is drawn."""
    return replace(
        one,
        issued_ms=one.issued_ms * 1000,
        starts_ms=one.starts_ms * 1000,
        ends_ms=one.ends_ms * 1000,
        cancelled_ms=None if one.cancelled_ms is None else one.cancelled_ms * 1000,
        randomize_start_s=start_s,
        randomize_duration_s=duration_s,
        cancel_randomized=randomized,
    )


DRAWN = st.lists(
    st.builds(spread, EVENT, st.integers(-5, 5), st.integers(-5, 5), st.booleans()),
    max_size=10,
    unique_by=lambda event: event.id,
)
MOMENTS = st.integers(0, 24_000)


def outranks(one: Event, other: Event) -> bool:
    def rank(event: Event) -> tuple[int, int, str]:
        return (-max(NAMED[event.program].primacy, event.primacy or 0), event.issued_ms, event.id)

    return rank(one) > rank(other)


def ends(event: Event) -> int:
    return event.ends_ms if event.cancelled_ms is None else min(event.ends_ms, event.cancelled_ms)


def stepped(events: Sequence[Event], mode: Mode, until_ms: int) -> Event | None:
    """What stands at `until_ms`, found by living through every millisecond: the rules, as plainly as may be."""
    rivals = [one for one in events if one.node == NODE and one.program in NAMED and mode in one.controls]
    rivals = [one for one in rivals if one.starts_ms < one.ends_ms and one.issued_ms < one.ends_ms]
    live: list[Event] = []
    for now_ms in range(until_ms + 1):
        live = [one for one in live if ends(one) > now_ms]
        known = [one for one in rivals if one.issued_ms <= now_ms and ends(one) > now_ms]
        beginning = [one for one in known if max(one.starts_ms, one.issued_ms) == now_ms]
        coming = [one for one in known if one.starts_ms > now_ms]
        for one in beginning:
            in_its_way = [other for other in coming if other.starts_ms < one.ends_ms] + live + beginning
            if NAMED[one.program].on_supersede == "resume" or not any(outranks(other, one) for other in in_its_way):
                live.append(one)
        live = [
            one
            for one in live
            if NAMED[one.program].on_supersede == "resume" or not any(outranks(other, one) for other in live)
        ]
    return next((one for one in live if not any(outranks(other, one) for other in live)), None)


@given(events=EVENTS, now_ms=TIMES, mode=st.sampled_from([Mode.MAX_LIM_W, Mode.CONNECT, Mode.TARGET_W]))
def test_it_is_what_living_through_every_moment_gives(events: list[Event], now_ms: int, mode: Mode) -> None:
    expected = stepped(events, mode, now_ms)
    control = arbitrate(NAMED, events, Now(now_ms, 0)).at(NODE, mode)
    found = None if control is None or control.is_default else control.source
    assert found == (None if expected is None else expected.id)


@given(events=DRAWN, now_ms=MOMENTS, data=st.data())
def test_neither_order_nor_repetition_matters(events: list[Event], now_ms: int, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(events))
    before = arbitrate(NAMED, events, Now(now_ms, 0))
    assert arbitrate(NAMED, shuffled, Now(now_ms, 1)) == before
    twice = arbitrate(NAMED, [*events, *shuffled], Now(now_ms, 0))
    assert replace(twice, ignored=()) == replace(before, ignored=())


@given(events=DRAWN, now_ms=MOMENTS)
def test_a_log_cut_at_a_moment_gives_the_same_at_that_moment(events: list[Event], now_ms: int) -> None:
    known = [
        replace(one, cancelled_ms=None) if (one.cancelled_ms or 0) > now_ms else one
        for one in events
        if one.issued_ms <= now_ms
    ]
    whole, cut = arbitrate(NAMED, events, Now(now_ms, 0)), arbitrate(NAMED, known, Now(now_ms, 0))
    assert (whole.in_force, whole.statuses, whole.upcoming) == (cut.in_force, cut.statuses, cut.upcoming)


@given(events=DRAWN, now_ms=MOMENTS, starts_s=TIMES, length_s=st.integers(0, 9), drawn_s=st.integers(-5, 5))
def test_a_lower_event_never_changes_what_is_held(
    events: list[Event], now_ms: int, starts_s: int, length_s: int, drawn_s: int
) -> None:
    lowest = spread(
        Event("", NODE, "low", -1, starts_s, starts_s + length_s, {Mode.MAX_LIM_W: 1.0}, primacy=255),
        drawn_s, -drawn_s, randomized=False,
    )  # fmt: skip
    before = arbitrate(NAMED, events, Now(now_ms, 0)).in_force
    after = arbitrate(NAMED, [*events, lowest], Now(now_ms, 0)).in_force
    for key, control in before.items():
        if not control.is_default:
            now = after[key]
            assert (now.source, now.value, now.since_ms, now.until_ms) == (
                control.source,
                control.value,
                control.since_ms,
                control.until_ms,
            )


@given(events=EVENTS, now_ms=TIMES)
def test_what_is_over_and_superseded_nothing_changes_nothing(events: list[Event], now_ms: int) -> None:
    controls = arbitrate(NAMED, events, Now(now_ms, 0))
    by = {each.by for each in controls.superseded} | {each.event.id for each in controls.superseded}
    gone = {one.id for one in events if ends(one) <= now_ms and one.id not in by}
    kept = [one for one in events if one.id not in gone or overlapped(one, events)]
    assert standing(NAMED, kept, now_ms) == standing(NAMED, events, now_ms)


def overlapped(one: Event, events: Sequence[Event]) -> bool:
    """Whether any other event was known and not over while this one lasted, so that it may have superseded it."""
    return any(other is not one and other.starts_ms < one.ends_ms and one.starts_ms < other.ends_ms for other in events)


@given(events=DRAWN, now_ms=MOMENTS, later_ms=MOMENTS)
def test_what_is_over_stays_over(events: list[Event], now_ms: int, later_ms: int) -> None:
    ended = {EventStatus.COMPLETE, EventStatus.SUPERSEDED, EventStatus.CANCELLED, EventStatus.CANCELLED_RANDOMLY}
    now = arbitrate(NAMED, events, Now(now_ms, 0))
    later = arbitrate(NAMED, events, Now(now_ms + later_ms, 0))
    for one in events:
        if one.program != "mid":  # which resumes
            for mode, status in now.status(one).items():
                assert status not in ended or later.status(one)[mode] in ended
                assert status is not EventStatus.COMPLETE or later.status(one)[mode] is EventStatus.COMPLETE


@given(events=EVENTS, now_ms=TIMES)
def test_whatever_replaces_a_control_was_announced(events: list[Event], now_ms: int) -> None:
    settled = [replace(one, issued_ms=0, cancelled_ms=None) for one in events]
    now = arbitrate(NAMED, settled, Now(now_ms, 0))
    later = arbitrate(NAMED, settled, Now(now_ms + 1, 0))
    for key, control in later.in_force.items():
        before = now.in_force.get(key)
        if before is None or before.source != control.source:
            assert control.since_ms == now_ms + 1
            assert control in now.upcoming
            assert before is None or before.then == Next(control.value, control.source, control.is_default)


@given(events=DRAWN, now_ms=MOMENTS)
def test_what_is_announced_comes_true(events: list[Event], now_ms: int) -> None:
    """As long as nothing else becomes known: so nothing looser, or other, stands unannounced."""
    settled = [replace(one, issued_ms=0, cancelled_ms=None) for one in events]
    for control in arbitrate(NAMED, settled, Now(now_ms, 0)).upcoming:
        then = arbitrate(NAMED, settled, Now(control.since_ms, 0))
        assert then.in_force[control.node, control.mode] == control


@given(events=EVENTS, now_ms=TIMES)
def test_states_and_controls_agree(events: list[Event], now_ms: int) -> None:
    controls = arbitrate(NAMED, events, Now(now_ms, 0))
    for one in events:
        for mode, status in controls.status(one).items():
            control = controls.at(one.node, mode)
            stands = control is not None and control.source == one.id
            assert stands == (status is EventStatus.ACTIVE)
            outranked = [each for each in controls.superseded if (each.event, each.mode) == (one, mode)]
            so_far = [each for each in outranked if each.at_ms <= now_ms]
            assert bool(so_far) == (status is EventStatus.SUPERSEDED and one.starts_ms <= now_ms < one.ends_ms)
