"""The one door, to its last branch: what each check shows, and the promises that no order of events may break."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from dermscore.intent import IntentState
from dermscore.quality import GOOD, Cause, Quality, Source, Validity
from gateway import crossing
from gateway.contract import Contract
from gateway.crossing import Admission, Candidate, State
from gateway.faces import Update
from tests.gateway.stage import (
    ABSORBED,
    CALCULATED,
    M0,
    NONCE,
    POWER,
    PUBLISHED,
    SOC,
    STRANGER,
    T0,
    TRUSTED,
    Clock,
    Headend,
    contract,
)
from wire.boundary import BoundaryOutcome
from wire.publication import Publisher, key_id
from wire.v1.boundary_link_pb2 import PointBatch, Publication, SignedPublication

CONTRACT = contract()
LIVE = contract(contract="live")


@dataclass
class Bench:
    """A door with an open stream, a headend that talks to it, and a trail that records at once."""

    contract: Contract = CONTRACT
    clock: Clock = field(default_factory=Clock)
    headend: Headend = field(default_factory=lambda: Headend(CONTRACT))
    shown: dict[str, Update] = field(default_factory=dict)
    beats: int = 0

    def __post_init__(self) -> None:
        begun = crossing.begin(self.contract, self.clock.now)
        self.shown = {name: held.shown for name, held in begun.points.items()}
        self.state: State = crossing.open_stream(begun, NONCE, self.clock.now)

    def wait(self, seconds: float, *, heard: bool = True) -> None:
        """Time passes on both sides; our heartbeat arrives, unless the headend is not to hear it."""
        self.clock.advance(seconds)
        self.headend.made_ms += round(seconds * 1000)
        self.beats += 1
        self.state = crossing.sent_beat(self.state, self.beats, self.clock.now)
        if heard:
            self.headend.echo = self.beats

    def admit(self, signed: SignedPublication, **more: Any) -> Admission:
        admission = crossing.admit(signed, TRUSTED, self.contract, self.state, self.clock.now, **more)
        self.state = admission.state
        self._show(admission.at_once)
        return admission

    def cross(self, signed: SignedPublication) -> Admission:
        """Admit, and have the record durable at once."""
        admission = self.admit(signed)
        self.release(admission.candidates)
        return admission

    def release(self, candidates: tuple[Candidate, ...]) -> tuple[Update, ...]:
        self.state, updates = crossing.release(candidates, self.contract, self.state, self.clock.now)
        self._show(updates)
        return updates

    def age(self) -> tuple[Update, ...]:
        self.state, updates = crossing.age(self.contract, self.state, self.clock.now)
        self._show(updates)
        return updates

    def isolate(self) -> None:
        self.state, updates = crossing.isolate(self.contract, self.state, self.clock.now)
        self._show(updates)

    def _show(self, updates: tuple[Update, ...]) -> None:
        self.shown |= {update.point: update for update in updates}


# What crosses, plainly.


def test_before_the_first_crossing_every_point_is_restart_and_in_range() -> None:
    bench = Bench()
    for name in PUBLISHED:
        row, shown = CONTRACT.point[name], bench.shown[name]
        assert shown.quality == Quality(Validity.INVALID, Source.CALCULATED, Cause.RESTART)
        assert row.raw_range[0] <= shown.raw <= row.raw_range[1]


def test_a_good_reading_crosses_to_every_point_that_shows_it() -> None:
    bench = Bench()
    admission = bench.cross(bench.headend.power(250_400.0))
    assert bench.shown[POWER] == Update(POWER, 250, CALCULATED, T0)
    assert bench.shown[ABSORBED] == Update(ABSORBED, -2504, CALCULATED, T0)  # positive means absorption; tenths of a kW
    assert bench.shown[SOC].quality.causes == Cause.RESTART  # nothing was said of it
    record = admission.record
    assert record is not None
    assert record.body is not None
    assert (record.kind, record.decision, record.n, record.dir) == ("crossing.out", "admitted", 2, "out")
    assert record.digests == {"contract": CONTRACT.digest}
    assert record.body.columns["point"] == [POWER, ABSORBED]
    assert record.body.columns["raw"] == [250, -2504]
    assert record.body.columns["quality"] == [CALCULATED.bits] * 2
    assert record.body.columns["time_ms"] == [T0] * 2


def test_nothing_is_shown_before_its_record_is_durable() -> None:
    bench = Bench()
    admission = bench.admit(bench.headend.power(1000.0))
    assert admission.at_once == ()
    assert bench.shown[POWER].quality.causes == Cause.RESTART
    assert [candidate.judged.update.point for candidate in admission.candidates] == [POWER, ABSORBED]


# What each failed check shows (DESIGN.md section 8, rules 2 and 3).

TEST_VALUE = CALCULATED.because(Cause.TEST)
INVALID = Quality(Validity.INVALID, Source.CALCULATED, Cause.NONE)


@pytest.mark.parametrize(
    ("told", "raw", "validity", "causes", "fired"),
    [
        # the value with less trust
        ({"value": 1_500_000.0}, 1000, Validity.QUESTIONABLE, Cause.OVER_RANGE, "over-range,too-fast"),
        ({"value": -1e12}, -1000, Validity.QUESTIONABLE, Cause.OVER_RANGE, "over-range,too-fast"),
        ({"value": 301_000.0}, 301, Validity.QUESTIONABLE, Cause.NONE, "too-fast"),
        ({"value": 300_000.0}, 300, Validity.GOOD, Cause.NONE, ""),
        # a sum without some of its members is not the sum, however little they weigh
        ({"value": 210_000.0, "reporting": 3}, 210, Validity.QUESTIONABLE, Cause.LOW_COVERAGE, "partial"),
        # the last value
        ({"value": 210_000.0, "coverage_pct": 79.9}, 200, Validity.HELD, Cause.LOW_COVERAGE, "low-coverage"),
        ({"value": 210_000.0, "coverage_pct": 80.0}, 210, Validity.GOOD, Cause.NONE, ""),
        ({"value": 210_000.0, "configured": 1, "reporting": 1}, 200, Validity.HELD, Cause.LOW_COVERAGE, "few-members"),
        ({"value": None}, 200, Validity.INVALID, Cause.NONE, "no-value"),
        ({"value": 210_000.0, "quality": INVALID}, 200, Validity.INVALID, Cause.NONE, "no-value"),
        (
            {"value": None, "quality": INVALID.because(Cause.COMM_LOST)},
            200,
            Validity.INVALID,
            Cause.COMM_LOST,
            "no-value",
        ),
        # as it came
        ({"value": 210_000.0, "quality": TEST_VALUE}, 210, Validity.GOOD, Cause.TEST, ""),
        ({"value": 210_000.0, "quality": Quality(Validity.QUESTIONABLE)}, 210, Validity.QUESTIONABLE, Cause.NONE, ""),
        ({"value": 210_000.0, "quality": Quality(Validity.HELD)}, 210, Validity.HELD, Cause.NONE, ""),
    ],
)
def test_what_a_check_shows(told: dict[str, Any], raw: int, validity: Validity, causes: Cause, fired: str) -> None:
    bench = Bench()
    bench.cross(bench.headend.power(200_000.0))
    bench.wait(1.0)
    admission = bench.cross(bench.headend.power(told.pop("value"), **told))
    shown = bench.shown[POWER]
    assert (shown.raw, shown.quality.validity, shown.quality.causes) == (raw, validity, causes)
    assert shown.time_ms == T0 + 1000
    assert admission.record is not None
    assert admission.record.body is not None
    assert admission.record.body.columns["rule"][0] == fired
    assert bool(admission.alarms) == ("too-fast" in fired)


def test_a_simulated_value_is_never_shown_under_a_live_contract() -> None:
    bench = Bench(LIVE, headend=Headend(LIVE))
    bench.cross(bench.headend.power(200_000.0, quality=TEST_VALUE))
    shown = bench.shown[POWER]
    assert shown.raw == 0
    assert shown.quality.validity > Validity.QUESTIONABLE
    assert shown.quality.causes >= Cause.TEST | Cause.RESTART
    assert bench.cross(bench.headend.power(1000.0, quality=TEST_VALUE)).alarms == (
        "power: test-in-live (1000)",
        "absorbed: test-in-live (1000)",
    )


def test_low_coverage_before_the_first_crossing_invents_nothing() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(123_000.0, coverage_pct=10.0))
    shown = bench.shown[POWER]
    assert (shown.raw, shown.quality.validity) == (0, Validity.INVALID)
    assert shown.quality.causes == Cause.RESTART | Cause.LOW_COVERAGE


def test_a_step_that_stays_is_believed_once_there_was_time_for_it() -> None:
    bench = Bench()  # at most 100 kW/s
    bench.cross(bench.headend.power(0.0))
    seen = []
    for _ in range(4):
        bench.wait(1.0)
        bench.cross(bench.headend.power(350_000.0))
        seen.append((bench.shown[POWER].raw, bench.shown[POWER].quality.validity))
    assert seen == [(350, Validity.QUESTIONABLE)] * 3 + [(350, Validity.GOOD)]


def test_a_change_without_elapsed_time_is_too_fast() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(0.0))
    bench.cross(bench.headend.power(2000.0))
    assert bench.shown[POWER].quality.validity is Validity.QUESTIONABLE


def test_between_publishers_elapsed_time_is_ours() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(0.0))
    second = Publisher(_second_key())
    bench.wait(3.0)
    other = replace(bench.headend, publisher=second, made_ms=T0 - 3_600_000, seq=0)
    trusted = {**TRUSTED, second.key_id: _second_key().public_key()}
    admission = crossing.admit(other.power(250_000.0), trusted, CONTRACT, bench.state, bench.clock.now)
    (candidate, _) = admission.candidates
    assert candidate.judged.update.quality.validity is Validity.GOOD  # 250 kW in 3 s
    assert candidate.judged.update.time_ms == T0  # an hour behind, and yet the time does not go back


@pytest.mark.parametrize("back_s", [1, 60, 3600])
def test_after_a_publishers_clock_stepped_back_an_honest_change_is_not_too_fast(back_s: int) -> None:
    bench = Bench()  # at most 100 kW/s
    bench.cross(bench.headend.power(0.0))
    bench.headend.made_ms -= back_s * 1000
    for _ in range(2 * 60 + 1 if back_s > 60 else 2 * back_s + 1):  # before its clock has caught up, and after
        bench.wait(1.0)
        kw = bench.shown[POWER].raw
        bench.cross(bench.headend.power((kw + 90) * 1000.0 if kw < 900 else (kw - 90) * 1000.0))
        assert bench.shown[POWER].quality == CALCULATED


def test_what_jumps_back_in_the_publishers_time_is_still_too_fast_by_ours() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(0.0))
    bench.headend.made_ms -= 3_600_000
    bench.wait(1.0)
    bench.cross(bench.headend.power(101_000.0))
    assert bench.shown[POWER].quality.validity is Validity.QUESTIONABLE


def _second_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(b"\2" * 32)


def test_publishers_are_numbered_each_for_itself() -> None:
    bench = Bench()
    bench.headend.seq = 40
    bench.cross(bench.headend.power(0.0))
    second = Publisher(_second_key())
    trusted = {key_id(_second_key().public_key()): _second_key().public_key()}
    other = replace(bench.headend, publisher=second, seq=0)
    assert crossing.admit(other.beat(), trusted, CONTRACT, bench.state, bench.clock.now).refusal is None


# Times.


def test_an_older_reading_changes_nothing() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(1000.0))
    bench.wait(1.0)
    admission = bench.cross(bench.headend.power(5000.0, time_ms=T0 - 1))
    assert bench.shown[POWER].raw == 1
    assert admission.record is not None
    assert admission.record.body is not None
    assert (admission.record.decision, admission.record.n) == ("refused", 0)
    assert admission.record.body.columns["refused"] == [POWER, ABSORBED]
    assert admission.record.body.columns["refused_rule"] == ["went-back"] * 2
    assert admission.record.body.columns["refused_value"] == [5000.0] * 2


def test_a_reading_from_after_its_publication_changes_nothing() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(5000.0, time_ms=T0 + 1))
    assert bench.shown[POWER].quality.causes == Cause.RESTART


def test_a_publisher_whose_clock_steps_back_goes_on_and_its_times_stand_still() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(1000.0))
    bench.wait(1.0)
    bench.headend.made_ms -= 60_000
    admission = bench.cross(bench.headend.power(2000.0))
    assert "stepped back by 59000 ms" in admission.alarms[0]
    assert (bench.shown[POWER].raw, bench.shown[POWER].time_ms) == (2, T0)


def test_bad_news_that_waits_for_its_record_is_never_older_than_what_it_speaks_of() -> None:
    """Our clock is ahead of the headend's, and stamped that the boundary was closed."""
    bench = Bench()
    bench.headend.made_ms -= 3_600_000
    bench.cross(bench.headend.soc(50.0))
    bench.isolate()
    bench.state = crossing.open_stream(crossing.rejoin(bench.state), NONCE, bench.clock.now)
    early = bench.admit(bench.headend.soc(None))
    bench.clock.advance(1)
    late = bench.admit(bench.headend.soc(None))
    bench.release(early.candidates)
    assert (bench.shown[SOC].quality.validity, bench.shown[SOC].time_ms) == (Validity.INVALID, T0)
    bench.clock.advance(3)
    bench.age()
    assert bench.shown[SOC].time_ms == T0 + 4000
    assert bench.release(late.candidates) == ()
    bench.beats = 0
    bench.wait(1.0)
    bench.cross(bench.headend.soc(51.0))
    assert bench.shown[SOC].time_ms == T0 - 3_599_000  # when it was calculated, by its publisher's clock


def test_what_waits_while_a_publishers_clock_steps_back_holds_up_nothing_after_it() -> None:
    """The disk is slow, and the headend comes back with a clock that was set back by an hour."""
    bench = Bench()
    bench.cross(bench.headend.power(1000.0))
    bench.wait(1.0)
    waiting = bench.admit(bench.headend.power(1000.0))
    bench.wait(1.0)
    bench.headend.made_ms -= 3_600_000
    stepped = bench.admit(bench.headend.power(2000.0))
    assert bench.release((*waiting.candidates, *stepped.candidates))
    assert bench.shown[POWER].raw == 2
    bench.wait(1.0)
    bench.cross(bench.headend.power(3000.0))
    assert (bench.shown[POWER].raw, bench.shown[POWER].time_ms) == (3, T0)


def test_two_clocks_that_disagree_do_not_falsify_the_time_of_a_value() -> None:
    bench = Bench()
    bench.headend.made_ms -= 3_600_000
    bench.cross(bench.headend.power(1000.0))
    assert bench.shown[POWER].time_ms == T0 - 3_600_000  # when it was calculated, by the clock of who calculated it
    bench.wait(10.0)
    bench.age()
    assert bench.shown[POWER].time_ms == T0 + 10_000  # when the gateway said so
    bench.cross(bench.headend.power(1000.0))
    assert bench.shown[POWER].time_ms == T0 - 3_590_000


def test_bad_news_is_never_older_than_what_it_speaks_of() -> None:
    """Our clock is behind the headend's: what becomes of its value still comes after it."""
    bench = Bench()
    bench.headend.made_ms += 3_600_000
    bench.cross(bench.headend.power(1000.0))
    bench.wait(10.0)
    bench.age()
    assert bench.shown[POWER].quality.causes == Cause.COMM_LOST
    assert bench.shown[POWER].time_ms == T0 + 3_600_000
    bench.clock.advance(3_601)
    bench.isolate()  # it is COMM_LOST already: nothing new to say of it
    assert bench.shown[POWER].time_ms == T0 + 3_600_000


def test_worse_news_after_ours_keeps_our_time_and_does_not_hold_up_later_values() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(1000.0))
    bench.headend.made_ms -= 1000  # its clock is behind ours
    bench.clock.advance(5)
    bench.admit(replace(bench.headend, publisher=STRANGER).power(1.0))  # nothing is believed, by our clock
    ours = bench.shown[POWER]
    assert (ours.time_ms, ours.quality.validity) == (T0 + 5000, Validity.HELD)
    bench.headend.made_ms += 2000
    worse = bench.cross(bench.headend.power(None))
    assert [update.point for update in worse.at_once] == [POWER, ABSORBED]
    assert (bench.shown[POWER].quality.validity, bench.shown[POWER].time_ms) == (Validity.INVALID, T0 + 5000)
    bench.cross(bench.headend.power(2000.0))
    assert (bench.shown[POWER].raw, bench.shown[POWER].time_ms) == (2, T0 + 1000)


# Ageing and freshness.


def test_what_was_not_heard_of_for_too_long_loses_online_at_the_gateways_time() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(7000.0))
    bench.wait(9.999, heard=False)
    assert [update.point for update in bench.age()] == [SOC]  # after 4 s; never heard at all
    bench.wait(0.001, heard=False)
    assert {update.point for update in bench.age()} == {POWER, ABSORBED}
    shown = bench.shown[POWER]
    assert (shown.raw, shown.time_ms) == (7, T0 + 10_000)
    assert shown.quality.validity is Validity.HELD
    assert shown.quality.causes == Cause.COMM_LOST
    assert bench.age() == ()  # told once


def test_age_counts_from_the_sending_of_the_echoed_heartbeat() -> None:
    bench = Bench()
    bench.wait(9.0, heard=False)  # the headend's clock is fine, but it has not heard us for 9 s: so old may this be
    bench.cross(bench.headend.power(7000.0))
    assert bench.shown[POWER].quality == CALCULATED
    bench.wait(1.0, heard=False)
    assert {update.point for update in bench.age()} == {POWER, ABSORBED, SOC}


def test_a_reading_that_was_old_when_it_was_published_is_that_much_older() -> None:
    bench = Bench()
    bench.headend.made_ms += 6000
    bench.cross(bench.headend.power(7000.0, time_ms=T0))
    bench.wait(4.0)
    assert {update.point for update in bench.age()} == {POWER, ABSORBED, SOC}


def test_a_stale_reading_is_not_shown() -> None:
    bench = Bench()
    bench.wait(10.0, heard=False)
    admission = bench.cross(bench.headend.power(7000.0))
    assert admission.candidates == ()
    assert admission.record is not None
    assert admission.record.rule == "stale"


def test_what_the_disk_held_up_until_it_was_stale_is_not_shown() -> None:
    bench = Bench()
    admission = bench.admit(bench.headend.power(7000.0))
    bench.wait(10.0)
    assert bench.release(admission.candidates) == ()
    assert bench.shown[POWER].quality.causes == Cause.RESTART


def test_only_published_points_age() -> None:
    bench = Bench()
    bench.wait(1e6, heard=False)
    assert {update.point for update in bench.age()} == set(PUBLISHED)


# Bad news does not wait, and what waits does not undo it.


def test_bad_news_of_the_value_shown_is_told_before_any_record() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(7000.0))
    bench.wait(1.0)
    admission = bench.admit(bench.headend.power(3000.0, coverage_pct=10.0))
    assert bench.shown[POWER].quality.causes == Cause.LOW_COVERAGE
    assert bench.shown[POWER].raw == 7
    waiting = [candidate.judged.update.point for candidate in admission.candidates]
    assert waiting == [ABSORBED]  # which asks for no coverage


def test_a_new_value_that_is_not_good_does_not_leave_the_old_one_looking_good() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(7000.0))
    bench.wait(1.0)
    bench.admit(bench.headend.power(8000.0, quality=Quality(Validity.HELD)))
    assert (bench.shown[POWER].raw, bench.shown[POWER].quality.validity) == (7, Validity.HELD)


def test_the_same_bad_news_again_is_not_told_again_and_keeps_the_point_from_ageing() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(7000.0))
    for _ in range(20):
        bench.wait(1.0)
        bench.cross(bench.headend.power(3000.0, coverage_pct=10.0))
        bench.age()
    assert bench.shown[POWER].quality.causes == Cause.LOW_COVERAGE
    assert bench.shown[POWER].time_ms == T0 + 1000


def test_less_bad_news_needs_its_record() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(7000.0))
    bench.wait(10.0)
    bench.age()
    admission = bench.admit(bench.headend.power(3000.0, coverage_pct=10.0))
    assert bench.shown[POWER].quality.causes == Cause.COMM_LOST
    bench.release(admission.candidates)
    assert bench.shown[POWER].quality.causes == Cause.LOW_COVERAGE
    assert bench.shown[POWER].raw == 7


def test_an_older_value_that_waited_for_the_disk_does_not_undo_newer_bad_news() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(7000.0))
    bench.wait(1.0)
    waiting = bench.admit(bench.headend.power(8000.0)).candidates
    bench.wait(1.0)
    bench.admit(bench.headend.power(3000.0, coverage_pct=10.0))
    bench.release(tuple(each for each in waiting if each.judged.update.point == POWER))
    assert (bench.shown[POWER].raw, bench.shown[POWER].quality.validity) == (7, Validity.HELD)


def test_an_older_value_does_not_replace_a_newer_one() -> None:
    bench = Bench()
    first = bench.admit(bench.headend.power(1000.0)).candidates
    bench.wait(1.0)
    second = bench.admit(bench.headend.power(1001.0)).candidates
    bench.release(second)
    assert bench.release(first) == ()


def test_a_value_of_another_publisher_that_waited_does_not_turn_the_time_back() -> None:
    bench = Bench()
    second = Publisher(_second_key())
    trusted = {**TRUSTED, second.key_id: _second_key().public_key()}
    other = replace(bench.headend, publisher=second, made_ms=T0 - 5000, seq=0)
    waiting = crossing.admit(other.power(1000.0), trusted, CONTRACT, bench.state, bench.clock.now).candidates
    bench.cross(bench.headend.power(1001.0))
    assert bench.release(waiting) == ()


# Whole publications that are turned away.


def test_what_no_trusted_key_signed_is_refused_and_what_is_shown_is_not_believed_either() -> None:
    bench = Bench()
    waiting = bench.cross(bench.headend.power(7000.0)).candidates
    bench.wait(1.0)
    admission = bench.admit(replace(bench.headend, publisher=STRANGER).power(9000.0))
    assert admission.refusal is not None
    assert (admission.refusal.rule, admission.refusal.ends_stream) == ("unsigned", True)
    assert (bench.shown[POWER].raw, bench.shown[POWER].quality.validity) == (7, Validity.HELD)
    assert bench.shown[POWER].time_ms == T0 + 1000
    assert bench.release(waiting) == ()  # nothing that waited comes through any more
    assert bench.admit(replace(bench.headend, publisher=STRANGER).power(9000.0)).at_once == ()


def test_one_changed_byte_is_unsigned() -> None:
    bench = Bench()
    signed = bench.headend.power(7000.0)
    signed.publication = signed.publication[:-1] + bytes([signed.publication[-1] ^ 1])
    refusal = bench.admit(signed).refusal
    assert refusal is not None
    assert refusal.rule == "unsigned"


def _twice(bench: Bench) -> SignedPublication:
    signed = bench.headend.power(1000.0)
    bench.admit(signed)
    return signed


def _other_stream(bench: Bench) -> SignedPublication:
    return replace(bench.headend, nonce=b"x" * 16).power(1000.0)


def _never_said(bench: Bench) -> SignedPublication:
    return replace(bench.headend, echo=1).power(1000.0)


def _forgotten(bench: Bench) -> SignedPublication:
    for _ in range(crossing.REMEMBERED_BEATS + 1):
        bench.wait(1.0, heard=False)
    return bench.headend.power(1000.0)


def _ragged(bench: Bench) -> SignedPublication:
    return bench.headend.sign(Publication(points=PointBatch(ref=[0])))


def _not_listed(bench: Bench) -> SignedPublication:
    signed = bench.headend.power(1000.0)
    publication = Publication.FromString(signed.publication)
    publication.points.ref[0] = 2
    return bench.headend.sign(publication)


def _not_a_number(bench: Bench) -> SignedPublication:
    signed = bench.headend.power(1000.0)
    publication = Publication.FromString(signed.publication)
    publication.points.value[0] = float("nan")
    return bench.headend.sign(publication)


def _empty(bench: Bench) -> SignedPublication:
    return bench.headend.sign(Publication())


def _unknown_command(bench: Bench) -> SignedPublication:
    return bench.headend.outcome(BoundaryOutcome("who", IntentState.ACTIVE, "", None, None, T0))


@pytest.mark.parametrize(
    ("make", "name", "ends_stream"),
    [
        (_twice, "repeated", False),
        (_other_stream, "other-stream", False),
        (_never_said, "stale", False),
        (_forgotten, "stale", False),
        (_ragged, "malformed", True),
        (_not_listed, "malformed", True),
        (_not_a_number, "malformed", True),
        (_empty, "malformed", False),
        (_unknown_command, "unknown-command", False),
    ],
)
def test_a_publication_that_is_out_of_place_is_refused_whole(make: Any, name: str, ends_stream: bool) -> None:
    bench = Bench()
    before = dict(bench.shown)
    signed = make(bench)
    admission = bench.admit(signed)
    assert admission.refusal is not None
    assert (admission.refusal.rule, admission.refusal.ends_stream) == (name, ends_stream)
    assert (admission.record, admission.candidates, admission.at_once) == (None, (), ())
    assert bench.shown == before


def test_a_heartbeat_counts_and_shows_nothing() -> None:
    bench = Bench()
    admission = bench.admit(bench.headend.beat())
    assert admission == Admission(bench.state)
    assert bench.state.stream is not None
    assert list(bench.state.stream.seqs.values()) == [1]


def test_an_outcome_of_our_command_waits_for_its_record_like_a_value() -> None:
    bench = Bench()
    told = BoundaryOutcome("cmd-1", IntentState.FOLLOWING, "", 5000.0, 0.0, T0, CALCULATED)
    admission = bench.admit(bench.headend.outcome(told), command_of={"cmd-1": "target"}.get)
    assert admission.outcome == told
    assert admission.record is not None
    assert admission.record.body is not None
    assert admission.record.kind == "command.outcome"
    assert admission.record.body.columns["id"] == ["cmd-1"]
    assert admission.record.body.columns["quality"] == [CALCULATED.bits]


# Streams and isolation.


def test_the_record_of_an_outcome_holds_what_is_shown_of_it() -> None:
    bench = Bench()
    told = BoundaryOutcome("cmd-1", IntentState.FOLLOWING, "", 249_600.0, 0.0, T0 - 3, CALCULATED)
    for outcome, shown in ((told, ["feedback"]), (replace(told, delivered_w=None, quality=None), [])):
        admission = bench.admit(bench.headend.outcome(outcome), command_of={"cmd-1": "target"}.get)
        assert admission.record is not None
        assert admission.record.body is not None
        columns = admission.record.body.columns
        assert columns["point"] == shown
        assert columns["told_ms"] == [T0 - 3]
        if shown:
            assert [columns[name] for name in ("raw", "quality", "time_ms")] == [[250], [CALCULATED.bits], [T0 - 3]]


def test_what_a_command_delivers_never_seems_older_than_what_was_told_before() -> None:
    """A headend that was started anew with its clock set back does not know what it said."""
    bench = Bench()
    told = BoundaryOutcome("cmd-1", IntentState.FOLLOWING, "", 249_600.0, 0.0, T0, CALCULATED)
    times = []
    for time_ms in (T0, T0 - 3_600_000, T0 + 1):
        outcome = replace(told, time_ms=time_ms)
        admission = bench.admit(
            bench.headend.outcome(outcome),
            command_of={"cmd-1": "target"}.get,
            measured_of={"target": T0 - 9}.__getitem__,
        )
        assert admission.outcome is not None
        assert admission.record is not None
        assert admission.record.body is not None
        assert admission.record.body.columns["time_ms"] == [admission.outcome.time_ms]
        assert admission.record.body.columns["told_ms"] == [time_ms]  # what was said stands in the trail as it was
        times.append(admission.outcome.time_ms)
    assert times == [T0, T0, T0 + 1]
    again = Bench().admit(
        Headend(CONTRACT).outcome(replace(told, time_ms=T0 - 60_000)),
        command_of={"cmd-1": "target"}.get,
        measured_of={"target": T0 - 9}.__getitem__,
    )
    assert again.outcome is not None
    assert again.outcome.time_ms == T0 - 9  # through a restart of ours, too


def test_the_headends_word_reaches_up_to_the_heartbeat_that_it_echoes() -> None:
    bench = Bench()
    assert bench.state.heard_mono_ms == M0
    bench.wait(5.0)
    assert bench.state.heard_mono_ms == M0
    bench.admit(bench.headend.beat())
    assert bench.state.heard_mono_ms == M0 + 5000
    bench.wait(5.0, heard=False)
    bench.admit(bench.headend.beat())
    bench.admit(replace(bench.headend, publisher=STRANGER).beat())
    bench.headend.echo = 0
    bench.admit(bench.headend.beat())
    assert bench.state.heard_mono_ms == M0 + 5000  # nobody has heard us since, and it never goes back


def test_without_a_stream_nothing_is_admitted() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(7000.0))
    bench.state = crossing.close_stream(bench.state)
    refusal = bench.admit(bench.headend.power(8000.0)).refusal
    assert refusal is not None
    assert bench.shown[POWER].raw == 7
    assert crossing.sent_beat(bench.state, 9, bench.clock.now) == bench.state


def test_a_publication_of_the_last_stream_is_not_of_this_one() -> None:
    bench = Bench()
    old = bench.headend.power(7000.0)
    bench.state = crossing.open_stream(bench.state, b"y" * 16, bench.clock.now)
    refusal = bench.admit(old).refusal
    assert refusal is not None
    assert refusal.rule == "other-stream"


def test_isolation_shows_at_once_and_lets_nothing_through_until_it_is_lifted() -> None:
    bench = Bench()
    bench.cross(bench.headend.power(7000.0))
    waiting = bench.admit(bench.headend.power(7000.0)).candidates
    bench.isolate()
    assert bench.shown[POWER].quality.causes == Cause.COMM_LOST
    assert bench.shown[POWER].raw == 7
    assert bench.release(waiting) == ()
    refusal = bench.admit(bench.headend.power(8000.0)).refusal
    assert refusal is not None
    assert refusal.rule == "isolated"
    bench.state = crossing.open_stream(crossing.rejoin(bench.state), NONCE, bench.clock.now)
    bench.cross(bench.headend.power(7000.0))
    assert bench.shown[POWER].quality == CALCULATED


# The promises, whatever happens and in whatever order.

VALUES = st.one_of(st.none(), st.floats(-2e6, 2e6), st.sampled_from([0.0, 1e15, -1e15, 1000.0]))
QUALITIES = st.sampled_from(
    [GOOD, CALCULATED, TEST_VALUE, INVALID, Quality(Validity.HELD), Quality(Validity.QUESTIONABLE)]
)


class Crossing(RuleBasedStateMachine):
    """Any order of publications, disks that are slow or fail, time, steps, strangers and isolation."""

    @initialize(live=st.booleans())
    def begin(self, live: bool) -> None:
        made = LIVE if live else CONTRACT
        self.bench = Bench(made, headend=Headend(made))
        self.waiting: list[Admission] = []
        self.recorded: set[tuple[str, int, int, int]] = set()
        self.floors: dict[str, int] = {}
        self.before: dict[str, Update] = {}
        self.fresh: dict[str, int] = {}

    @rule(
        value=VALUES,
        quality=QUALITIES,
        coverage=st.sampled_from([0.0, 79.0, 80.0, 100.0]),
        late=st.integers(-1500, 1500),
    )
    def publish(self, value: float | None, quality: Quality, coverage: float, late: int) -> None:
        headend = self.bench.headend
        told = {"quality": quality, "coverage_pct": coverage, "time_ms": max(0, headend.made_ms - late)}
        self.keep(self.bench.admit(headend.power(value, **told)))

    @rule(value=VALUES)
    def publish_soc(self, value: float | None) -> None:
        self.keep(self.bench.admit(self.bench.headend.soc(value)))

    @rule()
    def publish_unsigned(self) -> None:
        self.bench.admit(replace(self.bench.headend, publisher=STRANGER).power(1.0))

    @rule()
    def publish_twice(self) -> None:
        signed = self.bench.headend.power(1000.0)
        self.keep(self.bench.admit(signed))
        assert self.bench.admit(signed).refusal is not None

    def keep(self, admission: Admission) -> None:
        if admission.record is not None:
            self.waiting.append(admission)

    @rule(count=st.integers(1, 3))
    def record(self, count: int) -> None:
        """The disk takes the oldest of what waits."""
        for admission in self.waiting[:count]:
            assert admission.record is not None
            assert admission.record.body is not None
            columns = admission.record.body.columns
            self.recorded |= set(zip(*(columns[name] for name in ("point", "raw", "quality", "time_ms")), strict=True))
            for update in self.bench.release(admission.candidates):
                candidate = next(each for each in admission.candidates if each.judged.update == update)
                self.fresh[update.point] = candidate.fresh_mono_ms
        del self.waiting[:count]

    @rule()
    def lose_a_record(self) -> None:
        """The disk is full: what waits is never recorded."""
        self.waiting.clear()

    @rule(seconds=st.sampled_from([0.1, 1.0, 3.9, 10.0]), heard=st.booleans())
    def pass_time(self, seconds: float, heard: bool) -> None:
        self.bench.wait(seconds, heard=heard)
        self.bench.age()

    @rule(step_s=st.sampled_from([-3600, -2, 2, 3600]))
    def step_the_headends_clock(self, step_s: int) -> None:
        self.bench.headend.made_ms += step_s * 1000

    @rule()
    def isolate_and_rejoin(self) -> None:
        self.bench.isolate()
        assert all(update.quality.causes & Cause.COMM_LOST for update in self.bench.shown.values())
        self.bench.state = crossing.rejoin(self.bench.state)
        self.reconnect()

    @rule()
    def reconnect(self) -> None:
        bench = self.bench
        bench.state = crossing.open_stream(crossing.close_stream(bench.state), NONCE, bench.clock.now)
        bench.headend.seq, bench.headend.echo, bench.beats = 0, 0, 0

    @invariant()
    def no_value_is_shown_online_that_is_not_in_the_trail(self) -> None:
        for update in self.bench.shown.values():
            if update.quality.validity <= Validity.QUESTIONABLE:
                assert (update.point, update.raw, update.quality.bits, update.time_ms) in self.recorded

    @invariant()
    def no_raw_is_shown_that_never_crossed(self) -> None:
        raws = {(point, raw) for point, raw, _, _ in self.recorded}
        for update in self.bench.shown.values():
            assert (update.point, update.raw) in raws or update.quality.causes & Cause.RESTART

    @invariant()
    def nothing_stale_is_online(self) -> None:
        for name in PUBLISHED:
            row, shown = self.bench.contract.point[name], self.bench.shown[name]
            if shown.quality.validity <= Validity.QUESTIONABLE:
                assert row.stale_after_s is not None
                assert self.bench.clock.now.mono_ms - self.fresh[name] < row.stale_after_s * 1000

    @invariant()
    def raw_is_always_in_the_contracts_range(self) -> None:
        for update in self.bench.shown.values():
            lowest, highest = self.bench.contract.point[update.point].raw_range
            assert lowest <= update.raw <= highest

    @invariant()
    def the_time_of_values_never_goes_back(self) -> None:
        for name, update in self.bench.shown.items():
            if update.quality.validity <= Validity.QUESTIONABLE:
                assert update.time_ms >= self.floors.get(name, 0)
                self.floors[name] = update.time_ms

    @invariant()
    def no_bad_news_is_older_than_what_it_speaks_of(self) -> None:
        for name, update in self.bench.shown.items():
            before = self.before.get(name, update)
            if update.raw == before.raw and update.quality.validity > before.quality.validity:
                assert update.time_ms >= before.time_ms
        self.before = dict(self.bench.shown)

    @invariant()
    def what_is_simulated_is_never_good_under_a_live_contract(self) -> None:
        if self.bench.contract.live:
            for update in self.bench.shown.values():
                assert not (update.quality.causes & Cause.TEST and update.quality.validity <= Validity.QUESTIONABLE)

    @invariant()
    def the_state_is_what_masters_see(self) -> None:
        assert {name: held.shown for name, held in self.bench.state.points.items()} == self.bench.shown


Crossing.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestCrossing = Crossing.TestCase
