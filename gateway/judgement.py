"""What the contract makes of one reading (DESIGN.md section 8, rules 2 and 3). Pure; `gateway.crossing` calls it per
point.

Three things can happen to a reading that is not plainly right:

    its value is shown, with less trust      too fast or without some members: QUESTIONABLE; out of range: clamped,
                                             OVER_RANGE
    the last value stays, not ONLINE         no value, too few members, low coverage, simulated under a live contract
    nothing changes                          it is older than what is shown, or too old to be shown at all
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dermscore.quality import Cause, Validity
from dermscore.sheets.points import PointRow, Quantity
from gateway.faces import Update
from wire.boundary import Reading


class Rule(StrEnum):
    """Why a reading was not shown as it came. The values stand in the trail."""

    TOO_FAST = "too-fast"
    OVER_RANGE = "over-range"
    FEW_MEMBERS = "few-members"
    NO_VALUE = "no-value"
    TEST_IN_LIVE = "test-in-live"
    LOW_COVERAGE = "low-coverage"
    PARTIAL = "partial"
    WENT_BACK = "went-back"
    AHEAD = "ahead"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where and when a reading was made.

    `publisher` is its key id, `made_ms` when it published by its own clock. `mono_ms` is *our* monotonic time: the
    sending of the heartbeat that the publication echoes, less the reading's age when it was published. The reading is
    at least that old by our own clock, whatever the publisher's says.
    """

    publisher: str
    mono_ms: int
    made_ms: int


@dataclass(frozen=True, slots=True)
class Accepted:
    """The last reading that passed the rate check: the next is measured against it. `value_si` is as shown."""

    value_si: float
    time_ms: int
    origin: Origin


@dataclass(frozen=True, slots=True)
class Held:
    """One published point, as the door holds it.

    `shown` is what masters see. `crossed` is the last value that crossed, with the quality it crossed with (RESTART
    before the first): what stays on the screen when something worse must be said. `fresh_mono_ms` is the origin of
    the newest word about this point; staleness counts from it. `taken` is publisher and time of the newest reading
    taken, `floor_ms` the newest time of a reading that was shown: neither goes back.
    """

    shown: Update
    crossed: Update
    fresh_mono_ms: int
    floor_ms: int = 0
    taken: tuple[str, int] | None = None
    accepted: Accepted | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What should be shown of a reading. `value` is False where `update` repeats the last value, less trusted."""

    update: Update
    rules: tuple[Rule, ...]
    value: bool
    accepted: Accepted | None


def judge(
    row: PointRow, reading: Reading, held: Held, origin: Origin, *, live: bool, now_mono_ms: int
) -> Judged | Rule:
    """The reading as the contract lets it be shown, or the rule by which nothing changes."""
    if row.stale_after_s is not None and now_mono_ms - origin.mono_ms >= row.stale_after_s * 1000:
        return Rule.STALE
    if reading.time_ms > origin.made_ms:
        return Rule.AHEAD
    if held.taken is not None and held.taken[0] == origin.publisher and reading.time_ms < held.taken[1]:
        return Rule.WENT_BACK
    unfit = _unfit(row, reading, live=live)
    if unfit is not None:
        return _last_value(unfit, reading, held)
    assert reading.value is not None
    return _shown(row, reading, reading.value, held, origin)


def _unfit(row: PointRow, reading: Reading, *, live: bool) -> Rule | None:
    """Why the reading's value says nothing of the point. A sum over those who came back is not the fleet's power."""
    if row.min_members is not None and reading.configured < row.min_members:
        return Rule.FEW_MEMBERS
    if reading.value is None or reading.quality.validity is Validity.INVALID:
        return Rule.NO_VALUE
    if live and reading.quality.causes & Cause.TEST:
        return Rule.TEST_IN_LIVE
    if row.min_coverage_pct is not None and reading.coverage_pct < row.min_coverage_pct:
        return Rule.LOW_COVERAGE
    return None


# What says how many report is itself right when few do; a sum without some of its members is not the sum.
_OF_THE_MEMBERS = frozenset({Quantity.MEMBERS, Quantity.COVERAGE, Quantity.OLDEST_AGE})
_CAUSE_OF = {Rule.FEW_MEMBERS: Cause.LOW_COVERAGE, Rule.LOW_COVERAGE: Cause.LOW_COVERAGE, Rule.TEST_IN_LIVE: Cause.TEST}


def _last_value(rule: Rule, reading: Reading, held: Held) -> Judged:
    cause = _CAUSE_OF.get(rule, Cause.NONE) | (reading.quality.causes & Cause.COMM_LOST)
    at_best = Validity.INVALID if rule is Rule.NO_VALUE else Validity.HELD
    quality = held.crossed.quality.because(cause, at_best)
    time_ms = max(reading.time_ms, held.floor_ms)
    return Judged(Update(held.crossed.point, held.crossed.raw, quality, time_ms), (rule,), False, held.accepted)


def _shown(row: PointRow, reading: Reading, value: float, held: Held, origin: Origin) -> Judged:
    scaled = row.to_raw(value)
    quality, rules = reading.quality, []
    if scaled.clamped is not None:
        rules.append(Rule.OVER_RANGE)
        quality = quality.because(Cause.OVER_RANGE, Validity.QUESTIONABLE)
    if reading.reporting < reading.configured and row.quantity not in _OF_THE_MEMBERS:
        rules.append(Rule.PARTIAL)
        quality = quality.because(Cause.LOW_COVERAGE, Validity.QUESTIONABLE)
    new = Accepted(value if scaled.clamped is None else row.to_si(scaled.raw), reading.time_ms, origin)
    accepted: Accepted | None = new
    if held.accepted is not None and _too_fast(row, held.accepted, new):
        rules.append(Rule.TOO_FAST)
        quality = quality.because(Cause.NONE, Validity.QUESTIONABLE)
        accepted = held.accepted
    update = Update(row.name, scaled.raw, quality, max(reading.time_ms, held.floor_ms))
    return Judged(update, tuple(rules), True, accepted)


def _too_fast(row: PointRow, before: Accepted, after: Accepted) -> bool:
    """Measured against what last passed this check, so that a step which stays is believed once there was time for it.

    The elapsed time is the larger of the publisher's own (both readings were stamped by one clock) and ours: a clock
    that stepped back has had less time than really passed until long after it caught up. Ours alone where there was
    another publisher in between.
    """
    if row.max_rate_si_per_s is None:
        return False
    elapsed_ms = max(0, after.origin.mono_ms - before.origin.mono_ms)
    if before.origin.publisher == after.origin.publisher:
        elapsed_ms = max(elapsed_ms, after.time_ms - before.time_ms)
    return abs(after.value_si - before.value_si) > row.max_rate_si_per_s * elapsed_ms / 1000


def is_worse(shown: Update, target: Update) -> bool:
    """Whether `target` says nothing but bad news of the value that is shown already. Bad news never waits for the
    trail.
    """
    before, after = shown.quality, target.quality
    still_stands = before.causes & after.causes == before.causes
    return shown.raw == target.raw and after != before and after.validity >= before.validity and still_stands
