"""The control loop of one asset: read, ask the guard, write, read back. It never waits for the link and outlives it.

Each asset of a site has a loop of its own and is its own fault domain: a driver that raises or hangs costs its asset
its telemetry, and nobody else anything.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field, replace
from math import isfinite

from agent.drivers import Clock, DeviceSetpoint, Driver
from agent.marks import Marks
from agent.progress import Progress, tolerance_w
from agent.reports import Reports
from agent.state import Held, Saved
from daemon import logs
from dermscore.guard import Command, Dropped, Fallback, Guard
from dermscore.intent import Intent, IntentState
from dermscore.model import Asset, Impairment, ImpairmentKind, Measurement, Now
from dermscore.quality import Cause, Validity
from wire.convert import AssetEvent, Report, Severity

log = logs.get(__name__)

TICK_S = 0.25
DEVICE_S = 2.0
# A device is said to be lost after so many failures in a row: one lost answer is an ordinary day.
LOST_AFTER = 3
STALE_MS = 2_000


@dataclass(frozen=True, slots=True)
class Kept:
    """What a loop starts from: nothing, or what its last process and the people at its site have left."""

    tick: int = 0
    setpoint_age_ms: int = 0
    held: Held | None = None
    fallback: Fallback | None = None
    marks: Marks = field(default_factory=Marks)


class AssetLoop:
    """One asset's loop. Owner of every field: the agent's event loop (`run` is one task; the link calls the rest)."""

    def __init__(self, asset: Asset, driver: Driver, reports: Reports, clock: Clock, kept: Kept = Kept()) -> None:
        now = clock()
        self.asset = asset
        self._driver = driver
        self._reports = reports
        self._clock = clock
        dead_man_ms = round(driver.dead_man_s * 1000)
        self._fallback = kept.fallback
        self._guard = Guard.new(asset, kept.fallback, dead_man_ms=dead_man_ms, tolerance_w=tolerance_w(asset))
        self._marks = Marks()
        self._written_mono_ms = now.mono_ms - kept.setpoint_age_ms
        self._command: Command | None = None
        self._progress: Progress | None = None
        self._measured: Measurement | None = None
        self._measured_mono_ms = now.mono_ms
        self._told: Measurement | None = None
        self._tick = kept.tick
        self._failures = {"read": 0, "write": 0, "tick": 0}
        self._limited = False
        self.heed(kept.marks)
        if kept.held is not None:
            self._take_up(kept.held, now)

    @property
    def seen(self) -> tuple[str, int]:
        """The newest (epoch, revision) that the guard saw: what Register says is held."""
        return self._guard.seen

    @property
    def tick_count(self) -> int:
        return self._tick

    def link(self, up: bool) -> None:
        self._guard = self._guard.link(up, self._clock())

    def fall_back_by(self, fallback: Fallback) -> None:
        """The headend says how the asset goes back while nobody leads; it holds until a headend says otherwise."""
        self._fallback = fallback
        self._guard = self._guard.fall_back_by(fallback)

    def heed(self, marks: Marks) -> None:
        """Do as the people at the site want. What was held is given up, and that and the change are reported."""
        before, self._marks = self._marks, marks
        if marks.locked is not None and marks.locked != before.locked:
            self._guard = self._guard.lock(marks.locked)
            self._give_up(f"the asset was locked: {marks.locked}")
            self._event("locked", Severity.ALARM, marks.locked)
        if marks.locked is None and before.locked is not None:
            self._guard = self._guard.unlock()
            self._event("unlocked", Severity.INFO, f"no longer locked: {before.locked}")
        if marks.local is not None and before.local is None:
            self._guard = self._guard.local(True)
            self._give_up(f"the site took the device: {marks.local}")
            self._event("local", Severity.WARNING, marks.local)
        if marks.local is None and before.local is not None:
            self._guard = self._guard.local(False)
            self._event("remote", Severity.INFO, f"no longer in local mode: {before.local}")

    @property
    def impairment(self) -> Impairment | None:
        """What keeps this asset from being asked now, as far as its agent can tell."""
        writing, now = self._guard.writing, self._clock()
        if self._marks.locked is not None:
            return Impairment(ImpairmentKind.LOCKOUT, self._marks.locked)
        if self._marks.local is not None:
            return Impairment(ImpairmentKind.LOCAL, self._marks.local)
        if writing.contested(now):
            return Impairment(ImpairmentKind.CONTESTED, writing.why_contested(now))
        return None

    def receive(self, intent: Intent, clock_offset_ms: int) -> None:
        """Give an intent to the guard, and report what became of it and of the one before."""
        now = self._clock()
        self._guard, verdict = self._guard.receive(intent, now, clock_offset_ms)
        if verdict.superseded is not None and self._progress is not None:
            self._move(self._progress.supersede(), now, f"by dispatch {intent.dispatch_id}")
        if isinstance(verdict, Dropped):
            self._drop(intent, verdict, now)
            return
        log.info("setpoint taken", asset=self.asset.id, dispatch=intent.dispatch_id, setpoint_w=intent.setpoint_w)
        self._progress = Progress(intent)
        self._report(self._progress, now)

    def reading(self) -> Measurement | None:
        """The last measurement, as it may be shown now: None if there was none, HELD and COMM_LOST once it is old."""
        if self._measured is None or self._clock().mono_ms - self._measured_mono_ms <= STALE_MS:
            return self._measured
        return replace(self._measured, quality=self._measured.quality.because(Cause.COMM_LOST, Validity.HELD))

    def tell(self) -> Measurement | None:
        """The reading for telemetry, remembered in the state file as what the headend may know."""
        self._told = self.reading()
        return self._told

    async def run(self) -> None:
        """Tick until cancelled, on a steady beat; a beat that was missed is not made up for."""
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            try:
                await self.tick()
                self._recover("tick")
            except Exception as error:
                self._fail("tick", error)  # a fault of ours: this asset's, and not its neighbours'
            due_s = max(due_s + TICK_S, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def tick(self) -> None:
        """One turn. Whatever the driver does, the guard is stepped: its deadlines do not wait for a device."""
        self._tick += 1
        measurement = await self._read()
        now = self._clock()
        before, (self._guard, command) = self._guard, self._guard.step(measurement, now)
        if command.write:
            await self._write(DeviceSetpoint(command.setpoint_w))
        self._follow(command, measurement, now)
        self._note_contest(before, now)
        self._note_limit(command)
        self._command = command

    def saved(self, boot: str, link: str) -> Saved | None:
        """What the state file says of this asset now; None before the first measurement."""
        measured = self._measured
        if measured is None:
            return None
        orders = self._guard.orders
        return Saved(
            asset_id=self.asset.id,
            time_ms=measured.time_ms,
            mono_ms=self._measured_mono_ms,
            boot=boot,
            tick=self._tick,
            power_w=measured.power_w,
            soc_wh=measured.soc_wh,
            setpoint_w=measured.setpoint_w,
            setpoint_age_s=max(self._measured_mono_ms - self._written_mono_ms, 0) / 1000,
            guard=self._guard.state().value if self._command is None else self._command.state.value,
            link=link,
            pid=os.getpid(),
            reported_w=None if self._told is None else self._told.power_w,
            reported_ms=None if self._told is None else self._told.time_ms,
            held=None
            if orders.held is None or self._progress is None
            else Held(orders.held, orders.deadline_ms, self._progress.reached, orders.steps_begun),
            fallback=self._fallback,
        )

    # Intents

    def _take_up(self, held: Held, now: Now) -> None:
        """Go on with what the last process of this asset held, to the same deadline and at the same step.

        Only within one boot: the monotonic deadline then still means what it meant. The offset is the one that gives
        it.
        """
        offset_ms = held.intent.expires_ms - now.utc_ms - (held.deadline_mono_ms - now.mono_ms)
        guard, verdict = self._guard.receive(held.intent, now, offset_ms)
        self._guard = guard.resume(held.steps_begun)
        progress = Progress(held.intent, held.reached)
        if isinstance(verdict, Dropped) and verdict.outcome is IntentState.REFUSED:
            self._move(progress.give_up(), now, verdict.reason)
        elif isinstance(verdict, Dropped):
            self._move(progress.end(), now, "it ended while the agent was away")
        else:
            self._progress = progress
            log.info("setpoint taken up again", asset=self.asset.id, dispatch=held.intent.dispatch_id)

    def _give_up(self, reason: str) -> None:
        if self._progress is not None:
            self._move(self._progress.give_up(), self._clock(), reason)

    def _drop(self, intent: Intent, dropped: Dropped, now: Now) -> None:
        log.warning("setpoint dropped", asset=self.asset.id, dispatch=intent.dispatch_id, why=dropped.reason)
        if dropped.outcome is not None:
            self._reports.report(_report_of(intent, dropped.outcome, dropped.reason, now, self._seen()))

    def _follow(self, command: Command, measurement: Measurement | None, now: Now) -> None:
        """Report what the device shows of the intent, once for each state it reaches. A HELD value shows nothing."""
        if self._progress is None:
            return
        ended = command.ended is not None
        if measurement is not None and _of_now(measurement):
            self._move(self._progress.observe(self.asset, measurement, ended=ended), now)
        elif ended:
            self._move(self._progress.end(), now, "its end came while the device could not be read")

    def _move(self, progress: Progress, now: Now, reason: str = "") -> None:
        changed = self._progress is None or progress.reached is not self._progress.reached
        self._progress = None if progress.over else progress
        if changed:
            self._report(progress, now, reason)

    def _report(self, progress: Progress, now: Now, reason: str = "") -> None:
        self._reports.report(_report_of(progress.intent, progress.reached, reason, now, self._seen()))

    def _seen(self) -> Measurement | None:
        """The last measurement, where it is still of the device as it is now."""
        reading = self.reading()
        return reading if reading is not None and _of_now(reading) else None

    # The device

    async def _read(self) -> Measurement | None:
        try:
            async with asyncio.timeout(DEVICE_S):
                measurement = believable(self.asset, await self._driver.read())
        except Exception as error:
            self._fail("read", error)
            return None
        self._measured, self._measured_mono_ms = measurement, self._clock().mono_ms
        self._recover("read")
        return measurement

    async def _write(self, asked: DeviceSetpoint) -> None:
        try:
            async with asyncio.timeout(DEVICE_S):
                read_back = await self._driver.write(asked)
        except Exception as error:
            self._fail("write", error)
            return
        now = self._clock()
        self._guard = self._guard.wrote(asked.power_w, read_back.setpoint_w, now)
        self._written_mono_ms = now.mono_ms
        self._recover("write")

    def _fail(self, what: str, error: Exception) -> None:
        known = self._lost
        self._failures[what] += 1
        if self._lost and not known:
            why = str(error) or type(error).__name__
            self._event("device_lost", Severity.ALARM, f"{what} failed {LOST_AFTER} times: {why}")

    def _recover(self, what: str) -> None:
        known = self._lost
        self._failures[what] = 0
        if known and not self._lost:
            self._event("device_found", Severity.INFO, "the device answers again")

    @property
    def _lost(self) -> bool:
        return max(self._failures.values()) >= LOST_AFTER

    # What people should know

    def _note_contest(self, before: Guard, now: Now) -> None:
        """Say each time that another controller is found to have the device."""
        writing = self._guard.writing
        if writing.contests > before.writing.contests:
            self._event("contested", Severity.ALARM, writing.why_contested(now))

    def _note_limit(self, command: Command) -> None:
        """Say once when the guard holds the asset back from what was asked (a SOC bound): no shortfall is silent."""
        if command.limited and not self._limited:
            self._event("limited", Severity.WARNING, f"held at {command.setpoint_w} W: {command.reason}")
        self._limited = command.limited

    def _event(self, kind: str, severity: Severity, message: str) -> None:
        say = log.info if severity is Severity.INFO else log.warning
        say(kind.replace("_", " "), asset=self.asset.id, why=message)
        self._reports.event(AssetEvent(self.asset.id, kind, severity, message, self._clock().utc_ms))


def believable(asset: Asset, measurement: Measurement) -> Measurement:
    """The measurement itself. Raises ValueError where it is another asset's, or a number in it cannot be one."""
    if measurement.asset_id != asset.id:
        raise ValueError(f"the driver answered for asset {measurement.asset_id!r}")
    signed = {"power_w": measurement.power_w, "setpoint_w": measurement.setpoint_w}
    unsigned = {
        "soc_wh": measurement.soc_wh,
        "available_up_w": measurement.available_up_w,
        "available_down_w": measurement.available_down_w,
    }
    wrong = [
        f"{name} {value}" for name, value in (signed | unsigned).items() if value is not None and not isfinite(value)
    ]
    wrong += [f"{name} {value}" for name, value in unsigned.items() if value is not None and value < 0]
    if wrong:
        raise ValueError(f"the driver gave what cannot be: {', '.join(wrong)}")
    return measurement


def _of_now(measurement: Measurement) -> bool:
    return measurement.quality.validity < Validity.HELD


def _report_of(intent: Intent, state: IntentState, reason: str, now: Now, measured: Measurement | None) -> Report:
    power_w = None if measured is None else measured.power_w
    return Report(
        asset_id=intent.asset_id,
        epoch=intent.epoch,
        revision=intent.revision,
        dispatch_id=intent.dispatch_id,
        state=state,
        reason=reason,
        time_ms=now.utc_ms,
        power_w=power_w,
    )
