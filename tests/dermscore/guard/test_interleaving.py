"""Any interleaving of loss, repetition, reordering, restarts, clocks that jump, interlocks and a second controller.

The machine keeps the truth beside the Guard, by the world's own clock and the rules of docs/reference/guard.md: what is
in force, which step of its schedule, whose setpoint the device has. After every step the Guard must agree with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dermscore.guard import (
    GRACE_MS,
    STATES,
    Command,
    Dropped,
    Guard,
    GuardState,
    Taken,
    Writing,
    at_soc_bound,
    offset_ms,
)
from dermscore.intent import Intent, Step
from dermscore.model import Now
from tests.dermscore.guard.made import BATTERY, QUICK, SOAK, UTC, seen

DEAD_MAN_MS = 30_000
TOLERANCE_W = 1e3
OTHERS_W = 12_345_678.0  # what the second controller writes; nobody is ever asked for it
SETPOINTS = st.one_of(
    st.none(),
    st.sampled_from([0.0, 40e6, -30e6, 41e6, -31e6, math.nan, math.inf]),
    st.integers(-35, 45).map((1e6).__mul__),
)
INSIDE = st.integers(-30, 40).map((1e6).__mul__)
WRITES = st.sampled_from(["answered", "answered", "answered", "answer lost", "failed"])
SCHEDULES = st.lists(st.tuples(st.integers(0, 20_000), st.integers(-35, 45).map((1e6).__mul__)), max_size=3)


@dataclass
class Device:
    """A device with a dead-man timer: what it follows, and when (world ms) that was written."""

    setpoint_w: float | None = None
    written: int = 0

    def now(self, t: int) -> float | None:
        if t - self.written >= DEAD_MAN_MS:
            self.setpoint_w = None
        return self.setpoint_w


class AnyInterleaving(RuleBasedStateMachine):
    """A headend, a network, an agent and a device.

    The world's own clock is `t`; the headend's UTC is UTC + t. The agent hears a heartbeat before it takes intents, as
    on the wire (Registered carries the headend's time).
    """

    @initialize()
    def begin(self) -> None:
        self.t = 0
        self.epoch = 0
        self.revision = 0
        self.skew_ms = 0  # of the agent's wall clock
        self.boot_ms = 0  # of its monotonic clock
        self.sent: list[Intent] = []
        self.guard = self.started()
        self.newest: tuple[int, int] = (0, 0)
        self.in_force: Intent | None = None
        self.steps_begun = 0
        self.went_back = False  # since what is held was taken, sight was lost, and nobody has led since
        self.linked = False
        self.silent_since = 0
        self.is_local = self.locked = False
        self.device = Device()
        self.meddled = False  # whether the second controller wrote since a write of ours was answered
        self.contested_until: int | None = None
        self.contests = 0
        self.command: Command | None = None
        self.hear()

    def started(self) -> Guard:
        return Guard.new(BATTERY, QUICK, dead_man_ms=DEAD_MAN_MS, tolerance_w=TOLERANCE_W)

    def now(self) -> Now:
        return Now(UTC + self.t + self.skew_ms, self.t - self.boot_ms)

    # The link, the clocks, the process

    @rule()
    def hear(self) -> None:
        self.heard = (UTC + self.t, self.now())
        self.guard = self.guard.link(True, self.now())
        self.linked = True

    @rule()
    def lose_the_link(self) -> None:
        self.guard = self.guard.link(False, self.now())
        if self.linked:
            self.linked, self.silent_since = False, self.t

    @rule(ms=st.one_of(st.integers(1, 3_000), st.integers(1, 20_000)))
    def wait(self, ms: int) -> None:
        self.t += ms

    @rule(ms=st.integers(-(10**9), 10**9))
    def jump_the_wall_clock(self, ms: int) -> None:
        self.skew_ms += ms

    @rule()
    def reboot(self) -> None:
        """Nothing is known any more, and the headend is heard before anything comes from it."""
        self.boot_ms = self.t
        self.guard, self.newest = self.started(), (0, 0)
        self.in_force, self.steps_begun = None, 0
        self.forget_the_process()
        self.hear()

    @rule()
    def restart_the_process(self) -> None:
        """Within one boot: what the state file says is held is received again, to the same end and step."""
        before, self.guard = self.guard.orders, self.started()
        self.newest = (0, 0)
        self.linked, self.silent_since = False, self.t
        if before.held is None:
            self.in_force, self.steps_begun = None, 0
        else:
            now = self.now()
            offset = before.held.expires_ms - now.utc_ms - (before.deadline_ms - now.mono_ms)
            self.guard, verdict = self.guard.receive(before.held, now, offset)
            self.guard = self.guard.resume(before.steps_begun)
            self.newest = (int(before.held.epoch), before.held.revision)
            assert isinstance(verdict, Taken) is (before.held.expires_ms > UTC + self.t)
            if isinstance(verdict, Dropped):
                self.in_force, self.steps_begun = None, 0
        self.forget_the_process()

    def forget_the_process(self) -> None:
        self.is_local = self.locked = self.meddled = False
        self.contested_until, self.contests = None, 0
        self.command = None

    # Intents

    @rule(
        setpoint_w=SETPOINTS,
        lasts_ms=st.integers(-1_000, 60_000),
        reversion_w=st.sampled_from([0.0, None, 50e6]),
        schedule=SCHEDULES,
    )
    def issue(
        self, setpoint_w: float | None, lasts_ms: int, reversion_w: float | None, schedule: list[tuple[int, float]]
    ) -> None:
        self.send(setpoint_w, lasts_ms, reversion_w, schedule)

    @rule(setpoint_w=SETPOINTS, lasts_ms=st.integers(1, 60_000), schedule=SCHEDULES)
    def issue_and_deliver(self, setpoint_w: float | None, lasts_ms: int, schedule: list[tuple[int, float]]) -> None:
        """An ordinary day, so that something is held often enough for the rest to matter."""
        self.send(setpoint_w, lasts_ms, 0.0, schedule)
        if int(self.sent[-1].epoch) >= self.newest[0]:
            self.give(self.sent[-1])

    def send(
        self, setpoint_w: float | None, lasts_ms: int, reversion_w: float | None, schedule: list[tuple[int, float]]
    ) -> None:
        self.revision += 1
        steps = tuple(Step(UTC + self.t + ms, w) for ms, w in sorted(dict(schedule).items()) if ms < lasts_ms)
        dispatch, issued_ms = f"d{self.epoch}.{self.revision}", UTC + self.t
        wanted = Intent(
            "b1", str(self.epoch), self.revision, dispatch, setpoint_w, reversion_w, issued_ms, issued_ms + lasts_ms,
            "p", 4, steps,
        )  # fmt: skip
        self.sent.append(wanted)

    @rule()
    def make_the_store_anew(self) -> None:
        self.epoch += 1
        self.revision = 0

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        """Any that was ever sent, late, again and in any order; across epochs the streams keep their order."""
        epochs = [wanted for wanted in self.sent if int(wanted.epoch) >= self.newest[0]]
        if epochs:
            self.give(data.draw(st.sampled_from(epochs)))

    def give(self, wanted: Intent) -> None:
        before = self.guard
        self.guard, verdict = self.guard.receive(wanted, self.now(), offset_ms(*self.heard, self.now()))
        is_new = (int(wanted.epoch), wanted.revision) > self.newest
        assert isinstance(verdict, Taken) is (is_new and self.can_be_obeyed(wanted))
        if not is_new:
            assert self.guard == before
            return
        assert verdict.superseded == before.held  # which the headend ended when it stored this one
        self.in_force = wanted if isinstance(verdict, Taken) else None
        self.steps_begun, self.went_back = 0, False
        self.newest = (int(wanted.epoch), wanted.revision)
        if isinstance(verdict, Taken) and not self.linked:
            self.silent_since = self.t  # it spoke just now

    def can_be_obeyed(self, wanted: Intent) -> bool:
        asked = [wanted.setpoint_w, wanted.reversion_w, *(step.setpoint_w for step in wanted.schedule)]
        inside = all(w is None or BATTERY.min_w <= w <= BATTERY.max_w for w in asked)
        return inside and not self.is_local and not self.locked and wanted.expires_ms > UTC + self.t

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def deliver_from_a_past_epoch(self, data: st.DataObject) -> None:
        past = [wanted for wanted in self.sent if wanted.epoch in self.guard.orders.past_epochs]
        if past:
            before = self.guard
            wanted = data.draw(st.sampled_from(past))
            self.guard, verdict = before.receive(wanted, self.now(), offset_ms(*self.heard, self.now()))
            assert isinstance(verdict, Dropped)
            assert self.guard == before

    # People, interlocks, another controller

    @rule(on=st.booleans())
    def people_take_or_give_back(self, on: bool) -> None:
        self.guard, self.is_local = self.guard.local(on), on
        self.in_force, self.steps_begun, self.meddled = None, 0, False
        self.command = None  # the device is where they left it

    @rule(on=st.booleans())
    def lock_or_unlock(self, on: bool) -> None:
        self.guard, self.locked = (self.guard.lock("door open") if on else self.guard.unlock()), on
        if on:
            self.in_force, self.steps_begun = None, 0

    @rule()
    def another_controller_writes(self) -> None:
        self.device = Device(OTHERS_W, self.t)
        self.meddled = True

    # Steps

    @rule(
        power_w=st.one_of(st.just(math.nan), st.floats(-30e6, 40e6)),
        soc_wh=st.one_of(st.none(), st.just(math.nan), st.sampled_from([10e6, 90e6]), st.floats(10e6, 90e6)),
        write=WRITES,
    )
    def step(self, power_w: float, soc_wh: float | None, write: str) -> None:
        self.take_step(power_w, soc_wh, write)

    @rule(
        setpoint_w=INSIDE,
        schedule=st.lists(st.tuples(st.integers(0, 15_000), INSIDE), min_size=1, max_size=3),
        gaps=st.lists(st.integers(1, 9_000), min_size=1, max_size=8),
        restart=st.booleans(),
    )
    def fall_silent(self, setpoint_w: float, schedule: list[tuple[int, float]], gaps: list[int], restart: bool) -> None:
        """What a schedule is for; else the other rules would seldom leave one time enough."""
        self.issue_and_deliver(setpoint_w, 60_000, schedule)
        self.take_step()
        self.lose_the_link()
        for gap in gaps:
            self.wait(gap)
            self.take_step()
        if restart:
            self.restart_the_process()
            self.take_step()

    @rule(asked=st.lists(INSIDE, min_size=1, max_size=12))
    def lose_answers(self, asked: list[float]) -> None:
        """The device takes all that is written, and nobody hears of it."""
        self.issue_and_deliver(1e6, 60_000, [])
        self.take_step()
        for setpoint_w in asked:
            self.issue_and_deliver(setpoint_w, 60_000, [])
            self.take_step(write="answer lost")

    @rule(gaps=st.lists(st.integers(1, 15_000), min_size=1, max_size=8), write=WRITES)
    def fight(self, gaps: list[int], write: str) -> None:
        """The other controller writes as soon as we did."""
        self.take_step(write=write)
        for gap in gaps:
            self.another_controller_writes()
            self.wait(gap)
            self.take_step(write=write)

    def take_step(self, power_w: float = 5e6, soc_wh: float | None = 50e6, write: str = "answered") -> None:
        shown = seen(power_w, soc_wh, setpoint_w=self.device.now(self.t))
        writing = self.guard.writing
        self.let_time_act()
        before, (self.guard, command) = self.command, self.guard.step(shown, self.now())
        self.agree(command, sighted=math.isfinite(power_w) and soc_wh is not None and math.isfinite(soc_wh))
        self.agree_on_contest(command, writing, shown.setpoint_w)
        if command.state is not GuardState.LOCAL:
            assert command.setpoint_w is not None
            assert at_soc_bound(BATTERY, soc_wh, command.setpoint_w) is None
            self.keep_to_what_is_asked(command, before)
        self.command = None if command.contested or command.state is GuardState.LOCAL else command
        if command.write and write != "failed":
            self.device = Device(command.setpoint_w, self.t)
            if write == "answered":
                self.guard = self.guard.wrote(command.setpoint_w, command.setpoint_w, self.now())
                self.meddled = False

    def let_time_act(self) -> None:
        """The truth: what has ended, and which step has begun, by the world's clock."""
        if self.in_force is not None and self.in_force.expires_ms <= UTC + self.t:
            self.in_force, self.steps_begun = None, 0
        if self.in_force is not None and not self.linked:
            silent = self.silent_since + GRACE_MS
            begins = (max(step.from_ms - UTC, silent) + QUICK.delay_ms for step in self.in_force.schedule)
            self.steps_begun = max(self.steps_begun, sum(begin <= self.t for begin in begins))

    def agree(self, command: Command, sighted: bool) -> None:
        assert self.guard.held == self.in_force
        assert self.guard.orders.steps_begun == self.steps_begun
        facts = {
            "locked": self.locked,
            "local": self.is_local,
            "sighted": sighted,
            "linked": self.linked,
            "holding": self.in_force is not None,
        }
        assert command.state is next(state for row, state in STATES if row.items() <= facts.items())
        assert command.write or command.state is not GuardState.LOCKED or self.device.now(self.t) is not None

    def agree_on_contest(self, command: Command, before: Writing, shown_w: float | None) -> None:
        """Accuse where the other's setpoint stands in place of ours, and never where nobody meddled.

        While it is left alone nothing is written but for a lock.
        """
        found = self.guard.writing.contests > before.contests
        stands = before.written_ms is not None and self.now().mono_ms - before.written_ms < DEAD_MAN_MS
        if stands and shown_w == OTHERS_W and command.state is not GuardState.LOCAL:
            assert found or before.contested(self.now())
        if found:
            assert self.meddled
            assert self.contested_until is None or self.t >= self.contested_until
            self.contests = self.guard.writing.contests
            self.contested_until = self.t + min(10_000 * 2 ** (self.contests - 1), 300_000)
        left_alone = self.contested_until is not None and self.t < self.contested_until
        if command.state is GuardState.LOCAL:
            assert not command.write
        else:
            assert command.contested is left_alone
            assert not (command.write and left_alone) or command.state is GuardState.LOCKED

    def keep_to_what_is_asked(self, command: Command, before: Command | None) -> None:
        w = command.setpoint_w or 0.0
        if command.state is GuardState.LOCKED:
            assert w == 0
            return
        asked_w = None
        if self.in_force is not None and command.state is not GuardState.FAILSAFE:
            asked_w = self.in_force.setpoint_w
            if self.steps_begun:
                asked_w = self.in_force.schedule[self.steps_begun - 1].setpoint_w
        last_w = None if before is None else before.setpoint_w
        self.went_back = command.state is GuardState.FAILSAFE or (self.went_back and not self.linked and w != asked_w)
        if asked_w is not None and not self.steps_begun and not self.went_back:
            assert w in (asked_w, 0.0)  # 0 W at a bound of the charge
        elif last_w is not None:
            # On the way, to a step or to its reversion value of 0: never past it and never further off than it was.
            goal_w = asked_w or 0.0
            assert w == 0 or min(last_w, goal_w) <= w <= max(last_w, goal_w)

    @invariant()
    def no_command_leaves_the_rating(self) -> None:
        if self.command is not None:
            assert self.command.setpoint_w is not None
            assert BATTERY.min_w <= self.command.setpoint_w <= BATTERY.max_w

    @invariant()
    def the_newest_is_never_forgotten(self) -> None:
        assert self.guard.seen[1] == self.newest[1]

    @invariant()
    def time_alone_changes_nothing_but_what_ends_or_was_announced(self) -> None:
        """A day later, with nothing heard: locked stays locked, local stays local, and nobody obeys anything."""
        day = Now(UTC + self.t, self.t - self.boot_ms + 86_400_000)
        later, command = self.guard.step(seen(5e6), day)
        assert later.held is None
        assert (later.locked is not None, later.is_local) == (self.locked, self.is_local)
        assert replace(later, linked=False).state() in (GuardState.FAILSAFE, GuardState.LOCAL, GuardState.LOCKED)
        assert command.setpoint_w is not None or self.is_local


AnyInterleaving.TestCase.settings = settings(
    max_examples=3_000 if SOAK else 100, stateful_step_count=200 if SOAK else 40, deadline=None
)
TestAnyInterleaving = AnyInterleaving.TestCase
