"""What two policies differ in about rights: who may do more, who less, where and when."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from dermscore.policy import Action, Policy
from dermscore.policy.difference.change import Change, Kind, Moved, Right
from dermscore.policy.difference.figures import watts
from dermscore.policy.rights.matrix import Basis, Span, Subject, roles, subject
from dermscore.policy.rights.regions import regions
from dermscore.policy.windows import stretch


def right_changes(old: Policy, new: Policy) -> Iterator[Change]:
    """Every right of anybody that is another one now, in the fewest regions and times.

    Then those of a role by itself that are nobody's with all roles active: of a role that nobody holds, that is held
    only where areas leave none of it, or that another role of its holders stands against.
    """
    told = set()
    for who in sorted({*old.members, *new.members}):
        for right in _rights(old, new, subject(old, who), subject(new, who)):
            told.add((right.action, right.region))
            yield _change(right, who)
    for role in roles():
        for right in _rights(old, new, role, role):
            if (right.action, right.region) not in told:
                yield _change(right, f"whoever acts as {role.name} alone")


def _rights(old: Policy, new: Policy, one: Subject, other: Subject) -> Iterator[Right]:
    for action in Action:
        before, after = Basis.of(old, one, action), Basis.of(new, other, action)
        if before == after:
            continue
        for region in regions(before.paths | after.paths, partial(_moved_at, before, after)):
            for moved in region.answer:
                yield Right(other.name, action, region, moved)


def _moved_at(before: Basis, after: Basis, path: str, below: bool) -> tuple[Moved, ...]:
    return _moved(before.spans(path, below), after.spans(path, below))


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


# --- in words --------------------------------------------------------------------------------------------------------


def _change(right: Right, who: str) -> Change:
    before, after = right.moved.before.most_w, right.moved.after.most_w
    where = f"{right.region}{stretch(right.moved.after.from_ms, right.moved.after.until_ms)}"
    more = _most(after) > _most(before)
    if after is None:
        words = f"{who} may no longer {right.action}: {where}{_before(right.action, before)}"
    else:
        only = "" if more else " only"
        words = (
            f"{who} may now {right.action}{only}{_bound(right.action, after)}: {where}{_before(right.action, before)}"
        )
    return Change(Kind.MORE if more else Kind.LESS, words, right)


def _before(action: str, most_w: float | None) -> str:
    if most_w is None:
        return "; before, not at all"
    bound = _bound(action, most_w)
    return f"; before,{bound}" if bound else ""


def _bound(action: str, most_w: float) -> str:
    """How much, where the action has an amount."""
    if action != Action.DISPATCH:
        return ""
    return " any power" if math.isinf(most_w) else f" up to {watts(most_w)}"


def _most(most_w: float | None) -> float:
    return -1.0 if most_w is None else most_w
