"""One line of the difference of two policies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dermscore.policy.difference.week import Stretch
from dermscore.policy.rights.matrix import Span
from dermscore.policy.rights.regions import Region


class Kind(StrEnum):
    """What became of something. What lets more happen comes first: it is what an approver must see."""

    MORE = "more is allowed"
    LOOSER = "loosened"
    LESS = "less is allowed"
    TIGHTER = "tightened"
    PROGRAM = "programmes"
    WRITTEN = "written otherwise"

    @property
    def loosens(self) -> bool:
        """Whether more may happen now than before."""
        return self in (Kind.MORE, Kind.LOOSER)


@dataclass(frozen=True, slots=True)
class Moved:
    """A right before and after, over a time in which neither changes otherwise: both spans have its bounds."""

    before: Span
    after: Span


@dataclass(frozen=True, slots=True)
class Right:
    """Whose right to what, where, a change is about: a principal's with all its roles, or a role's by itself."""

    who: str
    action: str
    region: Region[tuple[Moved, ...]]
    moved: Moved


@dataclass(frozen=True, slots=True)
class Standing:
    """A node's standing limit before and after, and when: the tightest of all that hold then; None is no limit."""

    node: str
    amount: str
    when: Stretch
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Change:
    """What changed, in words. `right` and `standing` say it in figures, where it is about such a thing."""

    kind: Kind
    words: str
    right: Right | None = None
    standing: Standing | None = None
