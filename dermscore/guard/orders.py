"""What an asset was asked and for how long: the order of intents, their deadlines, and the steps of a schedule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from dermscore.intent import Intent, IntentState
from dermscore.model import Now


@dataclass(frozen=True, slots=True)
class Taken:
    """The intent is held. `superseded` is the one whose place it took."""

    superseded: Intent | None = None


@dataclass(frozen=True, slots=True)
class Dropped:
    """The intent is not held. `reason` begins with its kind: stale, duplicate, past epoch, expired, refused.

    `outcome` is what to report of it (EXPIRED or REFUSED), None where a report would say nothing new. `superseded` is
    the intent that its coming ended all the same (see `Guard.receive`).
    """

    reason: str
    outcome: IntentState | None = None
    superseded: Intent | None = None


Verdict = Taken | Dropped


@dataclass(frozen=True, slots=True)
class Orders:
    """The newest that was seen (revision 0: nothing), and what is held of it.

    `held` is the intent in force, `deadline_ms` its end and `steps_ms` the beginnings of its steps, all monotonic.
    `steps_begun` of them were begun while the headend was silent; 0: the setpoint itself stands. `reversion_w` is what
    the asset goes back to, before the static limits bound it.
    """

    epoch: str = ""
    revision: int = 0
    past_epochs: frozenset[str] = frozenset()
    held: Intent | None = None
    deadline_ms: int = 0
    steps_ms: tuple[int, ...] = ()
    steps_begun: int = 0
    reversion_w: float | None = None

    @property
    def asked_w(self) -> float | None:
        """What stands now, W: the setpoint or the step begun last. None: nothing is held, or it is a release."""
        if self.held is None:
            return None
        return self.held.schedule[self.steps_begun - 1].setpoint_w if self.steps_begun else self.held.setpoint_w

    def out_of_order(self, intent: Intent) -> Dropped | None:
        """Why an intent changes nothing: it came late or twice, or from a store that was superseded."""
        if intent.epoch in self.past_epochs:
            return Dropped(f"past epoch: {intent.epoch} was superseded by {self.epoch}")
        newest = self.revision if intent.epoch == self.epoch else 0
        if intent.revision == newest and newest:
            return Dropped(f"duplicate: revision {intent.revision} came before")
        if intent.revision <= newest:
            return Dropped(f"stale: revision {intent.revision} is not above {newest}")
        return None

    def seen(self, intent: Intent) -> Self:
        """With `intent` the newest. A new epoch supersedes what is held; the same epoch leaves that to the caller."""
        if intent.epoch == self.epoch:
            return replace(self, revision=intent.revision)
        past = self.past_epochs | {self.epoch} if self.revision else self.past_epochs
        return replace(self.let_go(), epoch=intent.epoch, revision=intent.revision, past_epochs=past)

    def take(self, intent: Intent, left_ms: int, now: Now, reversion_w: float | None) -> Self:
        """Hold it for `left_ms` from now: here, and only here, UTC becomes monotonic, all of it by one offset."""
        deadline_ms = now.mono_ms + left_ms
        return replace(
            self,
            held=intent,
            deadline_ms=deadline_ms,
            steps_ms=tuple(deadline_ms - (intent.expires_ms - step.from_ms) for step in intent.schedule),
            steps_begun=0,
            reversion_w=reversion_w,
        )

    def let_go(self) -> Self:
        """Hold nothing. Where the asset then goes back to stays as it was."""
        return replace(self, held=None, steps_ms=(), steps_begun=0)

    def begin(self, silent_ms: int, delay_ms: int, now: Now) -> Self:
        """Begin every step whose time has come, for a headend that counts as silent from `silent_ms` (monotonic) on."""
        begun = sum(max(step_ms, silent_ms) + delay_ms <= now.mono_ms for step_ms in self.steps_ms)
        return replace(self, steps_begun=begun) if begun > self.steps_begun else self

    @property
    def name(self) -> str:
        """What is held, in words."""
        assert self.held is not None
        step = f"step {self.steps_begun} of the schedule of " if self.steps_begun else ""
        return f"{step}dispatch {self.held.dispatch_id}, revision {self.held.revision}"


def left_ms(intent: Intent, now: Now, clock_offset_ms: int) -> int:
    """How long an intent still lasts by the headend's clock, ms; never more than it was issued for."""
    return min(intent.expires_ms - now.utc_ms - clock_offset_ms, intent.expires_ms - intent.issued_ms)


def offset_ms(headend_ms: int, heard: Now, now: Now) -> int:
    """The headend's UTC less ours, as `Guard.receive` wants it, in ms.

    Args:
        headend_ms: the headend's UTC in its last heartbeat.
        heard: both our clocks when that heartbeat came.
        now: both our clocks now. Time since then is counted on the monotonic clock, so a step of our UTC since changes
            nothing.
    """
    return headend_ms + (now.mono_ms - heard.mono_ms) - now.utc_ms
