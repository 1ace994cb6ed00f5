"""One line of the difference of two policies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dermscore.policy.rights.matrix import Span
from dermscore.policy.rights.regions import Region


class Kind(StrEnum):
    """What became of something."""

    MORE = "allowed now"
    LESS = "no longer allowed"
    LOOSER = "loosened"
    TIGHTER = "tightened"
    PROGRAM = "programme"
    WRITTEN = "written otherwise"


@dataclass(frozen=True, slots=True)
class Moved:
    """A right before and after, over a time in which neither changes otherwise: both spans have its bounds."""

    before: Span
    after: Span


@dataclass(frozen=True, slots=True)
class Right:
    """Whose right to what, where, a change is about."""

    who: str
    action: str
    region: Region[tuple[Moved, ...]]
    moved: Moved


@dataclass(frozen=True, slots=True)
class Change:
    """What changed, in words. `right` says it in figures where somebody may do more or less."""

    kind: Kind
    words: str
    right: Right | None = None
