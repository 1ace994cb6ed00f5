"""What two policies differ in about programmes: what each says, who outranks whom, what stands without any event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from dermscore.dispatch.arbitration.arbitrate import arbitrate
from dermscore.dispatch.modes import LIMITS, SWITCHES, Mode, Value
from dermscore.model import Now, covers
from dermscore.policy import Policy, Program
from dermscore.policy.access import named
from dermscore.policy.difference.change import Change, Kind
from dermscore.policy.difference.figures import control
from dermscore.policy.tightness import tightens

_ANY_TIME = Now(0, 0)  # defaults stand at all times


def program_changes(old: Policy, new: Policy) -> Iterator[Change]:
    """Programmes that are new or gone, what of them is another now, their ranks, and the defaults that lead."""
    for name in sorted({*old.programs, *new.programs}):
        one, other = old.programs.get(name), new.programs.get(name)
        if one is not None and other is not None:
            yield from _said_otherwise(one, other)
        for program, what in ((one, "gone"), (other, "new")):
            if program is not None and None in (one, other):
                yield Change(Kind.PROGRAM, f"{name} is {what}: {'; '.join(_facts(program).values())}")
    for one_name, other_name in combinations(sorted(new.programs), 2):
        then, now = _rank(old, one_name, other_name), _rank(new, one_name, other_name)
        if now is not None and then != now:
            yield Change(Kind.PROGRAM, f"{now}; before, {then}" if then else now)
    yield from _defaults_that_lead(old, new)


def _said_otherwise(one: Program, other: Program) -> Iterator[Change]:
    before, after = _facts(one), _facts(other)
    for fact in sorted({*before, *after}):
        if before.get(fact) != after.get(fact):
            words = f"{one.name}: {after.get(fact, f'no {fact}')}; it was: {before.get(fact, f'no {fact}')}"
            yield Change(_kind_of_fact(fact, one, other), words)


def _kind_of_fact(fact: str, one: Program, other: Program) -> Kind:
    """Whether it lets more or less happen: a target that may stand longer, a programme that runs in more places."""
    if fact == "longest":
        return Kind.LOOSER if other.max_duration_s > one.max_duration_s else Kind.TIGHTER
    if fact == "paths":
        is_wider = not all(any(covers(run, path) for run in one.paths) for path in other.paths)
        return Kind.LOOSER if is_wider else Kind.TIGHTER
    return Kind.PROGRAM


def _facts(program: Program) -> Mapping[str, str]:
    """All that a programme says, each in words, by what it is about."""
    facts = {
        "primacy": f"primacy {program.primacy}",
        "longest": f"a target stands {program.max_duration_s} s at most",
        "supersede": f"what was superseded {_SUPERSEDED[program.on_supersede]}",
        "market": "a market" if program.market else "no market",
        "paths": f"runs at {', '.join(map(named, program.paths))}",
        "description": f"described as '{program.description}'",
    }
    for path, controls in program.defaults.items():
        for mode, value in controls.items():
            facts[f"default {mode} at {named(path)}"] = f"default {mode} {control(mode, value)} at {named(path)}"
    return facts


_SUPERSEDED: Mapping[str, str] = {"terminate": "stays over", "resume": "comes back"}


def _rank(policy: Policy, one: str, other: str) -> str | None:
    """Which of two outranks the other; None where the policy has not both."""
    if one not in policy.programs or other not in policy.programs:
        return None
    first, second = policy.programs[one].primacy, policy.programs[other].primacy
    if first == second:
        return f"{one} and {other} rank alike"
    return f"{one} outranks {other}" if first < second else f"{other} outranks {one}"


# --- what stands while no event does ---------------------------------------------------------------------------------


def _defaults_that_lead(old: Policy, new: Policy) -> Iterator[Change]:
    """Of the defaults of all programmes, those that stand: a laxer one of higher rank loosens what a lower one held."""
    then, now = (arbitrate(policy.programs, (), _ANY_TIME).in_force for policy in (old, new))
    for key in sorted({*then, *now}):
        node, mode = key
        one, other = (None if key not in which else which[key].value for which in (then, now))
        if one != other or isinstance(one, bool) is not isinstance(other, bool):
            said = [f"no {mode}" if value is None else f"{mode} {control(mode, value)}" for value in (other, one)]
            words = f"{named(node)}: while no event stands, {said[0]}; it was {said[1]}"
            yield Change(_kind_of_default(mode, one, other), words)


def _kind_of_default(mode: Mode, one: Value | None, other: Value | None) -> Kind:
    if mode in SWITCHES and False in (one, other):
        return Kind.TIGHTER if other is False else Kind.LOOSER
    if mode in LIMITS and not isinstance(one, str) and not isinstance(other, str):
        return Kind.TIGHTER if tightens(mode, one, other) else Kind.LOOSER
    return Kind.PROGRAM
