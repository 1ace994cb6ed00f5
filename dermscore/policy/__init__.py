"""Who may do what, where; the programmes that dispatch runs under; and the limits that it keeps.

Deny is the default: an unknown principal, role, action or path is denied, with the reason in words. Roles are those of
IEC 62351-8:2020 table 4. Policies are data (`policies/headend/*.yaml`, docs/reference/policy-yaml.md); their digest
travels with every decision, so that a decision names the exact policy that it was taken under.

    >>> policy = load_folder(Path("policies/headend"))
    >>> policy.authorize(policy.principal("http:loopback"), "dispatch", "feeder/F12", 5e6, now=now)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dermscore.errors import together
from dermscore.model import Now, covers, path_problem
from dermscore.policy.access import Action, Allowed, Denied, Principal, Role, Rule, named
from dermscore.policy.programs import Program

if TYPE_CHECKING:
    from dermscore.dispatch.limits import Limit
    from dermscore.files.yamlfile import Document
    from dermscore.policy.limits import Ended, LimitRule, Rebound

__all__ = [
    "Action",
    "Allowed",
    "Denied",
    "Policy",
    "Principal",
    "Program",
    "Role",
    "Rule",
    "load",
    "load_folder",
]


@dataclass(frozen=True)
class Policy:
    """The policies of one headend, checked. `digest` is the SHA-256 (hex) of what they mean, as canonical JSON.

    `areas` holds each principal's area of responsibility: the paths within which its roles count.
    """

    members: Mapping[str, frozenset[str]]
    areas: Mapping[str, tuple[str, ...]]
    grants: tuple[Rule, ...]
    forbids: tuple[Rule, ...]
    programs: Mapping[str, Program]
    digest: str
    limits: tuple[LimitRule, ...] = ()
    rebounds: tuple[Rebound, ...] = ()

    def roles_of(self, principal_id: str) -> frozenset[str]:
        """The roles that the policy gives a principal; none for one that it does not know."""
        return self.members.get(principal_id, frozenset())

    def principal(self, principal_id: str) -> Principal:
        """A principal with every role that the policy gives it."""
        return Principal(principal_id, self.roles_of(principal_id))

    def authorize(
        self, who: Principal, action: str, path: str, w: float | None = None, *, now: Now
    ) -> Allowed | Denied:
        """Whether `who` may do `action` at `path` ("" is the whole fleet), with `w` watts where it moves power.

        Only roles that the policy itself gives `who` count, whatever else it claims. A forbid counts wherever it meets
        the path asked for: above it, at it, or anywhere below, for what is done to a node is done to all beneath it.
        `dermscore.policy.rights.explain` tells of every rule what it had to say.
        """
        roles = who.roles & self.roles_of(who.id)
        refusal = self.question_problem(who, action, path, w)
        if refusal:
            return Denied(refusal, digest=self.digest)
        for forbid in self.forbids:
            if forbid.concerns(roles, action) and forbid.stands(now) and forbid.meets(path) and forbid.strikes(w):
                return Denied(f"{forbid.place} forbids it: {forbid.reason}", forbid.place, self.digest)
        granted = [
            rule for rule in self.grants if rule.concerns(roles, action) and rule.stands(now) and rule.reaches(path)
        ]
        for rule in granted:
            if rule.within(w):
                return Allowed(rule.place, self.digest)
        return Denied(_ungranted(granted, roles, action, path, w), digest=self.digest)

    def limits_at(self, now: Now, ended: Iterable[Ended] = ()) -> tuple[Limit, ...]:
        """The limits that count at `now`: those whose time it is, and those that follow a curtailment that has ended.

        `ended` holds the curtailing events that are over; `dermscore.policy.limits.ended` finds them in a log.
        """
        from dermscore.policy.limits import in_force

        return in_force(self, now, ended)

    def market_at(self, path: str) -> Program | None:
        """The market programme that runs on all of `path`. There is one at most; nothing is in two markets."""
        markets = (program for program in self.programs.values() if program.market)
        return next((market for market in markets if market.refusal(path) is None), None)

    def question_problem(self, who: Principal, action: str, path: str, w: float | None) -> str | None:
        """Why the question itself is refused, whatever the rules say; None where they decide."""
        if who.id not in self.members:
            return f"{who.id} is unknown"
        if not who.roles & self.roles_of(who.id):
            return f"{who.id} has none of its roles active"
        if action not in set(Action):
            return f"'{action}' is not an action"
        if path and path_problem(path):
            return f"'{path}' is not a path"
        if w is not None and not math.isfinite(w):
            return f"{w} is not a power"
        if not any(covers(area, path) for area in self.areas.get(who.id, ())):
            return f"{named(path)} is outside the area of responsibility of {who.id}"
        return None


def _ungranted(granted: list[Rule], roles: frozenset[str], action: str, path: str, w: float | None) -> str:
    if not granted:
        return f"no grant lets {', '.join(sorted(roles))} {action} at {named(path)}"
    if w is None:
        return f"{granted[0].place} bounds the power, and none is stated"
    most = max(rule.max_w or 0.0 for rule in granted)
    return f"{abs(w):,.0f} W is more than the {most:,.0f} W granted at {named(path)}"


def load(access: Document, dispatch: Document) -> Policy:
    """Make the policy of the two files, `access.yaml` and `dispatch.yaml`.

    Raises:
        BadInput: with every problem of both.
    """
    from dermscore.policy.files.loading import access_file, dispatch_file, policy

    return policy(*together(lambda: access_file(access), lambda: dispatch_file(dispatch)))


def load_folder(folder: Path | str) -> Policy:
    """Read `access.yaml` and `dispatch.yaml` of a folder, such as `policies/headend`.

    Raises:
        BadInput: with every problem found; `Unreadable` where a file is missing.
    """
    from dermscore.files.yamlfile import load_file
    from dermscore.policy.files.loading import access_file, dispatch_file, policy

    inside = Path(folder)
    return policy(
        *together(
            lambda: access_file(load_file(inside / "access.yaml")),
            lambda: dispatch_file(load_file(inside / "dispatch.yaml")),
        )
    )
