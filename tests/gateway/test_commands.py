"""What a master is answered, check by check, and what becomes of a command that was accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.intent import TERMINAL, IntentState
from dermscore.quality import Quality, Source
from dermscore.sheets.points import PointType
from gateway import commands
from gateway.commands import REMEMBERED, Commands, Conditions, Denied, Wish, accept, decide, follow, overdue
from gateway.contract import Contract
from gateway.faces import ControlRequest, Status
from tests.gateway.stage import M0, PATH, Clock, contract
from tests.gateway.stage import commands as rows
from wire.boundary import BoundaryCommand, BoundaryOutcome

CONTRACT = contract()
WELL = Conditions(isolated=False, link_up=True, audit_ok=True, heard_mono_ms=M0)
TARGET = ControlRequest("main", PointType.AO, 0, 250.0, None, 1, "direct", "ems", "main/1", "127.0.0.1:5000")
RELEASE = replace(TARGET, type=PointType.BO, value=None, code="LATCH_ON")


def with_rows(**changes: Any) -> Contract:
    """The contract with its target command changed."""
    target, release = rows()
    return contract(command_rows=[{**target, **changes}, release])


def ask(
    request: ControlRequest = TARGET,
    *,
    known: Commands | None = None,
    conditions: Conditions = WELL,
    of: Contract = CONTRACT,
    clock: Clock | None = None,
) -> Wish | Denied:
    return decide(request, of, known or Commands(), conditions, (clock or Clock()).now)


def flown(*requests: ControlRequest, of: Contract = CONTRACT, clock: Clock | None = None) -> Commands:
    """Commands that were accepted and confirmed, one after the other."""
    at, known = clock or Clock(), Commands()
    for number, request in enumerate(requests):
        wish = ask(request, known=known, of=of, clock=at)
        assert isinstance(wish, Wish), wish
        known = accept(known, wish, request, f"cmd-{number}", at.now)
        known, _ = follow(known, told(f"cmd-{number}", IntentState.ACTIVE))
    return known


def told(identifier: str, state: IntentState, **more: Any) -> BoundaryOutcome:
    values = {"reason": "", "delivered_w": None, "shortfall_w": None, "time_ms": 0, **more}
    return BoundaryOutcome(id=identifier, state=state, **values)


def test_a_control_within_the_contract_is_a_wish_in_watts() -> None:
    wish = ask()
    assert isinstance(wish, Wish)
    assert (wish.row.name, wish.target_w, wish.energy_wh) == ("target", 250_000.0, 62_500.0)
    assert commands.order(wish, "id-1") == BoundaryCommand("id-1", PATH, "target", 250_000.0, 0, 1)
    release = ask(RELEASE)
    assert isinstance(release, Wish)
    assert commands.order(release, "id-2") == BoundaryCommand("id-2", PATH, "release", None, 0, 1)


def test_a_row_says_how_long_its_setpoint_holds() -> None:
    wish = ask(of=with_rows(hold=900))
    assert isinstance(wish, Wish)
    assert commands.order(wish, "id-1").hold_s == 900


ONE_UNDER_WAY = accept(Commands(), Wish(CONTRACT.command["target"], 0.0, 0.0), TARGET, "cmd-0", Clock().now)
FULL = accept(ONE_UNDER_WAY, Wish(CONTRACT.command["release"], None, 0.0), RELEASE, "cmd-1", Clock().now)


@pytest.mark.parametrize(
    ("given_", "status"),
    [
        ({"request": replace(TARGET, index=1)}, Status.NOT_SUPPORTED),
        ({"request": replace(TARGET, type=PointType.BO, code="LATCH_ON", index=3)}, Status.NOT_SUPPORTED),
        ({"request": replace(TARGET, outstation="other")}, Status.NOT_SUPPORTED),
        ({"request": replace(TARGET, master="viewer")}, Status.NOT_AUTHORIZED),
        ({"request": replace(TARGET, master="nobody")}, Status.NOT_AUTHORIZED),
        ({"conditions": replace(WELL, isolated=True, link_up=False)}, Status.BLOCKED),
        ({"conditions": replace(WELL, link_up=False)}, Status.DOWNSTREAM_FAIL),
        ({"of": with_rows(control="sbo")}, Status.NOT_SUPPORTED),
        ({"of": with_rows(control="direct"), "request": replace(TARGET, how="operate")}, Status.NOT_SUPPORTED),
        ({"of": with_rows(control="direct"), "request": replace(TARGET, how="select")}, Status.NOT_SUPPORTED),
        ({"request": replace(RELEASE, code="LATCH_OFF")}, Status.NOT_SUPPORTED),
        ({"request": replace(RELEASE, code="NUL")}, Status.NOT_SUPPORTED),
        ({"request": replace(RELEASE, count=2)}, Status.NOT_SUPPORTED),
        ({"request": replace(TARGET, value=501.0)}, Status.OUT_OF_RANGE),
        ({"request": replace(TARGET, value=-500.5)}, Status.OUT_OF_RANGE),
        ({"request": replace(TARGET, value=float("nan"))}, Status.OUT_OF_RANGE),
        ({"request": replace(TARGET, value=float("inf"))}, Status.OUT_OF_RANGE),
        ({"request": replace(TARGET, value=None)}, Status.OUT_OF_RANGE),
        ({"of": with_rows(max_step_w=249_999)}, Status.OUT_OF_RANGE),
        ({"known": flown(replace(TARGET, value=-400.0)), "request": replace(TARGET, value=201.0)}, Status.OUT_OF_RANGE),
        ({"known": flown(TARGET), "request": replace(TARGET, master="backup")}, Status.BLOCKED_OTHER_MASTER),
        ({"known": ONE_UNDER_WAY}, Status.ALREADY_ACTIVE),
        ({"known": replace(FULL, flights=dict(FULL.flights)), "request": RELEASE}, Status.ALREADY_ACTIVE),
        ({"of": contract(energy=0.05)}, Status.AUTOMATION_INHIBIT),
        ({"conditions": replace(WELL, audit_ok=False)}, Status.HARDWARE_ERROR),
    ],
)
def test_what_a_failed_check_answers(given_: dict[str, Any], status: Status) -> None:
    denied = ask(**given_)
    assert isinstance(denied, Denied)
    assert denied.status is status
    assert denied.rule
    assert denied.reason


def test_more_commands_than_may_be_under_way_are_limited() -> None:
    third = [*rows(), {**rows()[1], "name": "second release", "index": 1, "status_point": "third state"}]
    from tests.gateway.stage import point, points

    status = point("third state", "command_state", "state", "command", 9)
    wide = contract(command_rows=third, point_rows=[*points(), status])
    denied = ask(replace(RELEASE, index=1), known=FULL, of=wide)
    assert isinstance(denied, Denied)
    assert denied.status is Status.PROCESSING_LIMITED


def test_the_energy_of_a_quarter_of_an_hour_is_capped_over_all_commands() -> None:
    clock, capped = Clock(), contract(energy=0.1)  # 100 kWh: 400 kW moved, in all
    known = flown(replace(TARGET, value=200.0), replace(TARGET, value=0.0), of=capped, clock=clock)
    assert isinstance(ask(replace(TARGET, value=1.0), known=known, of=capped, clock=clock), Denied)
    clock.advance(899.0)
    assert isinstance(ask(replace(TARGET, value=1.0), known=known, of=capped, clock=clock), Denied)
    clock.advance(1.0)
    assert isinstance(ask(replace(TARGET, value=1.0), known=known, of=capped, clock=clock), Wish)


def test_without_a_cap_any_energy_may_move() -> None:
    from tests.gateway.stage import files

    given_ = files()
    given_["boundary.yaml"] = given_["boundary.yaml"].replace(b", energy_mwh_per_15min: 1000.0", b"")
    assert isinstance(ask(of=Contract.parse(given_, "test")), Wish)


def test_a_step_counts_from_the_target_that_still_stands() -> None:
    known = flown(replace(TARGET, value=400.0))
    row = CONTRACT.command["target"]
    assert commands.target_in_force_w(known, row) == 400_000.0
    known, _ = follow(known, told("cmd-0", IntentState.SUPERSEDED))
    assert commands.target_in_force_w(known, row) == 0.0


@given(value=st.floats(allow_nan=True, allow_infinity=True))
def test_no_number_gets_through_that_is_outside_the_row(value: float) -> None:
    answer = ask(replace(TARGET, value=value))
    if isinstance(answer, Wish):
        assert answer.target_w is not None
        assert -500_000 <= answer.target_w <= 500_000


# What becomes of a command.


def test_a_suspended_command_is_waited_for_by_nobody_and_is_heard_of_again_when_a_device_has_it() -> None:
    clock = Clock()
    known = accept(Commands(), Wish(CONTRACT.command["target"], 1.0, 0.0), TARGET, "cmd-0", clock.now)
    for state in (IntentState.FOLLOWING, IntentState.SUSPENDED):
        known, flight = follow(known, told("cmd-0", state))
    assert flight is not None
    assert (flight.under_way, flight.over) == (False, False)
    assert overdue(known, replace(clock.now, mono_ms=flight.overdue_mono_ms)) == (known, ())
    assert follow(known, told("cmd-0", IntentState.RECEIVED)) == (known, None)
    _, flight = follow(known, told("cmd-0", IntentState.ACTIVE))
    assert flight is not None
    assert flight.state is IntentState.ACTIVE


def test_a_command_follows_its_reports_and_never_back() -> None:
    known = accept(Commands(), Wish(CONTRACT.command["target"], 1.0, 0.0), TARGET, "cmd-0", Clock().now)
    known, flight = follow(known, told("cmd-0", IntentState.ACTIVE, delivered_w=5.0))
    assert flight is not None
    assert (flight.state, flight.delivered_w, flight.under_way) == (IntentState.ACTIVE, 5.0, False)
    again, late = follow(known, told("cmd-0", IntentState.SENT))
    assert (again, late) == (known, None)
    again, repeated = follow(known, told("cmd-0", IntentState.ACTIVE, delivered_w=5.0))
    assert (again, repeated) == (known, None)
    known, flight = follow(known, told("cmd-0", IntentState.COMPLETE))
    assert flight is not None
    assert (flight.over, flight.delivered_w) == (True, 5.0)  # what is not told again still stands


GOOD = Quality(source=Source.CALCULATED)


def test_what_is_delivered_keeps_its_quality_and_time_until_the_link_is_lost() -> None:
    known = flown(TARGET)
    known, _ = follow(known, told("cmd-0", IntentState.ACTIVE, delivered_w=5.0, quality=GOOD, time_ms=7))
    known, flight = follow(known, told("cmd-0", IntentState.FOLLOWING, time_ms=9))
    assert flight is not None
    assert (flight.delivered_w, flight.quality, flight.measured_ms, flight.lost_mono_ms) == (5.0, GOOD, 7, None)
    known, flight = follow(known, told("cmd-0", IntentState.FOLLOWING, delivered_w=5.0, quality=GOOD, time_ms=7))
    assert flight is not None
    known = commands.lose(known, M0)
    assert known.flights["cmd-0"] == replace(flight, lost_mono_ms=M0)
    assert commands.lose(known, M0 + 1) == known  # it went when it went
    assert (
        commands.lose(known, M0 - 1).flights["cmd-0"].lost_mono_ms == M0 - 1
    )  # unless it is not to be believed at all
    known, again = follow(known, told("cmd-0", IntentState.FOLLOWING, delivered_w=5.0, quality=GOOD, time_ms=7))
    assert again == flight


@pytest.mark.parametrize("quality", [GOOD, None])
def test_who_tells_again_without_what_is_delivered_vouches_for_none_of_it(quality: Quality | None) -> None:
    known = flown(TARGET)
    known, _ = follow(known, told("cmd-0", IntentState.ACTIVE, delivered_w=5.0, quality=quality))
    known = commands.lose(known, M0)
    known, flight = follow(known, told("cmd-0", IntentState.FOLLOWING))
    assert flight is not None
    assert (flight.lost_mono_ms, flight.unmeasured) == (None, True)
    assert flight.quality == quality  # what crossed stays as it stands in the trail
    known, flight = follow(known, told("cmd-0", IntentState.FOLLOWING, delivered_w=6.0, quality=GOOD))
    assert flight is not None
    assert not flight.unmeasured


def test_what_was_never_measured_is_not_lost() -> None:
    _, flight = follow(flown(TARGET), told("cmd-0", IntentState.FOLLOWING))
    assert flight is not None
    assert not flight.unmeasured


def test_what_is_over_for_good_is_not_lost_with_the_link_and_what_was_only_given_up_is() -> None:
    over, _ = follow(flown(TARGET), told("cmd-0", IntentState.COMPLETE))
    assert commands.lose(over, M0) == over
    guessed = commands.lose(given_up(400.0), M0)
    assert guessed.flights["cmd-0"].lost_mono_ms == M0


def test_a_target_is_in_effect_until_it_is_over_or_its_hold_has_run_out() -> None:
    clock, of = Clock(), with_rows(hold=60)
    flight = flown(TARGET, of=of).flights["cmd-0"]
    assert flight.in_effect(clock.now)
    assert not replace(flight, state=IntentState.SUPERSEDED).in_effect(clock.now)
    assert not replace(flight, state=IntentState.SUSPENDED).in_effect(clock.now)
    clock.advance(59.999)
    assert flight.in_effect(clock.now)
    clock.advance(0.001)
    assert not flight.in_effect(clock.now)
    assert flown(TARGET).flights["cmd-0"].in_effect(clock.now)  # until it is changed


def test_the_outcome_of_another_is_nobodys() -> None:
    assert follow(Commands(), told("cmd-9", IntentState.ACTIVE)) == (Commands(), None)


def test_what_nobody_confirms_is_given_up() -> None:
    clock = Clock()
    known = accept(Commands(), Wish(CONTRACT.command["target"], 1.0, 0.0), TARGET, "cmd-0", clock.now)
    clock.advance(29.999)
    assert overdue(known, clock.now) == (known, ())
    clock.advance(0.001)
    known, (failed,) = overdue(known, clock.now)
    assert (failed.state, failed.reason) == (IntentState.FAILED, "not confirmed within feedback_timeout_s")
    assert overdue(known, clock.now) == (known, ())
    assert isinstance(ask(known=known, clock=clock), Wish)


def given_up(value: float) -> Commands:
    """A target that nobody confirmed in time."""
    request, clock = replace(TARGET, value=value), Clock()
    wish = ask(request)
    assert isinstance(wish, Wish)
    known = accept(Commands(), wish, request, "cmd-0", clock.now)
    clock.advance(30)
    return overdue(known, clock.now)[0]


def test_a_failure_that_was_only_inferred_is_taken_up_again_by_who_knows_better() -> None:
    known = given_up(400.0)
    for unsure in (IntentState.SUBMITTED, IntentState.SENT, IntentState.RECEIVED):
        assert follow(known, told("cmd-0", unsure)) == (known, None)
    known, flight = follow(known, told("cmd-0", IntentState.FOLLOWING, delivered_w=400_000.0))
    assert flight is not None
    assert (flight.state, flight.reason, flight.over) == (IntentState.FOLLOWING, "", False)
    known, _ = follow(known, told("cmd-0", IntentState.FAILED))
    assert follow(known, told("cmd-0", IntentState.FOLLOWING)) == (known, None)  # this one was told, not inferred


def test_a_target_of_unknown_fate_counts_as_in_force_until_its_fate_is_known() -> None:
    known, opposite = given_up(400.0), replace(TARGET, value=-201.0)
    denied = ask(opposite, known=known)
    assert isinstance(denied, Denied)
    assert denied.rule == "max-step"
    known, flight = follow(known, told("cmd-0", IntentState.FAILED))
    assert flight is not None
    assert isinstance(ask(opposite, known=known), Wish)


@pytest.mark.parametrize("state", [IntentState.REFUSED, IntentState.FAILED])
def test_a_target_that_never_came_into_force_leaves_the_one_before_it(state: IntentState) -> None:
    known = flown(replace(TARGET, value=400.0))
    known = accept(known, Wish(CONTRACT.command["release"], None, 0.0), RELEASE, "other", Clock().now)
    known = accept(known, Wish(CONTRACT.command["target"], 1.0, 0.0), TARGET, "cmd-1", Clock().now)
    known, _ = follow(known, told("cmd-1", state))
    assert commands.target_in_force_w(known, CONTRACT.command["target"]) == 400_000.0


def test_who_takes_over_operates_and_the_other_no_longer() -> None:
    known, backup = flown(TARGET), replace(TARGET, master="backup")
    before = ask(backup, known=known)
    assert isinstance(before, Denied)
    assert before.status is Status.BLOCKED_OTHER_MASTER
    known = commands.take_over(known, ("main", "backup"))
    assert isinstance(ask(backup, known=known), Wish)
    after = ask(known=known)
    assert isinstance(after, Denied)
    assert (after.status, after.reason) == (Status.BLOCKED_OTHER_MASTER, "backup on main is in control")
    assert commands.target_in_force_w(known, CONTRACT.command["target"]) == 250_000.0  # what stands goes on


def test_only_what_is_over_is_forgotten() -> None:
    known = Commands()
    for number in range(REMEMBERED + 20):
        known = accept(known, Wish(CONTRACT.command["target"], 1.0, 0.0), TARGET, f"cmd-{number}", Clock().now)
        if number >= 5:
            known, _ = follow(known, told(f"cmd-{number}", IntentState.COMPLETE))
    assert len(known.flights) == REMEMBERED
    assert {f"cmd-{number}" for number in range(5)} <= set(known.flights)
    assert f"cmd-{REMEMBERED + 19}" in known.flights


def test_a_headend_is_asked_about_what_may_still_change() -> None:
    known = Commands()
    for number in range(4):
        known = accept(known, Wish(CONTRACT.command["target"], 1.0, 0.0), TARGET, f"cmd-{number}", Clock().now)
    known, _ = follow(known, told("cmd-0", IntentState.COMPLETE))
    known, _ = follow(known, told("cmd-1", IntentState.ACTIVE))
    known, _ = follow(known, told("cmd-2", IntentState.FAILED, unknown=True))
    assert known.open == ("cmd-1", "cmd-3")


def test_the_last_of_each_command_is_never_forgotten() -> None:
    known = given_up(400.0)
    for number in range(REMEMBERED + 20):
        known = accept(known, Wish(CONTRACT.command["release"], None, 0.0), RELEASE, f"r-{number}", Clock().now)
        known, _ = follow(known, told(f"r-{number}", IntentState.COMPLETE))
    assert commands.target_in_force_w(known, CONTRACT.command["target"]) == 400_000.0


@given(st.lists(st.sampled_from(list(IntentState))))
def test_whatever_is_reported_a_command_that_is_over_stays_over(states: list[IntentState]) -> None:
    known = accept(Commands(), Wish(CONTRACT.command["target"], 1.0, 0.0), TARGET, "cmd-0", Clock().now)
    over: IntentState | None = None
    for state in states:
        known, _ = follow(known, told("cmd-0", state))
        now = known.flights["cmd-0"].state
        assert over is None or now is over
        over = now if now in TERMINAL else over
