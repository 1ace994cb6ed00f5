"""Who may do what, where: grants to roles, forbids that beat them, and the programs that dispatch runs under.

Deny is the default: an unknown principal, role, action or path is denied, with the reason in words. Roles are those of
IEC 62351-8:2020 table 4. Policies are data (`policies/headend/*.yaml`, docs/reference/policy-yaml.md); their digest
travels with every decision, so that a decision names the exact text that it was taken under.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from dermscore.model import Now

if TYPE_CHECKING:
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

    `max_duration_s` is also what a request without a duration gets: nothing is held for ever.
    """

    name: str
    primacy: int
    max_duration_s: int
    description: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One grant or forbid. `paths` cover their subtrees ("" is the whole fleet); `max_w` is a magnitude, None no bound.

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
    """The policies of one headend, checked. `digest` is the SHA-256 (hex) of their canonical JSON."""

    members: Mapping[str, frozenset[str]]
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
        """Whether `who` may do `action` at `path` ("" is the whole fleet), with `w` watts where it moves power."""
        raise NotImplementedError


def load(access: Document, dispatch: Document) -> Policy:
    """Make the policy of the two files, `access.yaml` and `dispatch.yaml`.

    Raises:
        BadInput: with every problem of both.
    """
    raise NotImplementedError


def load_folder(folder: Path) -> Policy:
    """Read `access.yaml` and `dispatch.yaml` of a folder, such as `policies/headend`.

    Raises:
        BadInput: with every problem of both, an unreadable file included.
    """
    raise NotImplementedError
