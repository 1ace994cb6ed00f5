"""A small fleet, policies and requests to decide on; and any of them, drawn at random. Powers in MW, times in s.

site S1: battery A (60 MWh, 30 MW), battery B (40 MWh, 20 MW), solar P (10 MW)       site S2: battery C as A
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from hypothesis import strategies as st

from dermscore.decision.decide import decide
from dermscore.decision.replay import Past
from dermscore.decision.request import Aim, Decision, Facts, Request
from dermscore.dispatch import Event, Limit, Mode
from dermscore.intent import Intent
from dermscore.model import Asset, Fleet, Kind, Measurement, Now, Site, Snapshot
from dermscore.policy import Policy, Principal, Program, Rule
from dermscore.policy.limits import LimitRule
from dermscore.quality import GOOD

MW: Final = 1e6
NOW: Final = Now(1_900_000_000_000, 5_000_000)
S1: Final = "feeder/F1/site/S1"
S2: Final = "feeder/F2/site/S2"
OPERATOR: Final = Principal("http:loopback", frozenset({"OPERATOR"}))


def _asset(name: str, site: str, mw: float, mwh: float) -> Asset:
    kind = Kind.BATTERY if mwh else Kind.SOLAR
    return Asset(
        name, f"Asset {name}", site, kind, mwh * MW, mw * MW, -mw * MW if mwh else 0.0, 0.9, MW, 10.0, 90.0, "", ""
    )


_GIVEN: Final = (("A", "s1", 30, 60), ("B", "s1", 20, 40), ("P", "s1", 10, 0), ("C", "s2", 30, 60))
ASSETS: Final = {each[0]: _asset(*each) for each in _GIVEN}
FLEET: Final = Fleet({"s1": Site("s1", "One", "", S1), "s2": Site("s2", "Two", "", S2)}, ASSETS)


def rule(*actions: str, most_mw: float | None = None, path: str = "") -> Rule:
    max_w = None if most_mw is None else most_mw * MW
    return Rule("rule", frozenset({"OPERATOR"}), frozenset(actions), (path,), max_w, None, None, "because")


def policy(
    *,
    grants: Iterable[Rule] = (rule("dispatch", "release"),),
    forbids: Iterable[Rule] = (),
    limits: Iterable[LimitRule] = (),
    programs: Iterable[Program] = (),
    digest: str = "ab",
) -> Policy:
    """One in which an operator may do everything, under `scada` (1), `operator` (5) and `market` (9)."""
    known = [Program("scada", 1, 3600), Program("operator", 5, 600), Program("market", 9, 600), *programs]
    return Policy(
        {OPERATOR.id: OPERATOR.roles},
        {OPERATOR.id: ("",)},
        tuple(grants),
        tuple(forbids),
        {each.name: each for each in known},
        digest,
        tuple(limits),
    )


def limit(node: str, **amounts: float) -> LimitRule:
    """A limit, such as `limit(S1, export=15)`, in MW."""
    stated = {f"{name}_limit_w": mw * MW for name, mw in amounts.items()}
    return LimitRule(f"limits[{node}]", (node,), Limit("", "", **stated), reason="agreed")


def reading(
    asset_id: str, mw: float = 0.0, *, soc: float = 0.5, up: float = 0.0, setpoint: float | None = None
) -> Measurement:
    capacity_wh = ASSETS[asset_id].capacity_wh
    return Measurement(
        asset_id,
        NOW.utc_ms,
        mw * MW,
        capacity_wh * soc if capacity_wh else None,
        up * MW,
        0.0,
        None if setpoint is None else setpoint * MW,
        GOOD,
    )


def facts(
    readings: Iterable[Measurement] | None = None,
    *,
    away: Iterable[str] = (),
    standing: Iterable[Event] = (),
    holding: Iterable[Intent] = (),
    waiting: Iterable[Intent] = (),
    as_asked: Iterable[str] = (),
    **snapshot: Any,
) -> Facts:
    """All assets heard at 0 MW, or those of `readings`; connected but for those `away`."""
    heard = {name: reading(name) for name in ASSETS} if readings is None else {each.asset_id: each for each in readings}
    known = Snapshot(FLEET, heard, frozenset(ASSETS) - set(away), **snapshot)
    held = {each.asset_id: each for each in holding}
    return Facts(known, tuple(standing), held, NOW.utc_ms + 1, tuple(waiting), frozenset(as_asked))


def but(*changed: Measurement) -> list[Measurement]:
    """All assets heard at 0 MW but these."""
    return list(({name: reading(name) for name in ASSETS} | {each.asset_id: each for each in changed}).values())


def ask(mw: float | None, node: str = "", **changes: Any) -> Request:
    """A target in MW of an operator, at a path or an asset; None releases."""
    asset_id = node if node in ASSETS else None
    aim = Aim.RELEASE if mw is None else Aim.TARGET
    target_w = None if mw is None else mw * MW
    duration_s = None if mw is None else 60.0
    return replace(Request("r", OPERATOR, node, asset_id, aim, target_w, duration_s, "operator"), **changes)


def event(name: str, node: str, program: str, mw: float | None = 5.0, *, until_s: float = 300, **changes: Any) -> Event:
    """A target that stands."""
    wish = {Mode.TARGET_W: None if mw is None else mw * MW}
    end_ms = NOW.utc_ms + round(until_s * 1000)
    made = Event(name, node, program, NOW.utc_ms - 60_000, 0, end_ms, wish, known_ms=0)
    return replace(made, **changes)


def intent(asset_id: str, mw: float | None, program: str = "operator", of: str = "older") -> Intent:
    """What holds an asset, for five minutes more."""
    setpoint_w = None if mw is None else mw * MW
    end_ms = NOW.utc_ms + 300_000
    return Intent(asset_id, "epoch", 7, of, setpoint_w, ASSETS[asset_id].reversion_w, 0, end_ms, program, 5)


def decided(request: Request, known: Facts | None = None, under: Policy | None = None) -> Decision:
    return decide(request, known or facts(), under or policy(), NOW)


def setpoints(decision: Any) -> Mapping[str, float | None]:
    """What each asset is asked, in MW, to the watt."""
    return {
        part.asset_id: None if part.setpoint_w is None else round(part.setpoint_w / MW, 6) for part in decision.parts
    }


# --- at random -------------------------------------------------------------------------------------------------------

_NODES: Final = st.sampled_from(["", "feeder", "feeder/F1", S1, S2, "A", "B", "P", "C", "nowhere"])
_MWS: Final = st.sampled_from([-80.0, -30.0, -15.0, -1.0, 0.0, 0.1, 5.0, 20.0, 30.0, 50.0, 80.0])
_PROGRAMS: Final = st.sampled_from(["scada", "operator", "market"])
amounts: Final = st.sampled_from([0.0, 1.0, 10.0, 25.0, 60.0])


@st.composite
def some_facts(draw: st.DrawFn) -> Facts:
    heard = draw(st.sets(st.sampled_from(sorted(ASSETS))))
    readings = [
        reading(
            name,
            draw(st.sampled_from([-9.0, 0.0, 3.0, 9.0])),
            soc=draw(st.sampled_from([0.1, 0.5, 0.9])),
            up=draw(st.sampled_from([0.0, 4.0])),
            setpoint=draw(st.sampled_from([None, 0.0, 9.0])),
        )
        for name in sorted(heard)
    ]
    standing = [
        event(f"e{number}", draw(_NODES), draw(_PROGRAMS), draw(_MWS), until_s=draw(st.sampled_from([-1.0, 300.0])))
        for number in range(draw(st.integers(0, 2)))
    ]
    holding = [
        intent(name, draw(st.none() | st.just(9.0)), draw(_PROGRAMS), "e0")
        for name in sorted(draw(st.sets(st.sampled_from(sorted(ASSETS)))))
    ]
    waiting = [intent(name, 9.0, draw(_PROGRAMS), "e1") for name in draw(st.sets(st.sampled_from("AB")))]
    away = draw(st.sets(st.sampled_from("ABC")))
    as_asked = draw(st.sets(st.sampled_from(sorted(ASSETS))))
    return facts(readings, away=away, standing=standing, holding=holding, waiting=waiting, as_asked=as_asked)


@st.composite
def some_policies(draw: st.DrawFn) -> Policy:
    rules = st.builds(
        lambda actions, most, path: rule(*actions, most_mw=most, path=path),
        st.sets(st.sampled_from(["dispatch", "release"]), min_size=1),
        st.none() | amounts,
        st.sampled_from(["", "feeder/F1", S1]),
    )
    limits = st.builds(
        lambda node, kind, mw: limit(node, **{kind: mw}),
        st.sampled_from(["", "feeder/F1", S1, S2, "A", "P"]),
        st.sampled_from(["export", "import", "generation", "load"]),
        amounts,
    )
    return policy(
        grants=draw(st.lists(rules, min_size=1, max_size=3)),
        forbids=draw(st.lists(rules, max_size=1)),
        limits=draw(st.lists(limits, max_size=3)),
        digest=draw(st.sampled_from(["ab", "cd"])),
    )


requests: Final = st.builds(
    lambda mw, node, duration_s, program, primacy, late, stands: ask(
        mw,
        node,
        duration_s=None if mw is None else duration_s,
        program=program,
        primacy=primacy,
        late_after_ms=late,
        stands=stands,
    ),
    st.none() | _MWS,
    _NODES,
    st.sampled_from([None, 60.0, 60.0, 60.0, 601.0, float("inf")]),
    st.sampled_from(["operator", "operator", "scada", "market", "nobody's"]),
    st.none() | st.integers(0, 9),
    st.sampled_from([None, None, None, NOW.mono_ms - 1]),
    st.sampled_from([False, False, False, True]),
)


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    """A decision of any kind, and what it was taken on."""
    request, known, under = draw(requests), draw(some_facts()), draw(some_policies())
    return Past(NOW, request, known, decide(request, known, under, NOW))
