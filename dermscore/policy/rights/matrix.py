"""The access matrix: every principal (or role) x action x path, and up to what power, from when to when, by which rule.

It is complete: a question that `Policy.authorize` could be asked about anybody with all roles active, at any path and
any time, has exactly one entry, and the entry has the answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from dermscore.model import covers
from dermscore.policy import Action, Policy, Role, Rule
from dermscore.policy.rights.regions import Region, regions
from dermscore.policy.windows import edges, lasts


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose rights are listed: roles that are active, within areas."""

    name: str
    roles: frozenset[str]
    areas: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """What is allowed from `from_ms` until before `until_ms` (UTC; None is no bound).

    `most_w` is the largest magnitude: infinity where nothing bounds it (only then may the power go unstated), None
    where it is denied. `rules` are the places that say so; none where nothing grants it, forbidden or not.
    """

    from_ms: int | None
    until_ms: int | None
    most_w: float | None
    rules: tuple[str, ...] = ()

    def allows(self, w: float | None) -> bool:
        """Whether a power is within it. One that is not stated is within no bound."""
        if self.most_w is None:
            return False
        return math.isinf(self.most_w) if w is None else abs(w) <= self.most_w

    def holds(self, now_ms: int) -> bool:
        """Whether it is about this moment."""
        begun = self.from_ms is None or self.from_ms <= now_ms
        return begun and (self.until_ms is None or now_ms < self.until_ms)


@dataclass(frozen=True, slots=True)
class Entry:
    """One subject's right to one action in one region of the tree: spans in order, without a gap."""

    subject: Subject
    action: Action
    region: Region[tuple[Span, ...]]

    @property
    def spans(self) -> tuple[Span, ...]:
        return self.region.answer


def principals(policy: Policy) -> tuple[Subject, ...]:
    """Everybody that the policy knows, with all roles active."""
    return tuple(subject(policy, name) for name in sorted(policy.members))


def subject(policy: Policy, principal_id: str) -> Subject:
    """A principal with all roles active; one without any where the policy does not know it."""
    return Subject(principal_id, policy.roles_of(principal_id), policy.areas.get(principal_id, ()))


def roles() -> tuple[Subject, ...]:
    """Every role alone, everywhere: what the rules give it, whoever holds it."""
    return tuple(Subject(role, frozenset({role.value}), ("",)) for role in sorted(Role))


@dataclass(frozen=True, slots=True)
class Basis:
    """What decides on one subject's right to one action: the rules that concern it, and its areas."""

    areas: tuple[str, ...]
    grants: tuple[Rule, ...]
    forbids: tuple[Rule, ...]

    @classmethod
    def of(cls, policy: Policy, who: Subject, action: str) -> Basis:
        """Only the rules about its roles and the action; a policy of hundreds has few of each."""
        grants, forbids = (
            tuple(rule for rule in rules if rule.concerns(who.roles, action))
            for rules in (policy.grants, policy.forbids)
        )
        return cls(who.areas, grants, forbids)

    @property
    def paths(self) -> set[str]:
        """The paths at which it may change."""
        return {*self.areas, *(path for rule in (*self.grants, *self.forbids) for path in rule.paths)}

    def spans(self, path: str, below: bool) -> tuple[Span, ...]:
        """The right at `path`, or at anything below it that no rule names, over all time."""
        if not any(covers(area, path) for area in self.areas):
            return (Span(None, None, None),)
        grants = [rule for rule in self.grants if rule.reaches(path)]
        meets = Rule.reaches if below else Rule.meets
        forbids = [rule for rule in self.forbids if meets(rule, path)]
        found = {edge for rule in (*grants, *forbids) for edge in edges(rule.not_before_ms, rule.not_after_ms)}
        turns = sorted(turn for turn in found if turn is not None)
        bounds = zip([None, *turns], [*turns, None], strict=True)
        return _joined([_span(begin, end, grants, forbids) for begin, end in bounds])


def matrix(policy: Policy, subjects: Iterable[Subject]) -> list[Entry]:
    """Every entry of `subjects`, by subject, action and path."""
    return [
        Entry(each, action, region)
        for each in subjects
        for action in Action
        for region in _regions(policy, each, action)
    ]


def _regions(policy: Policy, who: Subject, action: str) -> list[Region[tuple[Span, ...]]]:
    basis = Basis.of(policy, who, action)
    return regions(basis.paths, basis.spans)


def _span(begin: int | None, end: int | None, grants: list[Rule], forbids: list[Rule]) -> Span:
    against = [rule for rule in forbids if _stands(rule, begin, end)]
    given = [rule for rule in grants if _stands(rule, begin, end)]
    outright = [rule.place for rule in against if rule.max_w is None]
    if outright or not given:
        return Span(begin, end, None, tuple(outright) if given else ())
    granted_w = max(_bound(rule) for rule in given)
    most_w = min([granted_w, *map(_bound, against)])
    by = [rule.place for rule in given if _bound(rule) == granted_w]
    return Span(begin, end, most_w, (*by, *(rule.place for rule in against if _bound(rule) == most_w)))


def _stands(rule: Rule, begin: int | None, end: int | None) -> bool:
    return lasts(rule.not_before_ms, rule.not_after_ms, begin, end)


def _bound(rule: Rule) -> float:
    return math.inf if rule.max_w is None else rule.max_w


def _joined(parts: list[Span]) -> tuple[Span, ...]:
    """Neighbours that say the same, as one."""
    joined = parts[:1]
    for part in parts[1:]:
        last = joined[-1]
        if (last.most_w, last.rules) == (part.most_w, part.rules):
            joined[-1] = replace(last, until_ms=part.until_ms)
        else:
            joined.append(part)
    return tuple(joined)
