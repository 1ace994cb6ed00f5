"""The Guard itself: what comes in, what time does to it, and what to write to the device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf, isfinite
from typing import Self

from dermscore.guard.bounds import at_soc_bound, fresh, out_of_rating, rated, usable
from dermscore.guard.fallback import Fallback
from dermscore.guard.orders import Dropped, Orders, Taken, Verdict, left_ms
from dermscore.guard.states import STATE_OF, Command, GuardState
from dermscore.guard.way import Way
from dermscore.guard.writing import Writing
from dermscore.intent import Intent, IntentState, schedule_problem
from dermscore.model import Asset, Kind, Measurement, Now

GRACE_MS = 5_000
"""For the schedule, a headend is silent when it was not heard for so long, in ms: a stream that breaks and is there
again moves nobody."""


@dataclass(frozen=True, slots=True)
class Guard:
    """One asset's guard. Made by `Guard.new`; every method gives a new one.

    `orders` is what was asked, `way` where the setpoint has come to, `writing` what the device was told and said.
    `link_since_ms` is the monotonic ms since when the headend is heard, or silent (from its last word on).
    """

    asset: Asset
    fallback: Fallback
    orders: Orders
    way: Way
    writing: Writing
    linked: bool = False
    link_since_ms: int | None = None
    is_local: bool = False
    locked: str | None = None

    @classmethod
    def new(
        cls,
        asset: Asset,
        fallback: Fallback | None = None,
        *,
        dead_man_ms: int | None = None,
        tolerance_w: float = 0.0,
    ) -> Self:
        """A guard that holds nothing, as after every start.

        `dead_man_ms` is how long the device keeps a setpoint that nobody rewrites (None: for ever), as it was measured
        at commissioning; `tolerance_w` how far apart two of its setpoints may be and still be the same.

        Raises:
            ValueError: one of these, or the asset's rating, is not a number or is below 0.
        """
        if not all(map(isfinite, (asset.min_w, asset.max_w))):
            raise ValueError(f"the rating of {asset.id} is not a number")
        if dead_man_ms is not None and not 0 < dead_man_ms < inf:
            raise ValueError(f"no device has a dead-man timer of {dead_man_ms} ms")
        if not 0 <= tolerance_w < inf:
            raise ValueError(f"no device has a tolerance of {tolerance_w} W")
        fallback = fallback or Fallback.of(asset)
        orders = Orders(reversion_w=asset.reversion_w)
        return cls(asset, fallback, orders, Way(), Writing(dead_man_ms, tolerance_w))

    @property
    def held(self) -> Intent | None:
        """The intent in force."""
        return self.orders.held

    @property
    def seen(self) -> tuple[str, int]:
        """The newest (epoch, revision) ever seen, which is what Register tells the headend; revision 0: none."""
        return self.orders.epoch, self.orders.revision

    def receive(self, intent: Intent, now: Now, clock_offset_ms: int) -> tuple[Self, Verdict]:
        """Take an intent or drop it with the reason.

        `clock_offset_ms` is the headend's UTC less `now.utc_ms` (see `offset_ms`); it is used here, once, to turn
        the intent's end and the steps of its schedule into monotonic times, and never again.

        An intent of another asset changes nothing, nor does one whose times are no numbers, nor one whose revision is
        not above the newest seen of its epoch. A new epoch (the store was made anew) supersedes whatever is held, and
        the epoch left never comes back. A newer intent that has ended before it came is not obeyed, but what it
        superseded is over too: both have ended, so the asset goes to the reversion value. So it is with a newer intent
        that cannot be obeyed: the headend ended the older one when it stored this one, so to obey it further would be
        to obey nobody. The way back is then to the asset's own reversion value, for nothing that a refused intent says
        is believed.
        """
        if intent.asset_id != self.asset.id:
            what = f"refused: it is for asset {intent.asset_id}, not {self.asset.id}"
            return self, Dropped(what, IntentState.REFUSED)
        if not _has_times(intent, clock_offset_ms):
            return self, Dropped("refused: its revision or one of its times is not a number", IntentState.REFUSED)
        dropped = self.orders.out_of_order(intent)
        if dropped is not None:
            return self, dropped
        superseded, orders = self.held, self.orders.seen(intent)
        refusal = self._refusal(intent)
        if refusal is not None:
            # With nothing held, a way back that is under way goes on as it is: no refusal may prolong or turn it.
            reversion_w = orders.reversion_w if superseded is None else self._resolve(None)
            fallen = replace(orders.let_go(), reversion_w=reversion_w)
            return replace(self, orders=fallen), Dropped(f"refused: {refusal}", IntentState.REFUSED, superseded)
        reversion_w, left = self._resolve(intent.reversion_w), left_ms(intent, now, clock_offset_ms)
        if left <= 0:
            ended = replace(orders.let_go(), reversion_w=reversion_w)
            reason = f"expired: it ended {-left} ms before it came"
            return replace(self, orders=ended), Dropped(reason, IntentState.EXPIRED, superseded)
        since_ms = self.link_since_ms if self.linked else now.mono_ms  # what it says, it says now
        way = self.way if intent.setpoint_w is None else replace(self.way, since_ms=None)  # a release goes on back
        orders = orders.take(intent, left, now, reversion_w)
        return replace(self, orders=orders, way=way, link_since_ms=since_ms), Taken(superseded)

    def resume(self, steps_begun: int) -> Self:
        """After a restart within one boot, when what was held has been received again: the steps that were begun.

        Without this, a restart during a long silence would bring the setpoint back that the schedule had left.
        """
        begun = min(max(steps_begun, 0), len(self.orders.steps_ms))
        return replace(self, orders=replace(self.orders, steps_begun=begun))

    def link(self, up: bool, now: Now) -> Self:
        """The headend is heard again, or silent. Neither changes what is held, nor for how long."""
        return self if up is self.linked else replace(self, linked=up, link_since_ms=now.mono_ms)

    def fall_back_by(self, fallback: Fallback) -> Self:
        """From now on the way back is this one. A way back that is under way turns to its new end at its new ramp; its
        stagger is not waited for a second time.
        """
        return replace(self, fallback=fallback)

    def local(self, on: bool) -> Self:
        """People at the site take the device over, or give it back. What was held is dropped, and nothing is taken.

        Afterwards the device's state is theirs: a return to the reversion value starts from what is measured, and a
        setpoint that we did not write is not called contested.
        """
        return replace(self._let_go(), is_local=on, way=Way(), writing=self.writing.forget())

    def lock(self, reason: str) -> Self:
        """An interlock or lockout: 0 W at once, and what was held is dropped. It ends by `unlock`, never by time."""
        return replace(self._let_go(), locked=reason)

    def unlock(self) -> Self:
        """The interlock is cleared: back to the reversion value, ramped, until something new is asked."""
        return replace(self, locked=None)

    def wrote(self, setpoint_w: float | None, read_back_w: float | None, now: Now) -> Self:
        """After a command was written: what it asked, and the setpoint that the device then says it has (W)."""
        return replace(self, writing=self.writing.wrote(setpoint_w, read_back_w, now))

    def step(self, measurement: Measurement | None, now: Now) -> tuple[Self, Command]:
        """What the device should have now. Call it every tick, link or no link, with this tick's measurement if any.

        A measurement that is not a number, INVALID or only HELD, or a battery's without a state of charge, counts as
        none: a battery then goes to its reversion value (its bounds cannot be watched), anything else goes on with what
        is held. Seen again, a battery takes up what is held: at once where the headend is heard, else by the ramp. A
        setpoint in a fresh measurement that nobody here wrote makes the device contested: it is left alone, twice as
        long each time, but for the 0 W of a lock.
        """
        guard, ended = self._in_time(now)
        seen = None if measurement is None or not usable(self.asset, measurement) else measurement
        state = guard.state(sighted=seen is not None)
        if state is GuardState.LOCAL:
            return guard, Command(None, state, "local mode: the site has the device", write=False, ended=ended)
        writing = guard.writing
        if measurement is not None and fresh(measurement):
            writing = writing.look(measurement.setpoint_w, now)
        if state is GuardState.LOCKED:
            due, contested = writing.due(0.0, now), writing.contested(now)
            command = Command(0.0, state, f"locked: {guard.locked}", due, ended, contested=contested)
            return guard._stepped(Way(0.0, now.mono_ms), writing, command)
        w, since_ms, reason = guard._wanted(state, seen, now)
        bound = None if w is None or measurement is None else at_soc_bound(self.asset, measurement.soc_wh, w)
        w = None if w is None else (0.0 if bound is not None else rated(self.asset, w))
        limited = bound is not None and since_ms is None
        if writing.contested(now):
            command = Command(w, state, f"contested: {writing.why_contested(now)}", False, ended, limited, True)
            return guard._stepped(Way(None, None, since_ms), writing, command)
        command = Command(w, state, bound or reason, writing.due(w, now), ended, limited)
        return guard._stepped(Way(w, now.mono_ms, since_ms), writing, command)

    def state(self, *, sighted: bool = True) -> GuardState:
        """The row of `STATES` that holds; `sighted` is whether the device's measurement can be used."""
        return STATE_OF[self.locked is not None, self.is_local, sighted, self.linked, self.orders.held is not None]

    # Receiving

    def _refusal(self, intent: Intent) -> str | None:
        if self.locked is not None:
            return f"the asset is locked: {self.locked}"
        if self.is_local:
            return "the asset is in local mode"
        asked = [("setpoint", intent.setpoint_w), ("reversion", intent.reversion_w)]
        asked += [(f"schedule's step {number}", step.setpoint_w) for number, step in enumerate(intent.schedule, 1)]
        wrong = (out_of_rating(self.asset, name, w) for name, w in asked)
        return schedule_problem(intent) or next((problem for problem in wrong if problem is not None), None)

    def _resolve(self, w: float | None) -> float | None:
        """What "of itself" means for this asset: storage would keep its last setpoint for ever, so it is told 0 W."""
        return self.asset.reversion_w if w is None else w

    def _let_go(self) -> Self:
        orders = replace(self.orders.let_go(), reversion_w=self._resolve(None))
        return replace(self, orders=orders, way=replace(self.way, since_ms=None))

    # Stepping

    def _in_time(self, now: Now) -> tuple[Self, Intent | None]:
        """What the passing of time does: a deadline ends, a step of the schedule begins. It does nothing else."""
        orders = self.orders
        if orders.held is None:
            return self, None
        if now.mono_ms >= orders.deadline_ms:
            return replace(self, orders=orders.let_go()), orders.held
        if self.linked or not orders.steps_ms or self.link_since_ms is None:
            return self, None
        begun = orders.begin(self.link_since_ms + GRACE_MS, self.fallback.delay_ms, now)
        return (self if begun is orders else replace(self, orders=begun)), None

    def _wanted(self, state: GuardState, seen: Measurement | None, now: Now) -> tuple[float | None, int | None, str]:
        """The setpoint before its bounds, since when it is on the way back or from it (None: it is not), and why."""
        asked_w, blind = self.orders.asked_w, seen is None and self.asset.kind is Kind.BATTERY
        if asked_w is None or blind:
            since_ms = now.mono_ms if self.way.since_ms is None else self.way.since_ms
            from_ms = since_ms + self.fallback.delay_ms
            w = self._ramped(self._goal_w, from_ms, seen, now)
            return w, since_ms, f"{state}: {self._why_returning(blind)}"
        # The headend's own word holds at once; what it said in advance for all of them to do alone is ramped.
        # Each waited its own time before the step began (`_in_time`), so it waits no more. So it is with the return
        # to what is held for whoever lost sight while nobody leads: a whole site may see again at one moment.
        returns = self.way.since_ms is not None and not self.linked
        w = self._ramped(asked_w, 0, seen, now) if self.orders.steps_begun or returns else asked_w
        return w, self.way.since_ms if returns and w != asked_w else None, f"{state}: {self.orders.name}"

    def _why_returning(self, blind: bool) -> str:
        goal_w = self._goal_w
        goal = "what it does of itself" if goal_w is None else f"{goal_w:g} W"
        if blind:
            return f"no usable measurement, returning to {goal}"
        return f"{'nothing is asked' if self.orders.held is None else 'released'}, returning to {goal}"

    def _ramped(self, goal_w: float | None, from_ms: int, seen: Measurement | None, now: Now) -> float | None:
        start_w = self._start_w(goal_w, seen)
        if start_w is None:  # nothing known to ramp from, or already left to itself
            return goal_w
        edge_w = self._natural_edge_w if goal_w is None else goal_w
        w = self.way.towards(edge_w, start_w, self.fallback.ramp_w_per_s, from_ms, now)
        return goal_w if w == edge_w else w

    def _start_w(self, goal_w: float | None, seen: Measurement | None) -> float | None:
        """Where a ramp starts: our last setpoint, else what the device shows (of a curtailed plant, its cap)."""
        if self.way.last_ms is not None and (self.way.last_w is not None or goal_w is None):
            return self.way.last_w
        if seen is None:
            return None
        if goal_w is None:
            cap_w = seen.setpoint_w
            return None if cap_w is None or not isfinite(cap_w) else rated(self.asset, cap_w)
        return rated(self.asset, seen.power_w)

    def _stepped(self, way: Way, writing: Writing, command: Command) -> tuple[Self, Command]:
        writing = writing.tries(command.setpoint_w) if command.write else writing
        # By position, and not by `replace`: this is the whole cost of a step (benches/guard_step.py).
        guard = type(self)(
            self.asset,
            self.fallback,
            self.orders,
            way,
            writing,
            self.linked,
            self.link_since_ms,
            self.is_local,
            self.locked,
        )
        return guard, command

    @property
    def _goal_w(self) -> float | None:
        """Where the way back leads, W: as far as the static limits let it, whatever an intent says."""
        return self.fallback.bounded(self.asset, self.orders.reversion_w)

    @property
    def _natural_edge_w(self) -> float:
        """The end of the rating at which a setpoint no longer holds the asset back: full output, a load's full draw."""
        return self.asset.min_w if self.asset.kind is Kind.LOAD else self.asset.max_w


def _has_times(intent: Intent, clock_offset_ms: int) -> bool:
    """Whether it can be ordered and will end. NaN would make it newer than all others, and everlasting."""
    times = (intent.revision, intent.issued_ms, intent.expires_ms, clock_offset_ms)
    return all(map(isfinite, (*times, *(step.from_ms for step in intent.schedule))))
