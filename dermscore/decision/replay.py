"""Take past decisions again, under another policy, and say what would have been decided otherwise. Pure.

    >>> from dermscore.decision.log import load_file
    >>> for difference in replay(load_file(Path("decisions.jsonl")), policy).differences:
    ...     print(difference)

Each decision is taken again by itself, on the facts that it was taken on. What an earlier difference would have changed
in them (other setpoints, so other powers and charges, other holders) is not carried on: those facts are of what really
happened, and nobody knows the others. So the first difference is certain, and each later one is what the policy says of
the day as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isclose

from dermscore.decision.decide import decide
from dermscore.decision.request import Decision, Declined, Facts, Granted, Part, Request
from dermscore.dispatch.words import power
from dermscore.model import Fleet, Now
from dermscore.policy import Policy
from dermscore.times import written


@dataclass(frozen=True, slots=True)
class Past:
    """A decision, and everything that it was taken on. The policy it names by its digest."""

    now: Now
    request: Request
    facts: Facts
    decision: Decision


@dataclass(frozen=True, slots=True)
class Difference:
    """A request that would be decided otherwise. `words` say how, in one sentence or more.

    `before.digest` is the policy under which it was decided at `at_ms` (UTC), `after.digest` the one asked about.
    """

    request: Request
    at_ms: int
    before: Decision
    after: Decision
    words: tuple[str, ...]

    def __str__(self) -> str:
        request = self.request
        wish = "a release" if request.target_w is None else power(request.target_w)
        where = request.node or "the whole fleet"
        heading = f"{written(self.at_ms)} {request.id}: {request.who.id} asked for {wish} at {where}"
        return "\n".join([heading, *(f"  {each}" for each in self.words)])


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many decisions were taken again, and those that came out otherwise, in the order of the log."""

    decisions: int
    differences: tuple[Difference, ...]


def replay(log: Iterable[Past], policy: Policy) -> Replayed:
    """Take every decision of `log` again under `policy`. The log is read once, and one decision of it held at a time.

    The policy of a decision itself gives no difference, unless the program that decides has changed since.

    Raises:
        BadInput: from a log that is read from a file, where a line of it cannot be used.
    """
    count, found = 0, []
    for past in log:
        count += 1
        after = decide(past.request, past.facts, policy, past.now)
        words = tuple(differing(past.decision, after, past.facts.snapshot.fleet))
        if words:
            found.append(Difference(past.request, past.now.utc_ms, past.decision, after, words))
    return Replayed(count, tuple(found))


def differing(before: Decision, after: Decision, fleet: Fleet) -> Iterator[str]:
    """In words, how two decisions on one request differ. Nothing where only their digests do, or the last digits."""
    if isinstance(before, Granted) and isinstance(after, Granted):
        yield from _granted_otherwise(before, after, fleet)
    elif isinstance(before, Declined) and isinstance(after, Declined):
        if (before.kind, before.reason) != (after.kind, after.reason):
            yield f"declined then ({before.kind}: {before.reason}), and now for another reason ({_why(after)})"
    else:
        yield f"{_outcome(before)} then, {_outcome(after)} now"


def _outcome(decision: Decision) -> str:
    if isinstance(decision, Declined):
        return f"declined ({_why(decision)})"
    if decision.placed_w is None:
        return f"granted ({decision.reason or f'{len(decision.parts)} released'})"
    short = f", {power(decision.shortfall_w)} short" if decision.shortfall_w else ""
    return f"granted ({power(decision.placed_w)} placed{short})"


def _why(declined: Declined) -> str:
    return f"{declined.kind}: {declined.reason}"


def _granted_otherwise(before: Granted, after: Granted, fleet: Fleet) -> Iterator[str]:
    yield from _parts_otherwise(before, after, fleet)
    for what, then_w, now_w in (
        ("placed", before.placed_w, after.placed_w),
        ("shortfall", before.shortfall_w, after.shortfall_w),
    ):
        if not _same(then_w, now_w):
            yield f"{what}: {_power(then_w)} then, {_power(now_w)} now"
    if before.causes != after.causes:
        yield f"what stands against it: {_listed(before.causes)} then, {_listed(after.causes)} now"
    if before.ends_ms != after.ends_ms:
        yield f"ends {written(before.ends_ms)} then, {written(after.ends_ms)} now"
    if before.reason != after.reason:
        yield f"said of it: {before.reason or 'nothing'} then, {after.reason or 'nothing'} now"


def _parts_otherwise(before: Granted, after: Granted, fleet: Fleet) -> Iterator[str]:
    then = {part.asset_id: part for part in before.parts}
    now = {part.asset_id: part for part in after.parts}
    for asset_id in [*then, *(each for each in now if each not in then)]:
        words = _part(then.get(asset_id), now.get(asset_id))
        if words:
            asset = fleet.assets.get(asset_id)
            yield f"{asset.name if asset else asset_id}: {words}"


def _part(then: Part | None, now: Part | None) -> str:
    if now is None:
        return f"{_asked(then)} then, nothing asked now"
    if then is None:
        return f"nothing asked then, {_asked(now)} now ({now.cause})"
    if not _same(then.setpoint_w, now.setpoint_w):
        return f"{_asked(then)} then, {_asked(now)} now ({now.cause})"
    if then.cause != now.cause:
        return f"{_asked(now)} as then, for another reason ({then.cause} then, {now.cause} now)"
    return "" if _same(then.raw_w, now.raw_w) else f"{_asked(now)} as then, of a share of {_power(now.raw_w)}"


def _asked(part: Part | None) -> str:
    return "released" if part is None or part.setpoint_w is None else power(part.setpoint_w)


def _same(then_w: float | None, now_w: float | None) -> bool:
    """Whether two powers are the same but for the last digits of sums that were made in another order."""
    return then_w is now_w if then_w is None or now_w is None else isclose(then_w, now_w, rel_tol=1e-9, abs_tol=1e-3)


def _power(w: float | None) -> str:
    return "nothing" if w is None else power(w)


def _listed(causes: tuple[str, ...]) -> str:
    return "; ".join(causes) or "nothing"
