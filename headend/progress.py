"""How far a dispatch has come: pure. Agents report on intents; the headend's clock ends what nobody reported on.

A dispatch is as far as the slowest of its intents that still stand. What an agent refused, or another dispatch took
over, stands no more, and its part is in the shortfall, with the cause, for everyone to see. So is the part of an agent
that does not answer, until it does, and what is suspended, until it is taken up again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import fsum
from typing import Final

from dermscore.decision.request import Aim
from dermscore.intent import TERMINAL, IntentState, advance
from headend.records import Dispatch, Kept, Placed
from wire.convert import Report

GRACE_MS: Final = 15_000
"""How long after an intent's end its agent may still report how it ended, before our clock alone decides."""

SILENT_MS: Final = 10_000
"""How long after an intent was issued its agent may take to say that it has it, before the others go on without."""

_SILENT: Final = "its agent does not answer"
_SUSPENDED: Final = "another dispatch has it for now"
_UNHEARD: Final = frozenset({IntentState.SUBMITTED, IntentState.SENT})

_FORWARD: Final = (
    IntentState.SUBMITTED,
    IntentState.SENT,
    IntentState.RECEIVED,
    IntentState.ACTIVE,
    IntentState.FOLLOWING,
)
# Of intents that are all over: the first of these that any of them reached is how the dispatch ended.
_ENDINGS: Final = (
    IntentState.COMPLETE,
    IntentState.EXPIRED,
    IntentState.FAILED,
    IntentState.CANCELLED,
    IntentState.SUPERSEDED,
    IntentState.REFUSED,
)
_NOT_PLACED: Final = frozenset(
    {
        IntentState.REFUSED,
        IntentState.FAILED,
        IntentState.CANCELLED,
        IntentState.SUPERSEDED,
        IntentState.SUSPENDED,
    }
)
_TAKEN_OVER: Final = frozenset({IntentState.SUPERSEDED, IntentState.CANCELLED})
_ELSEWHERE: Final = _TAKEN_OVER | {IntentState.SUSPENDED}


def sent(placed: Placed) -> Placed:
    """The intent was written to its agent's stream."""
    return replace(placed, state=advance(placed.state, IntentState.SENT))


def superseded(placed: Placed, by: str) -> Placed:
    """Dispatch `by` took the asset over."""
    if placed.over:
        return placed
    return replace(placed, state=IntentState.SUPERSEDED, reason=f"superseded by dispatch {by}")


def suspended(placed: Placed, by: str) -> Placed:
    """Dispatch `by` took the asset over, and when that ends this one comes back."""
    if placed.over:
        return placed
    reason = f"superseded by dispatch {by}, and comes back when that ends"
    return replace(placed, state=IntentState.SUSPENDED, reason=reason)


def renewed(placed: Placed) -> Placed:
    """Its dispatch was taken up again, with a newer intent for the asset."""
    return replace(placed, state=IntentState.SUPERSEDED, reason="taken up again by a newer intent")


def cancelled(placed: Placed, by: str) -> Placed:
    """Its own program took it back, by the release `by`."""
    return replace(placed, state=IntentState.CANCELLED, reason=f"taken back by release {by}")


def given_up(placed: Placed, reason: str) -> Placed:
    """It was to come back and cannot."""
    return replace(placed, state=IntentState.FAILED, reason=f"cannot be taken up again: {reason}")


def dismissed(placed: Placed) -> Placed:
    """It was to come back, and the policy of now brings nothing back of its program."""
    reason = "superseded, and by the policy of now its program does not resume"
    return replace(placed, state=IntentState.SUPERSEDED, reason=reason)


def waits(placed: Placed, reason: str) -> Placed:
    """It is to come back and cannot yet; the same object where that is known."""
    reason = f"to be taken up again, and cannot be yet: {reason}"
    return placed if placed.reason == reason else replace(placed, reason=reason)


def ended(placed: Placed, now_ms: int) -> Placed:
    """Its time is over and the asset is another's already: how it ended is what its agent said last."""
    if placed.over or now_ms < placed.intent.expires_ms:
        return placed
    if placed.state is IntentState.FOLLOWING:
        return replace(placed, state=IntentState.COMPLETE, reason="")
    return _expired(placed)


def given_back(placed: Placed, by: str) -> Placed:
    """A release has done what it is for: dispatch `by`, which waited below what was released, has the asset."""
    return replace(placed, state=IntentState.COMPLETE, reason=f"given back to dispatch {by}")


def reported(placed: Placed, report: Report) -> Placed:
    """After an agent's report; unchanged where the report is of another intent, late, or repeated.

    What is suspended is over at the edge. No report says anything of how it goes on here, and none suspends.
    """
    ours = (placed.intent.epoch, placed.intent.revision, placed.intent.dispatch_id)
    if ours != (report.epoch, report.revision, report.dispatch_id):
        return placed
    if IntentState.SUSPENDED in (placed.state, report.state):
        return placed
    state = advance(placed.state, report.state)
    if state is placed.state and placed.acked_state is not None:
        return placed
    return replace(
        placed,
        state=state,
        reason=report.reason if state is not placed.state else placed.reason,
        acked_ms=report.time_ms,
        acked_state=report.state,
        power_w=placed.power_w if report.power_w is None else report.power_w,
    )


def overdue(placed: Placed, now_ms: int) -> Placed:
    """Our clock says that the intent is over and its agent has not said how: that is what it says, and no more."""
    if placed.state is IntentState.SUSPENDED and now_ms >= placed.intent.expires_ms:
        return replace(placed, state=IntentState.SUPERSEDED, reason="its time was over before it could come back")
    if placed.over or now_ms < placed.intent.expires_ms + GRACE_MS:
        return placed
    return _expired(placed)


def _expired(placed: Placed) -> Placed:
    last = "was never heard of it" if placed.acked_state is None else f"last said {placed.acked_state}"
    return replace(placed, state=IntentState.EXPIRED, reason=f"its time is over; its agent {last}")


def unanswered(placed: Placed, now_ms: int) -> Placed:
    """Its agent has had the time to answer and has not. The intent stands, and what the agent says ends this."""
    if placed.state not in _UNHEARD or placed.reason or now_ms < placed.intent.issued_ms + SILENT_MS:
        return placed
    return replace(placed, reason=_SILENT)


def summarise(kept: Kept, name_of: Callable[[str], str], now_ms: int) -> Dispatch:
    """The dispatch after its intents have changed; the same object where that changes nothing about it.

    Its reason is always of its intents as they are, though nobody may have been told (see `news`).

    `name_of` gives an asset's name for the causes.
    """
    dispatch, members = kept.dispatch, _members(kept)
    if dispatch.over or not members:
        return dispatch
    state = _state(dispatch, members)
    figures = (dispatch.placed_w, dispatch.shortfall_w)
    if state not in _TAKEN_OVER:  # which keeps the figures that it had
        figures = _placing(dispatch, members)
    causes = _causes(dispatch, members, name_of)
    reason = _reason(members, state)
    fresh = replace(dispatch, state=state, reason=reason, placed_w=figures[0], shortfall_w=figures[1], causes=causes)
    if fresh == dispatch:
        return dispatch
    return replace(fresh, updated_ms=now_ms) if news(dispatch, fresh) else fresh


def news(before: Dispatch, after: Dispatch) -> bool:
    """Whether it has changed in more than its reason: how many members are how far is nobody's news by itself."""
    return replace(after, reason=before.reason) != before


def carriers(kept: Kept) -> list[Placed]:
    """The intents that carry the dispatch: what is lost is not among them, nor whose agent does not answer.

    While some go on, those that have ended carry it no more; of one that is over they did.
    """
    stood = [placed for placed in _members(kept) if not _lost(placed)]
    return [placed for placed in stood if not placed.over] or stood


def _silent(placed: Placed) -> bool:
    return placed.state in _UNHEARD and placed.reason == _SILENT


def _lost(placed: Placed) -> bool:
    never_heard = placed.state is IntentState.EXPIRED and placed.acked_state is None
    return placed.state in _NOT_PLACED or _silent(placed) or never_heard


def _members(kept: Kept) -> list[Placed]:
    """The intents that carry the dispatch. A target's may also release assets that it could not take along."""
    if kept.dispatch.aim is Aim.RELEASE:
        return list(kept.intents)
    return [placed for placed in kept.intents if placed.intent.setpoint_w is not None]


def _state(dispatch: Dispatch, members: Sequence[Placed]) -> IntentState:
    states = {placed.state for placed in members}
    if states <= TERMINAL:
        return next(ending for ending in _ENDINGS if ending in states)
    if states.isdisjoint(_FORWARD):
        return IntentState.SUSPENDED
    answering = {placed.state for placed in members if placed.state in _FORWARD and not _silent(placed)}
    slowest = next(state for state in _FORWARD if state in (answering or states))
    if dispatch.aim is Aim.RELEASE and slowest is IntentState.FOLLOWING and not any(map(_silent, members)):
        return IntentState.COMPLETE  # released is released: nothing is left to wait for
    # Never back: not when one that was left out answers, nor when it alone is left.
    return slowest if dispatch.state not in _FORWARD else max(slowest, dispatch.state, key=_FORWARD.index)


def _placing(dispatch: Dispatch, members: Sequence[Placed]) -> tuple[float | None, float | None]:
    """What leaves the sum of the setpoints joins the shortfall; with what others hold, the two make the target."""
    if dispatch.placed_w is None or dispatch.shortfall_w is None:
        return dispatch.placed_w, dispatch.shortfall_w
    placed_w = fsum(placed.intent.setpoint_w or 0.0 for placed in members if not _lost(placed))
    return placed_w, dispatch.shortfall_w + (dispatch.placed_w - placed_w)


def _causes(dispatch: Dispatch, members: Sequence[Placed], name_of: Callable[[str], str]) -> tuple[str, ...]:
    """The causes so far and those that are new, less those of agents that answer after all."""
    lost = _losses(members, name_of)
    mended = {_loss(placed, name_of, _SILENT) for placed in members}.difference(lost)
    earlier = [cause for cause in dispatch.causes if cause not in mended]
    return (*earlier, *(cause for cause in lost if cause not in earlier))


def _losses(members: Sequence[Placed], name_of: Callable[[str], str]) -> list[str]:
    lost = [placed for placed in members if _lost(placed)]
    states = {placed.state for placed in lost}
    if len(lost) == len(members) and len(states) == 1 and states <= _ELSEWHERE:
        return []  # the whole has gone, and its reason says where
    return [_loss(placed, name_of, _why(placed)) for placed in lost]


def _why(placed: Placed) -> str:
    return _SUSPENDED if placed.state is IntentState.SUSPENDED else placed.reason or placed.state.value


def _loss(placed: Placed, name_of: Callable[[str], str], reason: str) -> str:
    return f"{name_of(placed.asset_id)}: {reason}"


def _reason(members: Sequence[Placed], state: IntentState) -> str:
    if len(members) == 1:
        return members[0].reason
    counts = Counter(placed.state for placed in members)
    if len(counts) == 1:
        return "" if state in _FORWARD else members[0].reason
    each_of = (*_FORWARD, IntentState.SUSPENDED, *_ENDINGS)
    return ", ".join(f"{counts[each]} of {len(members)} {each}" for each in each_of if counts[each])
