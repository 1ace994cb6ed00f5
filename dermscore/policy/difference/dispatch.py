"""What two policies differ in about dispatch: limits that loosened or tightened, programmes that rank otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import combinations

from dermscore.dispatch.modes import LIMITS, SETPOINTS
from dermscore.dispatch.words import power
from dermscore.policy import Policy, Program
from dermscore.policy.access import named
from dermscore.policy.difference.change import Change, Kind
from dermscore.policy.limits import CURTAILING, FLOORS, LimitRule, Rebound

_Key = tuple[str, str, str]  # node, amount, time


def limit_changes(old: Policy, new: Policy) -> Iterator[Change]:
    """Every limit at a node and time that is another one now. Of several for the same time, the tightest counts."""
    before, after = _limits(old), _limits(new)
    for key in sorted({*before, *after}):
        one, other = before.get(key), after.get(key)
        if one != other:
            node, amount, when = key
            words = f"{named(node)}: {amount}, {when}: {_figure(amount, other)}; it was {_figure(amount, one)}"
            yield Change(Kind.TIGHTER if _tightens(amount, one, other) else Kind.LOOSER, words)


def _limits(policy: Policy) -> Mapping[_Key, float]:
    timed: list[tuple[LimitRule | Rebound, str]] = [(rule, str(rule.when)) for rule in policy.limits]
    timed += [(rule, f"for {rule.lasts_s} s after {_curtailment(rule)}") for rule in policy.rebounds]
    found: dict[_Key, float] = {}
    for rule, when in timed:
        for node in rule.nodes:
            for amount, value in rule.amounts.stated().items():
                key = (node, amount, when)
                if key not in found or _tightens(amount, found[key], value):
                    found[key] = value
    return found


def _curtailment(rule: Rebound) -> str:
    return "a curtailment" if rule.after == CURTAILING else f"an end of {', '.join(sorted(rule.after))}"


def _tightens(amount: str, one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is None
    return other > one if amount in FLOORS else other < one


def _figure(amount: str, value: float | None) -> str:
    if value is None:
        return "no limit"
    if amount.endswith("_pct"):
        return f"{value:g} %"
    return f"{power(value)}/s" if amount.endswith("_w_per_s") else power(value)


def program_changes(old: Policy, new: Policy) -> Iterator[Change]:
    """Programmes that are new or gone, what of them is another now, and who outranks whom that did not."""
    for name in sorted({*old.programs, *new.programs}):
        one, other = old.programs.get(name), new.programs.get(name)
        if one is None or other is None:
            program = one or other
            assert program is not None
            words = f"{name} is {'new' if one is None else 'gone'}"
            yield Change(Kind.PROGRAM, f"{words}: {'; '.join(_facts(program).values())}")
            continue
        before, after = _facts(one), _facts(other)
        for fact in sorted({*before, *after}):
            if before.get(fact) != after.get(fact):
                words = f"{name}: {after.get(fact, f'no {fact}')}; it was: {before.get(fact, f'no {fact}')}"
                yield Change(Kind.PROGRAM, words)
    for one_name, other_name in combinations(sorted({*old.programs} & {*new.programs}), 2):
        then, now = _rank(old, one_name, other_name), _rank(new, one_name, other_name)
        if then != now:
            yield Change(Kind.PROGRAM, f"{now}; before, {then}")


def _facts(program: Program) -> Mapping[str, str]:
    """All that a programme says, each in words, by what it is about."""
    facts = {
        "primacy": f"primacy {program.primacy}",
        "longest": f"{program.max_duration_s} s at most",
        "supersede": f"what was superseded {_SUPERSEDED[program.on_supersede]}",
        "market": "a market" if program.market else "no market",
        "paths": f"runs at {', '.join(map(named, program.paths))}",
        "description": f"described as '{program.description}'",
    }
    for path, controls in program.defaults.items():
        for mode, value in controls.items():
            shown = power(value) if mode in LIMITS | SETPOINTS and isinstance(value, float) else str(value).lower()
            facts[f"default {mode} at {named(path)}"] = f"default {mode} {shown} at {named(path)}"
    return facts


_SUPERSEDED: Mapping[str, str] = {"terminate": "stays over", "resume": "comes back"}


def _rank(policy: Policy, one: str, other: str) -> str:
    first, second = policy.programs[one].primacy, policy.programs[other].primacy
    if first == second:
        return f"{one} and {other} rank alike"
    return f"{one} outranks {other}" if first < second else f"{other} outranks {one}"
