"""Limits at a node: the standing ones by the clock, and those that follow a curtailment for a while.

What comes out is `dermscore.dispatch.limits.Limit`, one for each rule and node that counts now; where several meet,
the envelope keeps the tightest of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dermscore.dispatch.arbitration.events import Event
from dermscore.dispatch.limits import Limit
from dermscore.dispatch.modes import LIMITS, SWITCHES, Mode, Value
from dermscore.model import Now, covers
from dermscore.policy.windows import ALWAYS, When

if TYPE_CHECKING:
    from dermscore.policy import Policy

CURTAILING: Final = LIMITS | SWITCHES
"""The modes that hold back: a limit with a value, and a switch that is off."""


FLOORS: Final = frozenset({"soc_reserve_pct", "soc_min_pct"})
"""The amounts of which more is tighter."""


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A limit on each of `nodes` (tree paths, asset ids) at certain times.

    `amounts` is that limit without a place of its own: it is given a node and a source where it counts.
    """

    place: str
    nodes: tuple[str, ...]
    amounts: Limit
    when: When = ALWAYS
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rebound:
    """A limit on each of `nodes` for `lasts_s` seconds after an event that curtailed all of it has ended.

    Only events in a mode of `after` count, at the node itself or above it: what was held back all returns at once.
    """

    place: str
    nodes: tuple[str, ...]
    amounts: Limit
    lasts_s: int
    after: frozenset[Mode] = CURTAILING
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """An event at `node` that curtailed in `modes` until `ended_ms` (UTC)."""

    event: str
    node: str
    modes: frozenset[Mode]
    ended_ms: int


def ended(events: Iterable[Event], now: Now) -> tuple[Ended, ...]:
    """The events of a log that curtailed and are over by `now`: at their end, or when they were cancelled.

    The end is the one asked for. One that was drawn (`randomize_duration_s`) is known to `arbitrate` alone; whoever has
    it makes the `Ended` themselves.
    """
    return tuple(sorted(_over(events, now), key=lambda each: (each.ended_ms, each.event)))


def _over(events: Iterable[Event], now: Now) -> Iterator[Ended]:
    for event in events:
        end_ms = event.ends_ms if event.cancelled_ms is None else min(event.ends_ms, event.cancelled_ms)
        modes = frozenset(mode for mode, value in event.controls.items() if _curtails(mode, value))
        if modes and event.starts_ms < end_ms <= now.utc_ms:
            yield Ended(event.id, event.node, modes, end_ms)


def _curtails(mode: Mode, value: Value | None) -> bool:
    return value is False if mode in SWITCHES else mode in LIMITS and value is not None


def in_force(policy: Policy, now: Now, over: Iterable[Ended] = ()) -> tuple[Limit, ...]:
    """See `dermscore.policy.Policy.limits_at`."""
    past = tuple(over)
    standing = [
        rule.amounts.placed(node, f"{rule.place}: {rule.reason}")
        for rule in policy.limits
        if rule.when.holds(now)
        for node in rule.nodes
    ]
    following = [
        rule.amounts.placed(node, f"{rule.place}, after event {last.event}: {rule.reason}")
        for rule in policy.rebounds
        for node in rule.nodes
        if (last := _last(rule, node, past, now)) is not None
    ]
    return (*standing, *following)


def _last(rule: Rebound, node: str, past: Iterable[Ended], now: Now) -> Ended | None:
    """The newest event that the rebound follows at a node, and still does."""
    followed = [
        each
        for each in past
        if each.modes & rule.after
        and covers(each.node, node)
        and each.ended_ms <= now.utc_ms < each.ended_ms + rule.lasts_s * 1000
    ]
    return max(followed, key=lambda each: (each.ended_ms, each.event), default=None)
