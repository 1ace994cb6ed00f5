"""What two policies differ in about access: who may do more, who less, and which rules are written otherwise."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import partial

from dermscore.dispatch.words import power
from dermscore.policy import Action, Policy, Rule
from dermscore.policy.access import named
from dermscore.policy.difference.change import Change, Kind, Moved, Right
from dermscore.policy.limits import LimitRule, Rebound
from dermscore.policy.rights.matrix import Span, Subject, named_paths, spans, subject
from dermscore.policy.rights.regions import regions
from dermscore.policy.windows import stretch


def right_changes(old: Policy, new: Policy) -> Iterator[Change]:
    """Every right of anybody that is another one now, in the fewest regions and times."""
    paths = named_paths(old) | named_paths(new)
    for who in sorted({*old.members, *new.members}):
        one, other = subject(old, who), subject(new, who)
        for action in Action:
            for region in regions(paths, partial(_moved_at, old, new, one, other, action)):
                for moved in region.answer:
                    right = Right(who, action, region, moved)
                    kind = Kind.MORE if _most(moved.after) > _most(moved.before) else Kind.LESS
                    yield Change(kind, _words(right), right)


def _moved_at(
    old: Policy, new: Policy, one: Subject, other: Subject, action: str, path: str, below: bool
) -> tuple[Moved, ...]:
    return _moved(spans(old, one, action, path, below), spans(new, other, action, path, below))


def _moved(before: tuple[Span, ...], after: tuple[Span, ...]) -> tuple[Moved, ...]:
    """Where, over time, the two differ in what they allow; neighbours that do alike are one."""
    edges = sorted({span.from_ms for span in (*before, *after) if span.from_ms is not None})
    moved: list[Moved] = []
    for begin, end in zip([None, *edges], [*edges, None], strict=True):
        one, other = (Span(begin, end, _standing(which, begin).most_w) for which in (before, after))
        if moved and (moved[-1].before.most_w, moved[-1].after.most_w) == (one.most_w, other.most_w):
            last = moved.pop()
            one, other = replace(last.before, until_ms=end), replace(last.after, until_ms=end)
        moved.append(Moved(one, other))
    return tuple(each for each in moved if each.before.most_w != each.after.most_w)


def _standing(parts: tuple[Span, ...], begin: int | None) -> Span:
    return parts[0] if begin is None else next(span for span in parts if span.holds(begin))


def _most(span: Span) -> float:
    return -1.0 if span.most_w is None else span.most_w


def _words(right: Right) -> str:
    before, after = right.moved.before.most_w, right.moved.after.most_w
    where = f"{right.region}{stretch(right.moved.after.from_ms, right.moved.after.until_ms)}"
    if before is None:
        return f"{right.who} may {right.action}{_up_to(after)} {where}"
    if after is None:
        return f"{right.who} may not {right.action} any more {where}{_was(before)}"
    return f"{right.who} may {right.action}{_up_to(after) or ' any power'} {where}; it was {_bound(before)}"


def _up_to(most_w: float | None) -> str:
    return "" if most_w is None or math.isinf(most_w) else f" up to {power(most_w)}"


def _was(most_w: float) -> str:
    return "" if math.isinf(most_w) else f"; it was {_bound(most_w)}"


def _bound(most_w: float) -> str:
    return "without a bound" if math.isinf(most_w) else f"up to {power(most_w)}"


# --- what is written otherwise, whatever it does ---------------------------------------------------------------------


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


_Placed = Rule | LimitRule | Rebound


def _rule_changes(section: str, old: tuple[_Placed, ...], new: tuple[_Placed, ...]) -> Iterator[Change]:
    gone = {rule.place: rule for rule in _only_in(old, new)}
    come = {rule.place: rule for rule in _only_in(new, old)}
    for place in sorted({*gone, *come}, key=lambda place: (len(place), place)):
        yield Change(Kind.WRITTEN, _rewritten(place, gone.get(place), come.get(place)))
    if old != new and not gone and not come:
        yield Change(Kind.WRITTEN, f"the {section} stand in another order, so verdicts name other places")


def _rewritten(place: str, old: _Placed | None, new: _Placed | None) -> str:
    if old is None or new is None:
        return f"{place} is new: {new.reason}" if new else f"{place} is gone: {old.reason if old else ''}"
    other = [each.name for each in fields(new) if getattr(old, each.name) != getattr(new, each.name)]
    return f"{place} differs in {', '.join(other)}: {new.reason}"


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
