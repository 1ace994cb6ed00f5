"""An attack on an evidence file, and what attacks are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import case_log
from forge import Forge

from audit.format.note import VerifierKey

VERIFIED: Final = "verified"
TAMPERED: Final = "tampered"
UNTOLD: Final = "could_not_tell"

FIRST: Final = 5
LAST: Final = 29
"""The first and the last record of the file, see `case_log`."""


@dataclass(frozen=True)
class Attack:
    """What is done to a good file, and the verdict. `base`: which good file."""

    name: str
    act: Callable[[Forge], bytes]
    verdict: str
    member: str | None = None
    first_bad: int | None = None
    base: str = "complete"
    ring: bool = True
    witness: bool = True
    keys: tuple[VerifierKey, ...] = (case_log.PUBLIC,)
    body_keys: bool = False


def drop(forge: Forge, *beginnings: str) -> bytes:
    for name in [name for name in forge.members if name.startswith(beginnings)]:
        del forge.members[name]
    return forge.sign()


def without(name: str) -> Callable[[Forge], bytes]:
    return lambda forge: drop(forge, name)


def putting(name: str, data: bytes, **changes: object) -> Callable[[Forge], bytes]:
    """A member replaced or added, and the manifest signed anew."""

    def act(forge: Forge) -> bytes:
        forge.members[name] = data
        return forge.sign(**changes)

    return act


def altering(name: str, alter: Callable[[bytes], bytes], **changes: object) -> Callable[[Forge], bytes]:
    return lambda forge: putting(name, alter(forge.members[name]), **changes)(forge)


def editing(seq: int, old: bytes, new: bytes, **changes: object) -> Callable[[Forge], bytes]:
    def act(forge: Forge) -> bytes:
        forge.edit_line(seq, old, new)
        return forge.sign(**changes)

    return act


def listing(alter: Callable[[list[bytes]], list[bytes]]) -> Callable[[Forge], bytes]:
    def act(forge: Forge) -> bytes:
        forge.lines = alter(forge.lines)
        return forge.sign()

    return act
