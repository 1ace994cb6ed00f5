"""What becomes of a master's control, decided from local state alone (DESIGN.md section 8, rules 6 to 8). Pure.

A master is timing the answer, so nothing here waits for anybody: `decide` says yes or no, `accept` notes what is
under way, `follow` takes in what the headend reports, and `overdue` gives up what nobody reports on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from dermscore.intent import TERMINAL, IntentState, advance
from dermscore.model import Now
from dermscore.quality import Quality, Source, Validity
from dermscore.sheets.points import CommandRow, Control, Mode
from gateway.contract import Contract
from gateway.faces import ControlRequest, Status
from wire.boundary import MOST_OPEN, BoundaryCommand, BoundaryOutcome

QUARTER_HOUR_MS: Final = 15 * 60 * 1000
REMEMBERED: Final = 1000
"""Commands that are over and whose late reports are still known for ours."""

UNVOUCHED: Final = Quality(Validity.QUESTIONABLE, Source.CALCULATED)
"""The quality of what was delivered where the headend gave none."""

NOT_CONFIRMED: Final = "not confirmed within feedback_timeout_s"

_CONFIRMED: Final = frozenset({IntentState.ACTIVE, IntentState.FOLLOWING, IntentState.SUSPENDED}) | TERMINAL
_NEVER_IN_FORCE: Final = frozenset({IntentState.REFUSED, IntentState.FAILED})


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a decision depends on beside the contract and the commands themselves.

    `heard_mono_ms` is up to when the headend's word reaches, by our monotonic clock.
    """

    isolated: bool
    link_up: bool
    audit_ok: bool
    heard_mono_ms: int


@dataclass(frozen=True, slots=True)
class Flight:
    """One accepted command. `overdue_mono_ms` is when it is given up unless the device is known to have it by then.

    `inferred`: that it failed is our own guess, because nobody confirmed it. The devices may have it all the same.
    `delivered_w` was measured at `measured_ms` (UTC, the headend's) with `quality` (None: nothing vouches for it).
    `lost_mono_ms` is up to when the headend's word reached when the link went; None where it has told of this command
    since. `unmeasured`: when it was told of last, `delivered_w` was known no more. `disowned`: the headend said that it
    knows no such command.
    `until_mono_ms` is when its hold has run out, counted from its acceptance; None where it stands until changed.
    """

    id: str
    command: str
    target_w: float | None
    master: str
    accepted_ms: int
    overdue_mono_ms: int
    state: IntentState = IntentState.SUBMITTED
    reason: str = ""
    delivered_w: float | None = None
    inferred: bool = False
    quality: Quality | None = None
    measured_ms: int = 0
    lost_mono_ms: int | None = None
    until_mono_ms: int | None = None
    unmeasured: bool = False
    disowned: bool = False

    @property
    def under_way(self) -> bool:
        """Accepted, and nobody knows yet whether the devices have it."""
        return self.state not in _CONFIRMED

    @property
    def over(self) -> bool:
        return self.state in TERMINAL

    @property
    def final(self) -> bool:
        """Whether nothing more will be told of it."""
        return self.over and not self.inferred

    @property
    def stands(self) -> bool:
        """Whether its target is in force, as far as anybody knows."""
        return not self.final

    def in_effect(self, now: Now) -> bool:
        """Whether it is known to be neither over, given up nor suspended, and its hold has not run out."""
        held = self.until_mono_ms is None or now.mono_ms < self.until_mono_ms
        return held and not self.over and self.state is not IntentState.SUSPENDED


@dataclass(frozen=True, slots=True)
class Commands:
    """Every command that is remembered, oldest first, by id; who is in control; and the energy moved lately.

    `in_control` is (outstation, master) of the one who operated first, or who took over since; `moved` are (monotonic
    ms, Wh) of accepted targets.
    """

    flights: Mapping[str, Flight] = field(default_factory=dict)
    in_control: tuple[str, str] | None = None
    moved: Sequence[tuple[int, float]] = ()

    def newest(self, command: str) -> Flight | None:
        """The last flight of a command."""
        return next((each for each in reversed(tuple(self.flights.values())) if each.command == command), None)

    def standing(self, command: str) -> Flight | None:
        """The flight of a command that came into force last, or may have: one whose fate is not known counts. One that
        is known to have failed left standing what stood before it.
        """
        every = (each for each in reversed(tuple(self.flights.values())) if each.command == command)
        return next((each for each in every if each.inferred or each.state not in _NEVER_IN_FORCE), None)

    @property
    def open(self) -> tuple[str, ...]:
        """The ids of those whose end is not known, the newest `MOST_OPEN`: what a headend is asked about."""
        every = [each.id for each in self.flights.values() if not each.final and not each.disowned]
        return tuple(every[-MOST_OPEN:])

    @property
    def under_way(self) -> list[Flight]:
        return [flight for flight in self.flights.values() if flight.under_way]


@dataclass(frozen=True, slots=True)
class Wish:
    """A control that passed every check: what it asks for."""

    row: CommandRow
    target_w: float | None
    energy_wh: float


@dataclass(frozen=True, slots=True)
class Denied:
    """A control that did not. `status` is the master's answer, `rule` and `reason` the trail's."""

    status: Status
    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything that one decision looks at."""

    request: ControlRequest
    row: CommandRow
    contract: Contract
    commands: Commands
    conditions: Conditions
    now: Now

    @property
    def master(self) -> tuple[str, str]:
        return self.request.outstation, self.request.master

    @property
    def target_w(self) -> float | None:
        return None if self.request.value is None else self.row.to_si(self.request.value)

    @property
    def step_w(self) -> float:
        """How far the target is from the one asked for last; from 0 W where none was."""
        return 0.0 if self.target_w is None else abs(self.target_w - target_in_force_w(self.commands, self.row))

    @property
    def energy_wh(self) -> float:
        """The energy that the step moves within 15 minutes."""
        return self.step_w / 4


def decide(
    request: ControlRequest, contract: Contract, commands: Commands, conditions: Conditions, now: Now
) -> Wish | Denied:
    """Whether a control may be carried out. The checks stand in `_CHECKS`, in their order; the first that fails
    answers.
    """
    row = contract.command_at.get((request.outstation, request.type, request.index))
    if row is None:
        return Denied(Status.NOT_SUPPORTED, "unknown", f"no command at {request.type} {request.index}")
    case = _Case(request, row, contract, commands, conditions, now)
    for check in _CHECKS:
        denied = check(case)
        if denied is not None:
            return denied
    return Wish(row, case.target_w if row.mode is Mode.TARGET else None, case.energy_wh)


def accept(commands: Commands, wish: Wish, request: ControlRequest, identifier: str, now: Now) -> Commands:
    """The command is durable and recorded: it is under way, and its master is in control."""
    flight = Flight(
        id=identifier,
        command=wish.row.name,
        target_w=wish.target_w,
        master=request.master,
        accepted_ms=now.utc_ms,
        overdue_mono_ms=now.mono_ms + round(wish.row.feedback_timeout_s * 1000),
        until_mono_ms=None if wish.row.hold_s is None else now.mono_ms + wish.row.hold_s * 1000,
    )
    moved = (*_lately(commands, now), (now.mono_ms, wish.energy_wh))
    in_control = (request.outstation, request.master)
    return Commands(_remembered({**commands.flights, identifier: flight}), in_control, moved)


def take_over(commands: Commands, holder: tuple[str, str]) -> Commands:
    """An operator puts `holder`, an (outstation, master), in control. What stands goes on, and is its to change now."""
    return replace(commands, in_control=holder)


def order(wish: Wish, identifier: str) -> BoundaryCommand:
    """What goes to the headend."""
    row = wish.row
    return BoundaryCommand(identifier, row.path, row.mode.value, wish.target_w, row.hold_s or 0, row.primacy)


def follow(commands: Commands, told: BoundaryOutcome) -> tuple[Commands, Flight | None]:
    """Take in what the headend reports: the flight as it is then, or None where nothing changed (late or repeated).

    A failure that we only inferred is taken up again by whoever knows better. That the headend knows no such command is
    no more than a guess at its end either: it may be on the headend's desk still, or its store may be an older copy.
    """
    flight = commands.flights.get(told.id)
    if flight is None or not _tells(flight, told.state):
        return commands, None
    after = replace(flight, state=told.state, reason=told.reason, lost_mono_ms=None)
    after = replace(after, inferred=told.unknown, disowned=told.unknown)
    if told.delivered_w is None:
        after = replace(after, unmeasured=flight.delivered_w is not None)
    else:
        after = replace(after, delivered_w=told.delivered_w, quality=told.quality, measured_ms=told.time_ms)
        after = replace(after, unmeasured=False)
    if after == flight:
        return commands, None
    return replace(commands, flights={**commands.flights, told.id: after}), after


def overdue(commands: Commands, now: Now) -> tuple[Commands, tuple[Flight, ...]]:
    """Give up the commands that should have been confirmed by now."""
    late = [each for each in commands.under_way if now.mono_ms >= each.overdue_mono_ms]
    failed = tuple(replace(each, state=IntentState.FAILED, reason=NOT_CONFIRMED, inferred=True) for each in late)
    return replace(commands, flights={**commands.flights, **{each.id: each for each in failed}}), failed


def lose(commands: Commands, heard_mono_ms: int) -> Commands:
    """The link is down, and the headend's word reaches up to `heard_mono_ms`: of what is not over for good nobody knows
    how it stands, until it is told of again.
    """
    known = (each for each in commands.flights.values() if not each.final)
    lost = (each for each in known if each.lost_mono_ms is None or heard_mono_ms < each.lost_mono_ms)
    after = {each.id: replace(each, lost_mono_ms=heard_mono_ms) for each in lost}
    return replace(commands, flights={**commands.flights, **after}) if after else commands


def target_in_force_w(commands: Commands, row: CommandRow) -> float:
    """The target that SCADA asked for last with this command and that still stands, in W; 0 where there is none.

    One whose fate is not known counts: a step must not be allowed because nobody answered.
    """
    flight = commands.standing(row.name)
    return 0.0 if flight is None or not flight.stands else flight.target_w or 0.0


# The checks, in order. Each says why not, or None.


def _authorised(case: _Case) -> Denied | None:
    if case.master in case.contract.may_control:
        return None
    return Denied(Status.NOT_AUTHORIZED, "not-authorised", f"{case.request.master} may look and not operate")


def _not_isolated(case: _Case) -> Denied | None:
    return Denied(Status.BLOCKED, "isolated", "the boundary is closed") if case.conditions.isolated else None


def _linked(case: _Case) -> Denied | None:
    if case.conditions.link_up:
        return None
    return Denied(Status.DOWNSTREAM_FAIL, "link-down", "the headend cannot be reached; nothing is kept for later")


def _how(case: _Case) -> Denied | None:
    allowed = case.row.control
    direct = case.request.how == "direct"
    if allowed is Control.BOTH or (allowed is Control.DIRECT) == direct:
        return None
    return Denied(Status.NOT_SUPPORTED, "control", f"{case.row.name} takes {allowed.value} only")


def _code(case: _Case) -> Denied | None:
    request = case.request
    if case.row.mode is Mode.TARGET:
        return None
    codes = case.contract.outstation[request.outstation].codes
    if request.code in codes and request.count == 1:
        return None
    what = f"{request.code} (count {request.count}) is not one of {', '.join(codes)} with count 1"
    return Denied(Status.NOT_SUPPORTED, "code", what)


def _in_range(case: _Case) -> Denied | None:
    value = case.request.value
    if case.row.mode is Mode.RELEASE:
        return None
    if value is not None and math.isfinite(value) and case.row.in_range(value):
        return None
    return Denied(Status.OUT_OF_RANGE, "out-of-range", f"{value} is outside {case.row.low:g}..{case.row.high:g}")


def _small_step(case: _Case) -> Denied | None:
    most_w = case.row.max_step_w
    if most_w is None or case.step_w <= most_w:
        return None
    return Denied(Status.OUT_OF_RANGE, "max-step", f"a step of {case.step_w:g} W; at most {most_w:g} W at once")


def _sole_master(case: _Case) -> Denied | None:
    holder = case.commands.in_control
    if holder is None or holder == case.master:
        return None
    return Denied(Status.BLOCKED_OTHER_MASTER, "other-master", f"{holder[1]} on {holder[0]} is in control")


def _not_under_way(case: _Case) -> Denied | None:
    flight = case.commands.newest(case.row.name)
    if flight is None or not flight.under_way:
        return None
    return Denied(Status.ALREADY_ACTIVE, "under-way", f"{flight.id} is not confirmed yet")


def _room(case: _Case) -> Denied | None:
    under_way, most = len(case.commands.under_way), case.contract.boundary.limits.max_in_flight
    if under_way < most:
        return None
    return Denied(Status.PROCESSING_LIMITED, "full", f"{under_way} commands are under way; at most {most}")


def _energy(case: _Case) -> Denied | None:
    most_mwh = case.contract.boundary.limits.energy_mwh_per_15min
    moved_wh = sum(energy_wh for _, energy_wh in _lately(case.commands, case.now)) + case.energy_wh
    if most_mwh is None or moved_wh <= most_mwh * 1e6:
        return None
    what = f"{moved_wh / 1e6:g} MWh would have moved within 15 minutes; at most {most_mwh:g}"
    return Denied(Status.AUTOMATION_INHIBIT, "energy", what)


def _recordable(case: _Case) -> Denied | None:
    """What cannot be recorded must not happen. HARDWARE_ERROR: what failed is this device, not the request."""
    if case.conditions.audit_ok:
        return None
    return Denied(Status.HARDWARE_ERROR, "audit", "the trail cannot be written")


_CHECKS: Final[tuple[Callable[[_Case], Denied | None], ...]] = (
    _authorised,
    _not_isolated,
    _linked,
    _how,
    _code,
    _in_range,
    _small_step,
    _sole_master,
    _not_under_way,
    _room,
    _energy,
    _recordable,
)


def _lately(commands: Commands, now: Now) -> tuple[tuple[int, float], ...]:
    return tuple(each for each in commands.moved if now.mono_ms - each[0] < QUARTER_HOUR_MS)


def _tells(flight: Flight, state: IntentState) -> bool:
    """Whether a report of `state` says more than is known. Only who knows a command's fate corrects an inferred one."""
    if flight.inferred:
        return state in _CONFIRMED
    return advance(flight.state, state) is state


def _remembered(flights: Mapping[str, Flight]) -> dict[str, Flight]:
    """All that is not over, the last of each command, and of the rest the newest."""
    forget = max(0, len(flights) - REMEMBERED)
    newest = {flight.command: identifier for identifier, flight in flights.items()}.values()
    over = [identifier for identifier, flight in flights.items() if flight.over and identifier not in newest][:forget]
    return {identifier: flight for identifier, flight in flights.items() if identifier not in over}
