"""Why a question was answered as it was: the verdict, and what every rule that was looked at had to say."""

from __future__ import annotations

from dataclasses import dataclass

from dermscore.dispatch.words import power
from dermscore.model import Now
from dermscore.policy import Allowed, Denied, Policy, Principal, Rule
from dermscore.policy.access import named
from dermscore.policy.windows import moment


@dataclass(frozen=True, slots=True)
class Looked:
    """A rule that was looked at. `applies` is whether it grants, or strikes; `why` says how it came to that."""

    place: str
    applies: bool
    why: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict, and the rules that were looked at for it: all forbids, then all grants, as they stand in the file.

    There are none where the question itself was refused: of nobody known, of no action, outside the area.
    """

    verdict: Allowed | Denied
    looked: tuple[Looked, ...]


def explain(policy: Policy, who: Principal, action: str, path: str, w: float | None = None, *, now: Now) -> Explanation:
    """As `Policy.authorize`, whose verdict it gives, with every rule's part in it."""
    roles = who.roles & policy.roles_of(who.id)
    verdict = policy.authorize(who, action, path, w, now=now)
    if policy.question_problem(who, action, path, w):
        return Explanation(verdict, ())
    forbids = [_forbid(rule, roles, action, path, w, now) for rule in policy.forbids]
    grants = [_grant(rule, roles, action, path, w, now) for rule in policy.grants]
    return Explanation(verdict, (*forbids, *grants))


def _forbid(rule: Rule, roles: frozenset[str], action: str, path: str, w: float | None, now: Now) -> Looked:
    aside = _aside(rule, roles, action, now)
    if aside:
        return Looked(rule.place, False, aside)
    if not rule.meets(path):
        return Looked(rule.place, False, f"is about {_paths(rule)}; no part of that is at or below {named(path)}")
    if not rule.strikes(w):
        return Looked(rule.place, False, f"forbids only what is above {power(rule.max_w or 0.0)}")
    bound = "" if rule.max_w is None else f" what is above {power(rule.max_w)}, or not stated"
    return Looked(rule.place, True, f"forbids{bound or ' it'}: {rule.reason}")


def _grant(rule: Rule, roles: frozenset[str], action: str, path: str, w: float | None, now: Now) -> Looked:
    aside = _aside(rule, roles, action, now)
    if aside:
        return Looked(rule.place, False, aside)
    if not rule.reaches(path):
        return Looked(rule.place, False, f"is about {_paths(rule)}, which does not cover the whole of {named(path)}")
    if not rule.within(w):
        unstated = ", and no power is stated" if w is None else ""
        return Looked(rule.place, False, f"permits {power(rule.max_w or 0.0)} at most{unstated}")
    return Looked(rule.place, True, f"permits it: {rule.reason}")


def _aside(rule: Rule, roles: frozenset[str], action: str, now: Now) -> str:
    """Why the rule is about something else, or another time; empty where it is about this."""
    if not roles & rule.roles:
        return f"is about {', '.join(sorted(rule.roles))}, not {', '.join(sorted(roles))}"
    if action not in rule.actions:
        return f"is about {', '.join(sorted(rule.actions))}, not {action}"
    if rule.stands(now):
        return ""
    if rule.not_before_ms is not None and now.utc_ms < rule.not_before_ms:
        return f"does not stand before {moment(rule.not_before_ms)}"
    return f"is over since {moment(rule.not_after_ms or 0)}"


def _paths(rule: Rule) -> str:
    return ", ".join(map(named, rule.paths))
