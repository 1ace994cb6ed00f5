"""Roles, actions and rules: what a single grant or forbid says about a single question."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dermscore.model import Now, covers


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

    def stands(self, now: Now) -> bool:
        """Whether it has begun and is not over."""
        begun = self.not_before_ms is None or self.not_before_ms <= now.utc_ms
        over = self.not_after_ms is not None and self.not_after_ms < now.utc_ms
        return begun and not over

    def concerns(self, roles: frozenset[str], action: str) -> bool:
        """Whether it is about any of these roles, and this action."""
        return bool(roles & self.roles) and action in self.actions

    def reaches(self, path: str) -> bool:
        """Whether it covers the whole of `path`."""
        return any(covers(covered, path) for covered in self.paths)

    def meets(self, path: str) -> bool:
        """Whether it covers any part of `path`: above it, at it, or anywhere below."""
        return self.reaches(path) or any(covers(path, covered) for covered in self.paths)

    def within(self, w: float | None) -> bool:
        """Whether the power stays within `max_w`. An unknown power is within no bound."""
        return self.max_w is None or (w is not None and abs(w) <= self.max_w)

    def strikes(self, w: float | None) -> bool:
        """As a forbid: whether it is against this power; with `max_w`, only what is above it."""
        return self.max_w is None or not self.within(w)


def outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that no other of them covers, in order: what a rule or an area covers, said once."""
    every = set(paths)
    return tuple(sorted(path for path in every if not any(covers(other, path) for other in every - {path})))


def named(path: str) -> str:
    """A path as a sentence has it."""
    return path or "the whole fleet"
