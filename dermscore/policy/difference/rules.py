"""What is written otherwise, whatever it does: principals, rules, limits and rebounds, word by word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from dermscore.dispatch.limits import AMOUNTS, Limit
from dermscore.policy import Policy, Rule
from dermscore.policy.access import named
from dermscore.policy.difference.change import Change, Kind
from dermscore.policy.difference.figures import amount, watts
from dermscore.policy.limits import LimitRule, Rebound
from dermscore.policy.windows import moment

_Placed = Rule | LimitRule | Rebound


def written_changes(old: Policy, new: Policy) -> Iterator[Change]:
    """Principals, rules, limits and rebounds that are in one of the two alone, or in another order."""
    for who in sorted({*old.members, *new.members}):
        before, after = _membership(old, who), _membership(new, who)
        if before != after:
            yield Change(Kind.WRITTEN, f"{who}: {after}; it was: {before}")
    yield from _rule_changes("grants", old.grants, new.grants)
    yield from _rule_changes("forbids", old.forbids, new.forbids)
    yield from _rule_changes("limits", old.limits, new.limits)
    yield from _rule_changes("rebounds", old.rebounds, new.rebounds)


def _membership(policy: Policy, who: str) -> str:
    if who not in policy.members:
        return "unknown"
    within = ", ".join(map(named, policy.areas.get(who, ())))
    return f"{', '.join(sorted(policy.members[who]))} within {within or 'no area'}"


def _rule_changes(section: str, old: tuple[_Placed, ...], new: tuple[_Placed, ...]) -> Iterator[Change]:
    gone = {rule.place: rule for rule in _only_in(old, new)}
    come = {rule.place: rule for rule in _only_in(new, old)}
    for place in sorted({*gone, *come}, key=lambda place: (len(place), place)):
        yield Change(Kind.WRITTEN, _rewritten(place, gone.get(place), come.get(place)))
    stay = [
        [replace(rule, place="") for rule in some if rule.place not in left]
        for some, left in ((old, gone), (new, come))
    ]
    if stay[0] != stay[1]:
        yield Change(Kind.WRITTEN, f"the {section} stand in another order, so verdicts name other places")


def _only_in(some: tuple[_Placed, ...], others: tuple[_Placed, ...]) -> list[_Placed]:
    """Those whose text is not among the others, as often as it is not."""
    spare = Counter(replace(rule, place="") for rule in others)
    found = []
    for rule in some:
        text = replace(rule, place="")
        if spare[text]:
            spare[text] -= 1
        else:
            found.append(rule)
    return found


def _rewritten(place: str, old: _Placed | None, new: _Placed | None) -> str:
    if old is None or new is None:
        found, what = (new, "new") if new is not None else (old, "gone")
        return f"{place} is {what}: {'; '.join(f'{key} {text}' for key, text in _keys(found).items() if text)}"
    before, after = _keys(old), _keys(new)
    moved = [
        f"{key} {after[key] or 'left out'}, it was {before[key] or 'left out'}"
        for key in after
        if before[key] != after[key]
    ]
    return f"{place} differs in {'; '.join(moved)}"


def _keys(rule: _Placed | None) -> Mapping[str, str]:
    """What a rule says, by its keys in the file, exactly; empty where it says nothing."""
    found: dict[str, str] = {}
    for field in fields(rule) if rule is not None else ():
        value = getattr(rule, field.name)
        if isinstance(value, Limit):
            found |= {name: _amount(name, getattr(value, name)) for name in AMOUNTS}
        elif field.name != "place":
            found[_NAMES.get(field.name, field.name)] = _text(field.name, value)
    return found


_NAMES = {"max_w": "max_w", "not_before_ms": "not_before", "not_after_ms": "not_after", "nodes": "at"}


def _amount(name: str, value: float | None) -> str:
    return "" if value is None else amount(name, value)


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name == "max_w":
        return watts(value)
    if name.endswith("_ms"):
        return moment(value)
    if name == "reason":
        return f"'{value}'"
    if isinstance(value, tuple | frozenset):
        return ", ".join(sorted(map(named, value)))
    return str(value)
