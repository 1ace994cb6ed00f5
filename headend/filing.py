"""A decision as the headend keeps it: the dispatch that a request has become, taken or not. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dermscore.decision.decide import primacy_of
from dermscore.decision.request import Aim, DeclineKind, Granted, Request
from dermscore.intent import IntentState
from dermscore.model import Now
from dermscore.policy import Policy
from headend.records import Dispatch


class Obstacle(StrEnum):
    """Why a request is not taken though nobody decided against it."""

    STORE = "store"  # it could not be made durable
    ID_TAKEN = "id taken"  # somebody else's dispatch has this id


@dataclass(frozen=True, slots=True)
class NotTaken:
    """A request that is not to be done, and why. `dispatch` is the refusal as a record, for those who look back."""

    why: DeclineKind | Obstacle
    reason: str
    dispatch: Dispatch


def taken(request: Request, granted: Granted, policy: Policy, submitted_ms: int, now: Now) -> Dispatch:
    """The dispatch of a request that was granted. What there was nothing to do for is complete at once."""
    nothing = request.aim is Aim.RELEASE and not granted.parts
    return Dispatch(
        id=request.id,
        principal=request.who.id,
        node=request.node,
        asset_id=request.asset_id,
        aim=request.aim,
        target_w=request.target_w,
        duration_s=(granted.ends_ms - now.utc_ms) / 1000 if request.duration_s is None else request.duration_s,
        program=request.program,
        primacy=primacy_of(request, policy),
        policy=granted.digest,
        submitted_ms=submitted_ms,
        expires_ms=granted.ends_ms,
        state=IntentState.COMPLETE if nothing else IntentState.SUBMITTED,
        reason=granted.reason,
        placed_w=granted.placed_w,
        shortfall_w=granted.shortfall_w,
        causes=granted.causes,
        updated_ms=now.utc_ms,
    )


def not_taken(
    request: Request, why: DeclineKind | Obstacle, reason: str, policy: Policy, submitted_ms: int, now: Now
) -> NotTaken:
    """The refusal of a request, as a value and as a record."""
    dispatch = Dispatch(
        id=request.id,
        principal=request.who.id,
        node=request.node,
        asset_id=request.asset_id,
        aim=request.aim,
        target_w=request.target_w,
        duration_s=request.duration_s,
        program=request.program,
        primacy=primacy_of(request, policy),
        policy=policy.digest,
        submitted_ms=submitted_ms,
        expires_ms=now.utc_ms,
        state=IntentState.REFUSED,
        reason=reason,
        placed_w=None,
        shortfall_w=None,
        causes=(),
        updated_ms=now.utc_ms,
    )
    return NotTaken(why, reason, dispatch)
