"""Deciding anew what stands when the limits that are in force have changed. Pure.

A limit that has a time begins and ends by the clock, and nobody asks anything then. So each target that stands is
compared with the limits under which it was decided last, and where others count by now, at a node that its assets are
at or below, it is decided anew (`anew`). What the limits leave is `decide`'s answer alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import Final

from dermscore.decision.request import Decision, Declined, DeclineKind, Granted, Part, Request
from dermscore.dispatch.check import Refused, check_asset
from dermscore.intent import IntentState
from dermscore.model import Asset, Fleet, Now, Snapshot, covers
from dermscore.policy import Policy
from headend.anew import RETRY_MS, SETTLE_MS, Renewed, renewed
from headend.records import Dispatch, Kept, Placed

_LOOK_MS: Final = 1_000
_LEAST_W: Final = 1e-3
_SELDOM_MS: Final = 30_000  # how long one that was tried often is left at most: a decision of a large fleet is dear


@dataclass(frozen=True, slots=True)
class _Due:
    """One that is to be decided anew. It waits until `all_until_ms` (monotonic) for agents that may be back by then, is
    not tried before `next_ms`, and then not before one of `missing` can be asked, where there are any. The next time
    it waits for `pause_ms`.
    """

    all_until_ms: int
    next_ms: int = 0
    missing: frozenset[str] = frozenset()
    pause_ms: int = RETRY_MS


Find = Callable[[str], Kept | None]
Ask = Callable[[str], bool]


class Watch:
    """Which dispatches are to be decided anew, and when. Owner of every field: the event loop of the headend."""

    def __init__(self) -> None:
        self._next_ms = 0
        self._under: dict[str, frozenset[int]] = {}  # by dispatch: the limits of the policy when it was looked at last
        self._due: dict[str, _Due] = {}

    def look(self, targets: Iterable[Dispatch], find: Find, fleet: Fleet, policy: Policy, now: Now) -> bool:
        """Find out whose limits have changed; whether anything is due. Does nothing but once a second."""
        if now.mono_ms < self._next_ms:
            return False
        self._next_ms = now.mono_ms + _LOOK_MS
        counting, standing = counting_at(policy, now), {each.id: each for each in targets}
        self._due = {each: due for each, due in self._due.items() if each in standing}
        self._under = {each: under for each, under in self._under.items() if each in standing}
        for dispatch in standing.values():
            if self._under.get(dispatch.id) != counting:
                kept = find(dispatch.id)
                if kept is not None and self._concerned(kept, counting, fleet, policy):
                    self._due[dispatch.id] = _Due(now.mono_ms + SETTLE_MS)
                self._under[dispatch.id] = counting
        return bool(self._due)

    def _concerned(self, kept: Kept, counting: frozenset[int], fleet: Fleet, policy: Policy) -> bool:
        """Whether limits have begun or ended that its assets are under."""
        before = self._under.get(kept.dispatch.id)
        if before is None:
            if policy.limits and any(map(_left_out, _carrying(kept), repeat(kept.dispatch))):
                return True  # decided anew before our start, and then not once more
            before = _decided_under(kept, policy)
        nodes = {node for number in before ^ counting for node in policy.limits[number].nodes}
        return bool(nodes) and any(_is_under(placed.asset_id, nodes, fleet) for placed in _carrying(kept))

    def ready(self, find: Find, askable: Ask, coming: Ask, now: Now) -> list[Kept]:
        """Those to be decided now, the highest-ranking last. `askable` says of an asset whether it can be asked, and
        `coming` of one that cannot whether it may be soon.
        """
        found = [
            kept
            for each, due in self._due.items()
            if (kept := find(each)) is not None and _may_try(due, kept, askable, coming, now)
        ]
        return sorted(found, key=lambda kept: (-kept.dispatch.primacy, kept.dispatch.submitted_ms, kept.dispatch.id))

    def done(self, kept: Kept, left: bool, askable: Ask, now: Now) -> None:
        """It was decided. Where nothing could come of that (`left`), or some of it not be asked, it is tried again,
        ever less often: of many agents some are always away and others on their way back.
        """
        missing = frozenset(placed.asset_id for placed in _carrying(kept) if not askable(placed.asset_id))
        if left or missing:
            before = self._due.get(kept.dispatch.id)
            pause_ms = RETRY_MS if before is None else before.pause_ms
            self._due[kept.dispatch.id] = _Due(
                now.mono_ms, now.mono_ms + pause_ms, missing, min(2 * pause_ms, _SELDOM_MS)
            )
        else:
            self._due.pop(kept.dispatch.id, None)


def counting_at(policy: Policy, now: Now) -> frozenset[int]:
    """The limits of a policy that count at a moment, by their places."""
    return frozenset(number for number, rule in enumerate(policy.limits) if rule.when.holds(now))


def _decided_under(kept: Kept, policy: Policy) -> frozenset[int]:
    """The limits of `policy` that one was decided under; none of them where that was another policy."""
    if kept.dispatch.policy != policy.digest:
        return frozenset()
    decided_ms = max((placed.intent.issued_ms for placed in kept.intents), default=kept.dispatch.updated_ms)
    return counting_at(policy, Now(decided_ms, 0))


def outcome(kept: Kept, request: Request, decision: Decision, snapshot: Snapshot, now: Now) -> Renewed | None:
    """What becomes of a dispatch that was decided anew; None where it is to be left as it is.

    Where a limit refuses one that is granted whole or not at all, it is not at all: its assets are asked for 0 W, which
    no limit forbids, until there is room for it again. They are not released, for what is released may do more than
    what was asked of it.
    """
    if isinstance(decision, Granted):
        return renewed(kept, decision, now)
    if decision.kind is not DeclineKind.LIMITS or _refuses_itself(request, snapshot):
        return None
    return renewed(kept, _held_at_0(kept, request, decision, now), now)


def tightens(kept: Kept, fresh: Renewed) -> bool:
    """Whether nothing is asked for more than it was: what yields goes first, so that what outranks it may stay."""
    before = {placed.asset_id: placed for placed in kept.intents if _stands(placed)}
    return all(_is_less(part, before.get(part.asset_id)) for part in fresh.parts)


def _is_less(part: Part, before: Placed | None) -> bool:
    if part.setpoint_w is None:
        return True
    before_w = None if before is None else before.intent.setpoint_w
    if before_w is None:
        return False
    low_w, high_w = min(before_w, 0.0), max(before_w, 0.0)
    return low_w - _LEAST_W <= part.setpoint_w <= high_w + _LEAST_W


def _may_try(due: _Due, kept: Kept, askable: Ask, coming: Ask, now: Now) -> bool:
    if now.mono_ms < due.next_ms:
        return False
    if now.mono_ms < due.all_until_ms:
        return not any(coming(placed.asset_id) for placed in _carrying(kept) if not askable(placed.asset_id))
    return not due.missing or any(map(askable, due.missing))


def _stands(placed: Placed) -> bool:
    return not placed.over and placed.state is not IntentState.SUSPENDED


def _carrying(kept: Kept) -> list[Placed]:
    """Its intents at assets that nobody else has."""
    return [placed for placed in kept.intents if _stands(placed)]


def _left_out(placed: Placed, dispatch: Dispatch) -> bool:
    """Whether its agent was away when the dispatch was decided anew, and what it held was given back for that."""
    return placed.intent.setpoint_w is None and placed.intent.issued_ms > dispatch.submitted_ms


def _is_under(asset_id: str, nodes: Iterable[str], fleet: Fleet) -> bool:
    asset: Asset | None = fleet.assets.get(asset_id)
    path = "" if asset is None else fleet.path_of(asset)
    return any(node == asset_id or covers(node, path) for node in nodes)


def _refuses_itself(request: Request, snapshot: Snapshot) -> bool:
    """Whether the asset asked for by name cannot do it whatever the limits: its Guard sees to that."""
    if request.asset_id is None or request.target_w is None:
        return False
    asset = snapshot.fleet.assets[request.asset_id]
    connected = asset.id in snapshot.connected
    return isinstance(check_asset(asset, snapshot.measurements.get(asset.id), connected, request.target_w), Refused)


def _held_at_0(kept: Kept, request: Request, declined: Declined, now: Now) -> Granted:
    parts = tuple(
        Part(placed.asset_id, 0.0, placed.intent.reversion_w, placed.raw_w, True, declined.reason)
        for placed in _carrying(kept)
    )
    ends_ms = now.utc_ms + round((request.duration_s or 0.0) * 1000)
    return Granted(parts, ends_ms, declined.digest, 0.0, request.target_w, (declined.reason,))
