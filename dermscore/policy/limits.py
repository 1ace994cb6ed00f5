"""Limits at a node: the standing ones by the clock, and those that follow a curtailment for a while.

What comes out is `dermscore.dispatch.limits.Limit`, one for each rule and node that counts now; where several meet,
the envelope keeps the tightest of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
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


@dataclass(frozen=True, slots=True)
class Amounts:
    """What is limited, named as in `dermscore.dispatch.limits.Limit`. Magnitudes: None is no limit, 0 means zero."""

    export_limit_w: float | None = None
    import_limit_w: float | None = None
    generation_limit_w: float | None = None
    load_limit_w: float | None = None
    ramp_w_per_s: float | None = None
    soc_reserve_pct: float | None = None
    soc_min_pct: float | None = None
    soc_max_pct: float | None = None
    fallback_ramp_w_per_s: float | None = None

    def stated(self) -> Mapping[str, float]:
        """Those that are given, by name."""
        found = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in found.items() if value is not None}


FLOORS: Final = frozenset({"soc_reserve_pct", "soc_min_pct"})
"""The amounts of which more is tighter."""


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A limit on each of `nodes` (tree paths, asset ids) at certain times."""

    place: str
    nodes: tuple[str, ...]
    amounts: Amounts
    when: When = ALWAYS
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Rebound:
    """A limit on each of `nodes` for `lasts_s` seconds after an event that curtailed all of it has ended.

    Only events in a mode of `after` count, at the node itself or above it: what was held back all returns at once.
    """

    place: str
    nodes: tuple[str, ...]
    amounts: Amounts
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
        _limit(node, f"{rule.place}: {rule.reason}", rule.amounts)
        for rule in policy.limits
        if rule.when.holds(now)
        for node in rule.nodes
    ]
    following = [
        _limit(node, f"{rule.place}, after event {last.event}: {rule.reason}", rule.amounts)
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


def _limit(node: str, source: str, amounts: Amounts) -> Limit:
    return Limit(node, source, **amounts.stated())
