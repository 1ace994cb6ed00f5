"""Who may do what, where: grants to roles, forbids that beat them, and the programs that dispatch runs under.

Deny is the default: an unknown principal, role, action or path is denied, with the reason in words. Roles are those of
IEC 62351-8:2020 table 4. Policies are data (`policies/headend/*.yaml`, docs/reference/policy-yaml.md); their digest
travels with every decision, so that a decision names the exact text that it was taken under.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from dermscore.errors import together
from dermscore.model import Now, covers, path_problem

if TYPE_CHECKING:
    from dermscore.dispatch.modes import Mode, Value
    from dermscore.yamlfile import Document

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


class Role(StrEnum):
    """The predefined roles of IEC 62351-8:2020 table 4."""

    VIEWER = "VIEWER"
    OPERATOR = "OPERATOR"
    ENGINEER = "ENGINEER"
    INSTALLER = "INSTALLER"
    SECADM = "SECADM"
    SECAUD = "SECAUD"
    RBACMNT = "RBACMNT"


class Action(StrEnum):
    """What a principal may be allowed to do at a path of the tree.

    `view` reads; `report` brings telemetry and events in for devices without a stream; `dispatch` sets a power target
    and always states it; `release` ends what the principal's program holds; `subscribe` takes published aggregates.
    """

    VIEW = "view"
    REPORT = "report"
    DISPATCH = "dispatch"
    RELEASE = "release"
    SUBSCRIBE = "subscribe"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: `urn:derms:gateway:<id>`, `urn:derms:agent:<id>` or `http:loopback`, with the roles that are active."""

    id: str
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class Allowed:
    """Yes. `rule` is the place of the grant in its file, such as `grants[2]`."""

    rule: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Denied:
    """No. `reason` is a sentence; `rule` the place of the forbid that said so, empty where nothing permitted it."""

    reason: str
    rule: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """A programme that dispatch runs under. IEEE 2030.5 `primacy`: the lower number wins. Durations in seconds.

    `max_duration_s` is also what a request without a duration gets: nothing is held for ever. `on_supersede` says
    whether an event that was superseded comes back when its superseder ends; `defaults` what stands at a node, per
    mode, while no event does (DefaultDERControl).
    """

    name: str
    primacy: int
    max_duration_s: int
    description: str = ""
    on_supersede: Literal["terminate", "resume"] = "terminate"
    defaults: Mapping[str, Mapping[Mode, Value]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """One grant or forbid. `paths` cover their subtrees ("" is the whole fleet).

    `max_w` is a magnitude, of rules for dispatch alone: a grant allows no more, a forbid strikes above it; None is
    no bound.

    `not_before_ms` and `not_after_ms` bound when the rule stands (UTC), both ends included; None is no bound.
    """

    place: str
    roles: frozenset[str]
    actions: frozenset[str]
    paths: tuple[str, ...]
    max_w: float | None = None
    not_before_ms: int | None = None
    not_after_ms: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Policy:
    """The policies of one headend, checked. `digest` is the SHA-256 (hex) of their canonical JSON.

    `areas` holds each principal's area of responsibility: the paths within which its roles count.
    """

    members: Mapping[str, frozenset[str]]
    areas: Mapping[str, tuple[str, ...]]
    grants: tuple[Rule, ...]
    forbids: tuple[Rule, ...]
    programs: Mapping[str, Program]
    digest: str

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
        """
        roles = who.roles & self.roles_of(who.id)
        refusal = self._unusable(who, roles, action, path, w)
        if refusal:
            return Denied(refusal, digest=self.digest)
        for forbid in self.forbids:
            if _forbids(forbid, roles, action, path, w, now):
                return Denied(f"{forbid.place} forbids it: {forbid.reason}", forbid.place, self.digest)
        granted = [rule for rule in self.grants if _concerns(rule, roles, action, now) and _reaches(rule, path)]
        for rule in granted:
            if _within(rule, w):
                return Allowed(rule.place, self.digest)
        return Denied(_ungranted(granted, roles, action, path, w), digest=self.digest)

    def _unusable(self, who: Principal, roles: frozenset[str], action: str, path: str, w: float | None) -> str | None:
        """Why the question itself is refused, whatever the rules say."""
        if who.id not in self.members:
            return f"{who.id} is unknown"
        if not roles:
            return f"{who.id} has none of its roles active"
        if action not in set(Action):
            return f"'{action}' is not an action"
        if path and path_problem(path):
            return f"'{path}' is not a path"
        if w is not None and not math.isfinite(w):
            return f"{w} is not a power"
        if not any(covers(area, path) for area in self.areas.get(who.id, ())):
            return f"{_named(path)} is outside the area of responsibility of {who.id}"
        return None


def _concerns(rule: Rule, roles: frozenset[str], action: str, now: Now) -> bool:
    """Whether a rule is about these roles and this action, and stands now."""
    begun = rule.not_before_ms is None or rule.not_before_ms <= now.utc_ms
    over = rule.not_after_ms is not None and rule.not_after_ms < now.utc_ms
    return bool(roles & rule.roles) and action in rule.actions and begun and not over


def _reaches(rule: Rule, path: str) -> bool:
    return any(covers(covered, path) for covered in rule.paths)


def _within(rule: Rule, w: float | None) -> bool:
    """Whether the power stays within the rule's `max_w`. An unknown power is within no bound."""
    return rule.max_w is None or (w is not None and abs(w) <= rule.max_w)


def _forbids(rule: Rule, roles: frozenset[str], action: str, path: str, w: float | None, now: Now) -> bool:
    """Whether a forbid strikes: with `max_w`, only what is above it."""
    meets = _reaches(rule, path) or any(covers(path, forbidden) for forbidden in rule.paths)
    spared = rule.max_w is not None and _within(rule, w)
    return _concerns(rule, roles, action, now) and meets and not spared


def _ungranted(granted: list[Rule], roles: frozenset[str], action: str, path: str, w: float | None) -> str:
    if not granted:
        return f"no grant lets {', '.join(sorted(roles))} {action} at {_named(path)}"
    if w is None:
        return f"{granted[0].place} bounds the power, and none is stated"
    most = max(rule.max_w or 0.0 for rule in granted)
    return f"{abs(w):,.0f} W is more than the {most:,.0f} W granted at {_named(path)}"


def _named(path: str) -> str:
    return path or "the whole fleet"


def load(access: Document, dispatch: Document) -> Policy:
    """Make the policy of the two files, `access.yaml` and `dispatch.yaml`.

    Raises:
        BadInput: with every problem of both.
    """
    from dermscore.policy.loading import policy

    return policy(access, dispatch)


def load_folder(folder: Path) -> Policy:
    """Read `access.yaml` and `dispatch.yaml` of a folder, such as `policies/headend`.

    Raises:
        BadInput: with every problem found; `Unreadable` where a file is missing.
    """
    from dermscore.yamlfile import load_file

    return load(*together(lambda: load_file(folder / "access.yaml"), lambda: load_file(folder / "dispatch.yaml")))
