"""Deciding a dispatch anew: the same dispatch, with the end and the place in the order that it always had. Pure.

Two things lead to it: what superseded it has ended (`resuming`), and the limits that are in force have changed
(`limiting`). What comes of it is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import fsum, isclose
from typing import Final

from dermscore.decision.request import Aim, Granted, Part, Request
from dermscore.intent import IntentState
from dermscore.model import Now
from dermscore.policy import Policy
from headend import progress
from headend.records import Dispatch, Kept, Placed

RETRY_MS: Final = 2_000
"""How long one that could not be decided anew is left before it is tried again."""

SETTLE_MS: Final = 15_000
"""How long one waits for all of the agents that it needs, when they may be on their way back, before it goes on with
those that are there.
"""


@dataclass(frozen=True, slots=True)
class Renewed:
    """It is carried out by what was decided now: `parts` are asked, and `changed`, older intents of its own, are over
    by that.
    """

    dispatch: Dispatch
    parts: tuple[Part, ...]
    changed: tuple[Placed, ...]


def again(dispatch: Dispatch, ends_ms: int, policy: Policy, now: Now, *, stands: bool = False) -> Request:
    """The request of a dispatch, for the time that is left of it; `ends_ms` is its end, UTC, by our clock of now."""
    return Request(
        id=dispatch.id,
        who=policy.principal(dispatch.principal),
        node=dispatch.node,
        asset_id=dispatch.asset_id,
        aim=Aim.TARGET,
        target_w=dispatch.target_w,
        duration_s=(ends_ms - now.utc_ms) / 1000,
        program=dispatch.program,
        primacy=dispatch.primacy,
        stands=stands,
    )


def renewed(kept: Kept, granted: Granted, now: Now) -> Renewed:
    """What is asked otherwise than before; no parts where all goes on as it does."""
    own = {placed.asset_id: placed for placed in kept.intents}
    parts = tuple(part for part in granted.parts if _wanted(part, own.get(part.asset_id)))
    returned_w = fsum(part.setpoint_w or 0.0 for part in granted.parts if _gone(own.get(part.asset_id)))
    dispatch = replace(
        kept.dispatch,
        policy=granted.digest,
        expires_ms=granted.ends_ms,
        state=IntentState.SUBMITTED,
        reason="",
        placed_w=(granted.placed_w or 0.0) - returned_w,
        shortfall_w=(granted.shortfall_w or 0.0) + returned_w,
        causes=granted.causes,
        updated_ms=now.utc_ms,
    )
    return Renewed(dispatch, parts, tuple(map(progress.renewed, _older(parts, own.values()))))


def _older(parts: Iterable[Part], own: Iterable[Placed]) -> list[Placed]:
    asked = {part.asset_id for part in parts}
    return [placed for placed in own if placed.asset_id in asked and not placed.over]


def _wanted(part: Part, own: Placed | None) -> bool:
    """Whether a part is carried out: not what stands already, nor what was taken from it for good. And where it waits
    for an agent that is away, it goes on waiting: there is nothing to be released.
    """
    if own is None:
        return True
    if own.state is IntentState.SUSPENDED:
        return part.setpoint_w is not None
    return not _gone(own) and (own.over or not _same(own.intent.setpoint_w, part.setpoint_w))


def _same(then_w: float | None, now_w: float | None) -> bool:
    """Whether two setpoints are the same but for the last digits of sums that were made of other parts."""
    return then_w is now_w if then_w is None or now_w is None else isclose(then_w, now_w, rel_tol=1e-9, abs_tol=1e-3)


def _gone(own: Placed | None) -> bool:
    """Whether its program took it back there, or another dispatch took it over for good."""
    if own is None:
        return False
    taken = own.state is IntentState.SUPERSEDED and own.intent.setpoint_w is not None
    return taken or own.state is IntentState.CANCELLED
