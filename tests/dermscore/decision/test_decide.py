"""What becomes of a request: every branch by an example, and what must hold of any."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dermscore.decision.decide import RELEASE_LEAST_MS, decide, primacy_of, taken_back
from dermscore.decision.request import Declined, DeclineKind, Facts, Granted, Part, Request
from dermscore.dispatch import Event, Limit, Mode
from dermscore.model import Impairment, ImpairmentKind, Snapshot, covers
from dermscore.policy import Policy, Program
from dermscore.policy.limits import LimitRule, Rebound
from dermscore.quality import GOOD, Validity
from tests.dermscore.decision.deciding import (
    ASSETS,
    FLEET,
    MW,
    NOW,
    S1,
    S2,
    amounts,
    ask,
    but,
    decided,
    event,
    facts,
    intent,
    limit,
    policy,
    reading,
    requests,
    rule,
    setpoints,
    some_facts,
    some_policies,
)

_targets: Final = st.floats(0, 80)
MANY: Final = settings(max_examples=1000 if os.environ.get("DERMS_SOAK") == "1" else 100, deadline=None)


def granted(request: Request, known: Facts | None = None, under: Policy | None = None) -> Granted:
    found = decided(request, known, under)
    assert isinstance(found, Granted), found
    return found


def refused(request: Request, known: Facts | None = None, under: Policy | None = None) -> tuple[DeclineKind, str]:
    found = decided(request, known, under)
    assert isinstance(found, Declined), found
    assert found.digest == "ab"
    return found.kind, found.reason


# --- may it be? ------------------------------------------------------------------------------------------------------


def test_what_waited_too_long_is_late_and_nothing_else_is_looked_at() -> None:
    late = ask(5.0, "nowhere", late_after_ms=NOW.mono_ms - 1)
    assert refused(late) == (DeclineKind.LATE, "it came too late to be carried out")
    assert granted(ask(5.0, late_after_ms=NOW.mono_ms)).placed_w == pytest.approx(5 * MW)


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (ask(5.0, "nowhere"), "there is nothing at path 'nowhere'"),
        (ask(5.0, "Z", asset_id="Z"), "there is no asset 'Z'"),
        (ask(5.0, program="none"), "there is no program 'none' in the policy"),
        (ask(None, program="none"), "there is no program 'none' in the policy"),
    ],
)
def test_what_is_not_there_is_unknown(request_: Request, says: str) -> None:
    assert refused(request_) == (DeclineKind.UNKNOWN, says)


def test_without_a_permit_it_is_denied() -> None:
    only_release = policy(grants=[rule("release")])
    assert refused(ask(5.0), under=only_release) == (
        DeclineKind.DENIED,
        "no grant lets OPERATOR dispatch at the whole fleet",
    )
    assert granted(ask(None), under=only_release).parts == ()
    kind, says = refused(ask(None, S1), under=policy(grants=[rule("dispatch")]))
    assert (kind, says) == (DeclineKind.DENIED, f"no grant lets OPERATOR release at {S1}")


def test_of_one_asset_the_permit_is_that_of_its_site() -> None:
    here = policy(grants=[rule("dispatch", path=S1, most_mw=10)])
    assert granted(ask(10.0, "A"), under=here).placed_w == pytest.approx(10 * MW)
    assert refused(ask(11.0, "A"), under=here)[0] is DeclineKind.DENIED
    assert refused(ask(10.0, "C"), under=here)[0] is DeclineKind.DENIED


@pytest.mark.parametrize("w", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("node", ["", "A"])
def test_what_is_no_power_is_denied(w: float, node: str) -> None:
    kind, says = refused(ask(w, node))
    assert kind is DeclineKind.DENIED
    assert says.endswith("is not a power")


def test_a_program_that_runs_elsewhere_dispatches_nothing_here_but_may_give_back() -> None:
    there = policy(programs=[Program("operator", 5, 600, paths=(S2,))])
    assert refused(ask(5.0, "A"), under=there) == (
        DeclineKind.DENIED,
        f"program operator runs at {S2} only, not at {S1}",
    )
    assert refused(ask(5.0), under=there)[0] is DeclineKind.DENIED
    assert granted(ask(5.0, "C"), under=there).placed_w == pytest.approx(5 * MW)
    assert setpoints(granted(ask(None, "A"), facts(holding=[intent("A", 5)]), there)) == {"A": None}


@pytest.mark.parametrize("duration_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_duration_is_a_number_of_seconds(duration_s: float) -> None:
    kind, says = refused(ask(5.0, duration_s=duration_s))
    assert (kind, says) == (DeclineKind.LIMITS, "the duration is not a number of seconds above 0")


def test_the_longest_duration_of_the_program_stands() -> None:
    assert granted(ask(5.0, duration_s=600)).ends_ms == NOW.utc_ms + 600_000
    assert granted(ask(5.0, duration_s=None)).ends_ms == NOW.utc_ms + 600_000
    assert refused(ask(5.0, duration_s=600.001)) == (
        DeclineKind.LIMITS,
        "a duration of 600.001 s is too long: program operator allows 600 s at most",
    )


def test_a_primacy_lowers_its_programs_and_never_raises_it() -> None:
    assert [primacy_of(ask(5.0, primacy=asked), policy()) for asked in (None, 1, 5, 8)] == [5, 5, 5, 8]
    assert primacy_of(ask(5.0, program="none", primacy=3), policy()) == 3
    assert primacy_of(ask(5.0, program="none"), policy()) == 0


# --- who outranks it -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["A", S1, "feeder/F1", ""])
def test_an_asset_that_another_program_holds_from_anywhere_above_is_outranked(where: str) -> None:
    kind, says = refused(ask(5.0, "A"), facts(standing=[event("e", where, "scada")]))
    assert kind is DeclineKind.OUTRANKED
    place = "" if where == "A" else f" at {where or 'the whole fleet'}"
    assert says.startswith(f"held{place} by ")
    assert "scada" in says
    assert says.endswith(" until 2030-03-17T17:51:40.000Z")


def test_a_node_is_outranked_from_above_and_not_from_below_or_beside() -> None:
    assert refused(ask(5.0, S1), facts(standing=[event("e", "feeder", "scada")]))[0] is DeclineKind.OUTRANKED
    assert refused(ask(5.0), facts(standing=[event("e", "", "scada")]))[0] is DeclineKind.OUTRANKED
    for elsewhere in ("A", S2):
        assert granted(ask(5.0, S1), facts(standing=[event("e", elsewhere, "scada")])).placed_w is not None


def test_the_newer_of_equals_and_whoever_is_lower_may() -> None:
    assert granted(ask(5.0, "A"), facts(standing=[event("e", S1, "operator")])).placed_w == pytest.approx(5 * MW)
    assert granted(ask(5.0, "A"), facts(standing=[event("e", S1, "market")])).placed_w == pytest.approx(5 * MW)
    lowered = ask(5.0, "A", primacy=10)
    assert refused(lowered, facts(standing=[event("e", S1, "market")]))[0] is DeclineKind.OUTRANKED
    assert granted(ask(5.0, "A"), facts(standing=[event("e", S1, "scada", until_s=0)])).placed_w == pytest.approx(
        5 * MW
    )


def test_a_default_outranks_nothing_that_is_asked() -> None:
    always = Program("scada", 1, 3600, defaults={"": {Mode.TARGET_W: 1.0}})
    assert granted(ask(5.0, "A"), under=policy(programs=[always])).placed_w == pytest.approx(5 * MW)


# --- one asset by name -----------------------------------------------------------------------------------------------


def test_one_asset_is_asked_for_what_is_said() -> None:
    assert granted(ask(-7.0, "A")) == Granted(
        (Part("A", -7 * MW, 0.0, -7 * MW, False, "asked for by name"),),
        NOW.utc_ms + 60_000,
        "ab",
        -7 * MW,
        0.0,
    )
    assert granted(ask(7.0, "P")).parts[0].reversion_w is None


@pytest.mark.parametrize("mw", [31.0, -31.0])
def test_one_asset_is_refused_out_of_its_ratings(mw: float) -> None:
    kind, says = refused(ask(mw, "A"))
    assert kind is DeclineKind.LIMITS
    assert "the rating of Asset A" in says


def test_one_asset_that_cannot_be_asked_is_unreachable() -> None:
    assert refused(ask(5.0, "A"), facts(away="A")) == (DeclineKind.UNREACHABLE, "Asset A is not connected")
    assert refused(ask(5.0, "A"), facts([])) == (DeclineKind.UNREACHABLE, "nothing was ever heard of Asset A")
    lost = replace(reading("A"), quality=replace(GOOD, validity=Validity.INVALID))
    assert refused(ask(5.0, "A"), facts([lost])) == (DeclineKind.UNREACHABLE, "the measurement of Asset A is invalid")


@pytest.mark.parametrize("mw", [-5.0, 1.0, 5.0])
def test_one_asset_that_is_impaired_is_unreachable_whatever_it_runs_at(mw: float) -> None:
    known = facts(but(reading("A", 3.0)), impaired={"A": Impairment(ImpairmentKind.LOCAL, "door open")})
    assert refused(ask(mw, "A"), known) == (DeclineKind.UNREACHABLE, "Asset A is under local control: door open")


def test_solar_may_be_asked_above_what_it_gives_now_but_not_above_its_limit() -> None:
    cloudy = facts(but(reading("P", 2.0, up=1.0)))
    assert granted(ask(8.0, "P"), cloudy).placed_w == pytest.approx(8 * MW)
    assert refused(ask(8.0, "P"), cloudy, policy(limits=[limit("P", generation=6)])) == (
        DeclineKind.LIMITS,
        "8 MW is more than Asset P may give, 6 MW: limits[P]: agreed: generation 6 MW",
    )


@pytest.mark.parametrize("node", ["A", S1, "feeder/F1", "feeder", ""])
def test_a_limit_at_the_asset_or_anywhere_above_stands_against_it(node: str) -> None:
    under = policy(limits=[limit(node, export=15, **{"import": 10})])
    assert granted(ask(15.0, "A"), under=under).placed_w == pytest.approx(15 * MW)
    assert granted(ask(-10.0, "A"), under=under).placed_w == pytest.approx(-10 * MW)
    kind, says = refused(ask(16.0, "A"), under=under)
    assert kind is DeclineKind.LIMITS
    assert says.startswith("16 MW is more than Asset A may give, 15 MW: ")
    assert f"limits[{node}]: agreed: export 15 MW" in says
    kind, says = refused(ask(-11.0, "A"), under=under)
    assert kind is DeclineKind.LIMITS
    assert says.startswith("11 MW is more than Asset A may take, 10 MW: ")


def test_what_others_do_below_a_limit_is_no_longer_there() -> None:
    under = policy(limits=[limit(S1, export=15)])
    assert refused(ask(6.0, "A"), facts(but(reading("B", 10.0))), under)[0] is DeclineKind.LIMITS
    assert granted(ask(20.0, "A"), facts(but(reading("B", -10.0))), under).placed_w == pytest.approx(20 * MW)
    kind, says = refused(ask(1.0, "A"), facts(but(reading("B", 20.0))), under)
    assert kind is DeclineKind.LIMITS
    assert says.startswith("1 MW is more than Asset A may give, 0 W: "), "and never less than nothing"
    kind, says = refused(ask(-1.0, "A"), facts(but(reading("B", -20.0))), policy(limits=[limit(S1, **{"import": 15})]))
    assert says.startswith("1 MW is more than Asset A may take, 0 W: ")


@pytest.mark.parametrize(
    "known",
    [
        facts([]),
        facts(away="A"),
        facts(impaired={"A": Impairment(ImpairmentKind.LOCKOUT)}),
        facts(but(reading("B", 20))),
    ],
)
def test_zero_is_always_granted(known: Facts) -> None:
    under = policy(limits=[limit(S1, export=5), limit("A", export=0)])
    assert setpoints(granted(ask(0.0, "A"), known, under)) == {"A": 0.0}


def test_what_zero_breaks_is_told() -> None:
    """A battery that charged beside what a generator gives, and is to stop."""
    known = facts(but(reading("A", -20), reading("B", 20)))
    found = granted(ask(0.0, "A"), known, policy(limits=[limit(S1, export=5)]))
    assert found.causes == (f"limits[{S1}]: agreed: export 5 MW, at {S1} is exceeded by 15 MW with Asset A at 0 W",)
    assert found.reason == found.causes[0]
    assert granted(ask(0.0, "A"), known, policy(limits=[limit(S1, export=20)])).causes == ()
    taken = granted(ask(0.0, "A"), facts(but(reading("B", -20))), policy(limits=[limit("", **{"import": 5})]))
    assert taken.causes == (
        "limits[]: agreed: import 5 MW, at the whole fleet is exceeded by 15 MW with Asset A at 0 W",
    )


def test_a_bound_that_is_met_but_for_its_last_digits_is_not_broken() -> None:
    known = facts(but(reading("B", 2.8627)))
    under = policy(limits=[limit("", export=10)])
    most_mw = 10 - 2.8627
    assert setpoints(granted(ask(most_mw * (1 + 1e-12), "A"), known, under)) == {"A": pytest.approx(most_mw)}
    assert refused(ask(most_mw + 1e-6, "A"), known, under)[0] is DeclineKind.LIMITS


def test_a_charge_at_its_reserve_is_not_used() -> None:
    reserve = replace(limit(S1), amounts=Limit("", "", soc_reserve_pct=60.0))
    kind, says = refused(ask(5.0, "A"), under=policy(limits=[reserve]))
    assert kind is DeclineKind.LIMITS
    assert "60 %" in says


# --- two shortly after one another -----------------------------------------------------------------------------------


def test_what_was_asked_a_moment_ago_counts_under_a_limit_before_it_is_measured() -> None:
    """B was asked for 12 MW and still measures 0: of the site's 15 MW, 3 are left."""
    under, known = policy(limits=[limit(S1, export=15)]), facts(holding=[intent("B", 12)])
    assert granted(ask(3.0, "A"), known, under).placed_w == pytest.approx(3 * MW)
    kind, says = refused(ask(4.0, "A"), known, under)
    assert kind is DeclineKind.LIMITS
    assert says.startswith("4 MW is more than Asset A may give, 3 MW: ")


def test_what_is_still_measured_counts_though_less_was_asked() -> None:
    under = policy(limits=[limit(S1, export=15)])
    stopping = facts(but(reading("B", 12.0, setpoint=12.0)), holding=[intent("B", 0)])
    assert refused(ask(4.0, "A"), stopping, under)[0] is DeclineKind.LIMITS
    assert granted(
        ask(4.0, "A"), facts(but(reading("B", 0.0)), holding=[intent("B", 0)]), under
    ).placed_w == pytest.approx(4 * MW)


def test_the_same_of_an_import_limit_and_of_sites_beside_each_other() -> None:
    under = policy(limits=[limit("feeder", **{"import": 20})])
    known = facts(holding=[intent("C", -15)])
    assert granted(ask(-5.0, "A"), known, under).placed_w == pytest.approx(-5 * MW)
    assert refused(ask(-6.0, "A"), known, under)[0] is DeclineKind.LIMITS
    whole = granted(ask(-30.0, S1), known, under)
    assert (whole.placed_w, whole.shortfall_w) == pytest.approx((-5 * MW, -25 * MW))


@pytest.mark.parametrize("way", [1, -1])
def test_what_is_away_goes_on_to_what_it_was_asked(way: int) -> None:
    """B was asked for 12 MW, measured 0, and was lost: of the 15 MW of its site it will use 12."""
    under = policy(limits=[limit(S1, export=15, **{"import": 15})])
    known = facts(away="B", holding=[intent("B", 12 * way)])
    assert setpoints(granted(ask(15.0 * way, S1), known, under)) == {"A": 3.0 * way, "B": None}
    other_way = setpoints(granted(ask(-15.0 * way, S1), known, under))
    assert other_way == {"A": -15.0 * way, "B": None}, "it may not get there, so nothing is built on it"


@pytest.mark.parametrize(("asked", "left"), [(9, 12.0), (2, 13.0), (None, 12.0)])
def test_of_solar_counts_what_it_is_let_give_and_has_to_give(asked: float | None, left: float) -> None:
    """It gives 2 MW of the 3 that its sun would: a higher setpoint, or none, brings those 3."""
    held = facts(but(reading("P", 2.0, up=1.0, setpoint=2.0)), holding=[intent("P", asked)])
    under = policy(limits=[limit(S1, export=15)])
    assert granted(ask(left, "A"), held, under).placed_w == pytest.approx(left * MW)
    assert refused(ask(left + 0.1, "A"), held, under)[0] is DeclineKind.LIMITS


def test_what_another_program_holds_counts_at_what_it_was_asked_a_moment_ago() -> None:
    known = facts(standing=[event("e", S1, "scada", 20.0)], holding=[intent("A", 12, "scada", "e")])
    found = granted(ask(30.0), known)
    assert setpoints(found) == {"C": 18.0}


# --- all below a node ------------------------------------------------------------------------------------------------


def test_a_site_is_split_by_capacity_and_solar_is_asked_nothing() -> None:
    found = granted(ask(20.0, S1))
    assert setpoints(found) == {"A": 12.0, "B": 8.0}
    assert (found.placed_w, found.causes, found.reason) == (pytest.approx(20 * MW), (), "")
    assert found.shortfall_w == 0
    assert [(part.reversion_w, part.cause) for part in found.parts] == [(0.0, "capacity share")] * 2


def test_what_cannot_be_placed_is_said_with_its_causes() -> None:
    found = granted(ask(60.0, S1), facts(away="B"))
    assert setpoints(found) == {"A": 30.0}
    assert (found.placed_w, found.shortfall_w) == pytest.approx((30 * MW, 30 * MW))
    assert any("Asset B is not connected" in cause for cause in found.causes)
    assert any("its rating of 30 MW" in cause for cause in found.causes)


def test_a_limit_in_the_tree_or_above_it_leaves_a_shortfall() -> None:
    for node in (S1, "feeder"):
        found = granted(ask(20.0, S1), under=policy(limits=[limit(node, export=15)]))
        assert (found.placed_w, found.shortfall_w) == pytest.approx((15 * MW, 5 * MW))
        assert any("export 15 MW" in cause for cause in found.causes)


def test_a_limit_that_cannot_be_kept_is_told() -> None:
    known = facts(but(reading("P", 9.0)), away="P")
    found = granted(ask(0.0, S1), known, policy(limits=[limit("P", export=1), limit(S1, generation=5)]))
    assert setpoints(found) == {"A": 0.0, "B": 0.0}
    (cause,) = found.causes
    assert cause.startswith(f"limits[{S1}]: agreed: generation 5 MW")
    assert cause.endswith(" is exceeded by 4 MW, whatever is asked of those who take part")


def test_what_another_program_holds_below_stays_counts_and_is_not_asked() -> None:
    known = facts(but(reading("A", 6.0, setpoint=6.0)), standing=[event("e", "A", "scada", 6.0)])
    found = granted(ask(20.0, S1), known)
    assert setpoints(found) == {"B": 14.0}
    assert (found.placed_w, found.shortfall_w) == pytest.approx((14 * MW, 0.0))


@pytest.mark.parametrize(
    ("known", "says"),
    [
        (facts(away=["A", "B"]), "nothing there can be asked now: Asset A is not connected; Asset B is not connected"),
        (facts(away=["A"], standing=[event("e", "B", "scada")]), "nothing there can be asked now: held by "),
    ],
)
def test_where_nobody_can_be_asked_it_says_why_of_each(known: Facts, says: str) -> None:
    kind, reason = refused(ask(5.0, S1), known)
    assert kind is DeclineKind.UNREACHABLE
    assert reason.startswith(says)


def test_where_nobody_has_a_share_it_says_so() -> None:
    only_solar = replace(FLEET, assets={"P": ASSETS["P"]})
    known = Facts(Snapshot(only_solar, {"P": reading("P")}, frozenset("P")), (), {}, 1)
    assert refused(ask(5.0, S1), known) == (
        DeclineKind.UNREACHABLE,
        "nothing there can be asked now: no asset there has a share",
    )


def test_a_device_with_a_dead_band_cannot_be_shared() -> None:
    dead = replace(FLEET, assets={**ASSETS, "A": replace(ASSETS["A"], dead_band_w=5 * MW)})
    known = facts()
    kind, says = refused(ask(5.0, S1), replace(known, snapshot=replace(known.snapshot, fleet=dead)))
    assert kind is DeclineKind.LIMITS
    assert "Asset A" in says


def test_who_is_away_and_carries_out_what_this_supersedes_is_released() -> None:
    """Else it would go on with its part of the older dispatch when it is back."""
    older = event("older", S1, "operator")
    known = facts(away="B", standing=[older], holding=[intent("A", 3), intent("B", 2), intent("C", 2)])
    found = granted(ask(20.0, S1), known)
    assert setpoints(found) == {"A": 20.0, "B": None}
    assert found.parts[1] == Part("B", None, 0.0, None, False, "left out: Asset B is not connected")
    assert found.placed_w == pytest.approx(20 * MW)


def test_who_is_away_and_is_another_programs_or_nobodys_is_left_alone() -> None:
    held = facts(away="B", standing=[event("e", "B", "scada")], holding=[intent("B", 2, "scada", "e")])
    assert setpoints(granted(ask(20.0, S1), held)) == {"A": 20.0}
    assert setpoints(granted(ask(20.0, S1), facts(away="B"))) == {"A": 20.0}
    solar = facts(holding=[intent("P", 2)])
    assert setpoints(granted(ask(20.0, S1), solar)) == {"A": 12.0, "B": 8.0}, "it has no share, and is not away"


def test_after_a_curtailment_a_rebound_limit_stands_for_a_while() -> None:
    under = replace(policy(), rebounds=(Rebound("rebounds[0]", (S1,), Limit("", "", export_limit_w=4 * MW), 900),))

    def curtailed(ago_s: int) -> Event:
        over_ms = NOW.utc_ms - ago_s * 1000
        return Event("c", S1, "scada", 0, over_ms - 1000, over_ms, {Mode.EXP_LIM_W: 0.0})

    assert granted(ask(20.0, S1), facts(standing=[curtailed(899)]), under).placed_w == pytest.approx(4 * MW)
    assert refused(ask(5.0, "A"), facts(standing=[curtailed(899)]), under)[0] is DeclineKind.LIMITS
    assert granted(ask(20.0, S1), facts(standing=[curtailed(900)]), under).placed_w == pytest.approx(20 * MW)


def test_a_limit_of_an_event_stands_as_a_policys_does() -> None:
    limited = event("e", S1, "scada", controls={Mode.EXP_LIM_W: 4 * MW})
    assert granted(ask(20.0, S1), facts(standing=[limited])).placed_w == pytest.approx(4 * MW)
    kind, says = refused(ask(5.0, "A"), facts(standing=[limited]))
    assert kind is DeclineKind.LIMITS
    assert "ExpLimW 4 MW" in says


# --- giving back -----------------------------------------------------------------------------------------------------


def test_a_release_gives_back_what_the_program_holds_there_and_nothing_of_others() -> None:
    known = facts(holding=[intent("A", 3), intent("B", 2, "scada"), intent("P", 1), intent("C", 2)])
    found = granted(ask(None, S1), known)
    assert setpoints(found) == {"A": None, "P": None}
    assert [(part.reversion_w, part.cause) for part in found.parts] == [
        (0.0, "released by operator"),
        (None, "released by operator"),
    ]
    assert found.ends_ms == NOW.utc_ms + 300_000, "until the intents that it takes back would have ended"
    assert (found.placed_w, found.shortfall_w) == (None, None)


def test_a_release_is_delivered_for_a_while_and_again_when_asked_again() -> None:
    ending = replace(intent("A", None), expires_ms=NOW.utc_ms + 1)
    found = granted(ask(None, "A"), facts(holding=[ending]))
    assert setpoints(found) == {"A": None}
    assert found.ends_ms == NOW.utc_ms + RELEASE_LEAST_MS


def test_a_release_of_nothing_is_done_at_once_and_says_so() -> None:
    found = granted(ask(None, S1), facts(holding=[intent("A", 3, "scada")]))
    assert (found.parts, found.ends_ms, found.reason) == ((), NOW.utc_ms, "program operator holds nothing there")


def test_a_release_takes_back_what_its_program_waits_for_there_and_touches_nobody_who_holds_it() -> None:
    held = [intent(name, 20.0, "scada", "hold") for name in "ABC"]
    waiting = [intent("A", 5.0), intent("B", 3.0), intent("C", 7.0, of="far"), intent("A", 1.0, "market", "another's")]
    known = facts(holding=held, waiting=waiting, standing=[event("hold", "", "scada", 60.0)])
    for node, ended in ((S1, waiting[:2]), ("B", waiting[1:2]), ("", waiting[:3])):
        request = ask(None, node)
        assert taken_back(request, known) == tuple(ended)
        released = granted(request, known)
        assert released.parts == ()
        dispatches = dict.fromkeys(each.dispatch_id for each in ended)
        assert released.reason == f"what waited there is taken back: dispatch {', '.join(dispatches)}"
    own = granted(ask(None, S1), facts(holding=[intent("B", 3.0, of="newer")], waiting=waiting))
    assert (setpoints(own), own.reason) == ({"B": None}, "what waited there is taken back: dispatch older")


def test_what_is_taken_up_again_has_its_old_place_among_equals() -> None:
    newer = event("newer", "A", "operator", 4.0)
    known = facts(but(reading("A", 4.0, setpoint=4.0)), standing=[newer], holding=[intent("A", 4.0, of="newer")])
    assert setpoints(granted(ask(20.0, S1), known)) == {"A": 12.0, "B": 8.0}
    again = replace(known, order_ms=newer.issued_ms - 1)
    assert setpoints(granted(ask(20.0, S1), again)) == {"B": 16.0}
    assert refused(ask(5.0, "A"), again)[0] is DeclineKind.OUTRANKED


def test_what_stands_is_not_asked_again_who_may_and_for_how_long() -> None:
    nobody = policy(grants=[rule("view")])
    assert refused(ask(9, S1), under=nobody)[0] is DeclineKind.DENIED
    assert setpoints(granted(ask(9, S1, stands=True, duration_s=9000.0), under=nobody)) == {"A": 5.4, "B": 3.6}
    assert refused(ask(9, S1, stands=True, duration_s=-1.0))[0] is DeclineKind.LIMITS
    assert refused(ask(9, "A", stands=True), under=policy(limits=[limit("A", export=5)]))[0] is DeclineKind.LIMITS


def test_who_counts_as_asked_leaves_what_it_gives_up_before_it_is_measured() -> None:
    known = facts(but(reading("C", 20)), holding=[intent("C", 5.0)])
    under = policy(limits=[limit("", export=30)])
    assert granted(ask(50, S1), known, under).placed_w == pytest.approx(10 * MW)
    told = replace(known, as_asked=frozenset("C"))
    assert granted(ask(50, S1), told, under).placed_w == pytest.approx(25 * MW)


@pytest.mark.parametrize(
    ("measured", "up", "asked", "left"),
    [(8.0, 0.0, 3.0, 27.0), (2.0, 6.0, 3.0, 27.0), (2.0, 0.0, 3.0, 28.0), (8.0, 0.0, None, 22.0)],
)
def test_solar_that_counts_as_asked_gives_no_more_than_that_and_no_more_than_it_has(
    measured: float, up: float, asked: float | None, left: float
) -> None:
    known = facts(but(reading("P", measured, up=up)), holding=[intent("P", asked)], as_asked="P")
    found = granted(ask(50, S2), known, policy(limits=[limit("", export=30)]))
    assert found.placed_w == pytest.approx(left * MW)


def test_a_load_that_counts_as_asked_takes_no_more_than_that() -> None:
    known = facts(but(reading("P", -8)), holding=[intent("P", -3.0)], as_asked="P")
    found = granted(ask(-50, S2), known, policy(limits=[limit("", load=20)]))
    assert found.placed_w == pytest.approx(-17 * MW)


def test_a_stray_setpoint_is_released_with_the_rest() -> None:
    """Nobody's intent holds A, and yet its device has a setpoint."""
    stray = but(reading("A", 3.0, setpoint=3.0))
    found = granted(ask(None, S1), facts(stray))
    assert (setpoints(found), found.ends_ms) == ({"A": None}, NOW.utc_ms + RELEASE_LEAST_MS)
    always = policy(programs=[Program("market", 9, 600, defaults={S1: {Mode.TARGET_W: 1.0}})])
    assert setpoints(granted(ask(None, S1), facts(stray), always)) == {"A": None}, "a default holds nobody's wish"
    ours = event("e", S1, "operator")
    assert setpoints(granted(ask(None, S1), facts(stray, standing=[ours]))) == {"A": None}


@pytest.mark.parametrize(
    "known",
    [
        facts(but(reading("A", 3.0, setpoint=3.0)), away="A"),
        facts(but(reading("A", 3.0, setpoint=3.0)), standing=[event("e", S1, "scada")]),
        facts(but(reading("A", 3.0, setpoint=0.0))),
        facts(but(reading("A", 3.0))),
        facts([]),
    ],
)
def test_what_is_away_ruled_by_another_or_at_rest_is_no_stray(known: Facts) -> None:
    assert granted(ask(None, "A"), known).parts == ()


# --- what holds of any request ---------------------------------------------------------------------------------------


@MANY
@given(requests, some_facts(), some_policies())
def test_the_same_arguments_give_the_same_decision(request: Request, known: Facts, under: Policy) -> None:
    again = replace(known, snapshot=replace(known.snapshot, measurements=dict(known.snapshot.measurements)))
    assert decide(request, known, under, NOW) == decide(request, again, under, NOW)


@MANY
@given(requests, some_facts(), some_policies())
def test_every_decision_is_whole(request: Request, known: Facts, under: Policy) -> None:
    found = decided(request, known, under)
    assert found.digest == under.digest
    if isinstance(found, Declined):
        assert found.reason
        return
    tree = FLEET.under(request.node) or (ASSETS[request.node],)
    assert {part.asset_id for part in found.parts} <= {asset.id for asset in tree}
    assert len({part.asset_id for part in found.parts}) == len(found.parts)
    for part in found.parts:
        asset = ASSETS[part.asset_id]
        assert part.setpoint_w is None or asset.min_w <= part.setpoint_w <= asset.max_w
        assert part.cause


@MANY
@given(requests, some_facts(), some_policies(), st.data())
def test_removing_a_permit_never_turns_a_refusal_into_a_grant(
    request: Request, known: Facts, under: Policy, data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(under.grants))
    fewer = replace(under, grants=tuple(each for each in under.grants if each is not gone))
    if isinstance(decided(request, known, under), Declined):
        assert isinstance(decided(request, known, fewer), Declined)


@MANY
@given(requests, some_facts(), some_policies(), amounts, st.sampled_from(["", "feeder/F1", S1, "A", "B"]))
def test_a_tighter_limit_never_places_more(request: Request, known: Facts, under: Policy, mw: float, node: str) -> None:
    target_w = request.target_w or 0.0
    kind = "export" if target_w > 0 else "import"
    open_policy = replace(under, limits=())
    loose, tight = (
        decided(request, known, replace(open_policy, limits=limits)) for limits in ((), (limit(node, **{kind: mw}),))
    )
    if not isinstance(tight, Granted) or tight.placed_w is None:
        return
    assert isinstance(loose, Granted), "what stands against nothing refuses nothing"
    assert loose.placed_w is not None
    direction = 1 if target_w > 0 else -1
    assert direction * tight.placed_w <= direction * loose.placed_w + 1e-3


@MANY
@given(st.lists(st.tuples(st.floats(-80, 80), st.sampled_from(["", "feeder/F1", S1, S2, "A", "B", "C"])), max_size=4))
def test_requests_one_after_another_break_no_limit_before_anything_is_measured(wishes: list[tuple[float, str]]) -> None:
    """Nothing is heard meanwhile: what was asked is all that is known of where the devices are going."""
    under = policy(limits=[limit("feeder/F1", export=25, **{"import": 12}), limit("", export=40, **{"import": 30})])
    known, asked = facts(), dict.fromkeys(ASSETS, 0.0)
    for number, (mw, node) in enumerate(wishes):
        request = ask(mw, node, id=f"r{number}")
        found = decided(request, known, under)
        if isinstance(found, Declined):
            continue
        asked |= {name: w or 0.0 for name, w in setpoints(found).items()}
        held = {
            part.asset_id: intent(part.asset_id, (part.setpoint_w or 0.0) / MW, of=request.id) for part in found.parts
        }
        known = replace(
            known,
            standing=[*known.standing, event(request.id, node, "operator", mw, issued_ms=known.order_ms)],
            holding={**known.holding, **held},
            order_ms=known.order_ms + 1,
        )
        for path, out_mw, in_mw in (("feeder/F1", 25, 12), ("", 40, 30)):
            below = [w for name, w in asked.items() if covers(path, FLEET.path_of(ASSETS[name]))]
            assert -in_mw - 1e-6 <= sum(below) <= out_mw + 1e-6


@MANY
@given(
    st.permutations(["A", "B", S2]).flatmap(lambda nodes: st.tuples(*(st.tuples(_targets, st.just(n)) for n in nodes)))
    | st.tuples(st.tuples(_targets, st.sampled_from(["", "feeder", S1]))),
    st.lists(
        st.builds(
            lambda node, kind, mw: limit(node, **{kind: mw}),
            st.sampled_from(["", "feeder/F1", S1, S2, "A", "C"]),
            st.sampled_from(["export", "generation"]),
            amounts,
        ),
        max_size=3,
    ),
)
def test_what_stands_is_decided_anew_as_it_was(wishes: Sequence[tuple[float, str]], limits: list[LimitRule]) -> None:
    """Under the same limits, binding or not, with all of its assets where they were told to go, or on their way."""
    under, known = policy(limits=limits), facts()
    granted_parts: dict[str, dict[str, float | None]] = {}
    for number, (mw, node) in enumerate(wishes):
        found = decided(ask(mw, node, id=f"r{number}"), known, under)
        if isinstance(found, Granted):
            granted_parts[f"r{number}"] = dict(setpoints(found))
            made = event(f"r{number}", node, "operator", mw, issued_ms=known.order_ms)
            asked = ((part.asset_id, part.setpoint_w or 0.0) for part in found.parts)  # to the last digit
            held = {name: intent(name, w / MW, of=made.id) for name, w in asked}
            known = replace(known, standing=[*known.standing, made], holding={**known.holding, **held})
        known = replace(known, order_ms=known.order_ms + 1)
    for measured in (False, True):
        there = but(*(reading(name, each.setpoint_w / MW) for name, each in known.holding.items() if measured))
        for made in known.standing:
            others = [each for each in known.standing if each is not made]
            facts_now = facts(there, standing=others, holding=known.holding.values(), as_asked=known.holding)
            request = ask((made.controls[Mode.TARGET_W] or 0) / MW, made.node, id=made.id, stands=True)
            anew = granted(request, replace(facts_now, order_ms=made.issued_ms), under)
            assert setpoints(anew) == pytest.approx(granted_parts[made.id])
