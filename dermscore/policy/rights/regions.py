"""Parts of the tree in which one answer holds, found from the paths that a policy names: the rest is like its nearest.

Whatever is asked about a path that no rule names, at or above it, is answered as for anything else below the nearest
path that one does. So finitely many answers tell of every path that there could ever be.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from dermscore.model import ancestry, covers
from dermscore.policy.access import named

Answer = TypeVar("Answer", bound=Hashable)


class Scope(StrEnum):
    """Which paths of a region count."""

    ALL = "at and below"
    NODE = "at"
    REST = "below"


@dataclass(frozen=True, slots=True)
class Part:
    """The paths at and below `path`, only `path` itself, or only those below.

    Left out are those that `but` covers, and `save` themselves (not what is below them).
    """

    path: str
    scope: Scope
    but: tuple[str, ...] = ()
    save: tuple[str, ...] = ()

    def holds(self, path: str) -> bool:
        """Whether `path` is of the part."""
        if self.scope is Scope.NODE:
            return path == self.path
        inside = covers(self.path, path) and path not in self.save
        return inside and not (self.scope is Scope.REST and path == self.path) and not self._struck(path)

    def _struck(self, path: str) -> bool:
        return any(covers(other, path) for other in self.but)

    def __str__(self) -> str:
        if self.scope is Scope.NODE:
            return f"at {named(self.path)} {'itself' if self.path else 'as a whole'}"
        text = f"{self.scope} {named(self.path)}" if self.path or self.scope is Scope.REST else "everywhere"
        left_out = sorted([*self.but, *(f"{path} itself" for path in self.save)])
        return f"{text} (except at {', '.join(left_out)})" if left_out else text


@dataclass(frozen=True, slots=True)
class Region(Generic[Answer]):
    """All parts of the tree where one answer holds."""

    parts: tuple[Part, ...]
    answer: Answer

    def holds(self, path: str) -> bool:
        """Whether `path` is of the region."""
        return any(part.holds(path) for part in self.parts)

    def __str__(self) -> str:
        return ", ".join(map(str, self.parts))


def regions(paths: Iterable[str], answer: Callable[[str, bool], Answer]) -> list[Region[Answer]]:
    """One region for each answer (which can be hashed), each path in exactly one; in the order of the tree.

    Args:
        paths: those at which the answer may change.
        answer: for a path, and whether what is below it on no way to any of `paths` is meant instead of itself.
    """
    below: dict[str, list[str]] = {"": []}
    for node in sorted({above for path in paths if path for above in ancestry(path)}):
        below[node] = []
        below[node.rpartition("/")[0]].append(node)
    found: dict[Answer, list[Part]] = {}
    for part, its_answer in _under("", below, answer):
        found.setdefault(its_answer, []).append(part)
    return [Region(tuple(parts), its_answer) for its_answer, parts in found.items()]


def _under(
    path: str, below: Mapping[str, list[str]], answer: Callable[[str, bool], Answer]
) -> list[tuple[Part, Answer]]:
    """The parts at and below `path`. First what is answered for `path` itself, then what for the rest below it.

    A child of which the rest is answered alike belongs to the rest of its parent; the child itself may be apart.
    """
    own, rest = answer(path, False), answer(path, True)
    but: list[str] = []
    save: list[str] = []
    more: list[tuple[Part, Answer]] = []
    for child in below[path]:
        kid = _under(child, below, answer)
        spread = next(number for number, (part, _) in enumerate(kid) if part.scope is not Scope.NODE)
        part, its_rest = kid[spread]
        if its_rest == rest:
            but += part.but
            save += [child, *part.save] if spread else part.save
            more += kid[:spread] + kid[spread + 1 :]
        else:
            but.append(child)
            more += kid
    if own == rest:
        return [(Part(path, Scope.ALL, tuple(but), tuple(save)), own), *more]
    return [(Part(path, Scope.NODE), own), (Part(path, Scope.REST, tuple(but), tuple(save)), rest), *more]
