"""Which master controls, where an operator has said so: `derms gateway takeover` writes it, a running gateway reads it.

Whoever operates first is in control and stays it (DESIGN.md section 8, rule 7). A takeover is a person's word, not a
master's: it comes through a file in the gateway's folder, as isolation does, and outlives restarts as that does.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from dermscore.errors import BadInput, Problem
from gateway.contract import Contract

FILE: Final = "TAKEOVER"


@dataclass(frozen=True, slots=True)
class Takeover:
    """`master` of `outstation` is in control, because of `reason`, as somebody said at `at_ms` (UTC)."""

    outstation: str
    master: str
    reason: str
    at_ms: int

    @property
    def holder(self) -> tuple[str, str]:
        return self.outstation, self.master

    def __str__(self) -> str:
        return f"{self.master} on {self.outstation}: {self.reason}"


def holder(contract: Contract, master: str, outstation: str | None) -> tuple[str, str]:
    """(outstation, master) of the one master that is meant.

    Raises:
        BadInput: no such master may operate, or several outstations have one of that name.
    """
    found = sorted(each for each in contract.may_control if each[1] == master and outstation in (None, each[0]))
    if len(found) == 1:
        return found[0]
    those = ", ".join(f"{name} on {where}" for where, name in found or sorted(contract.may_control)) or "none"
    what = "is on several outstations; say which" if found else "is no master that may operate here"
    raise BadInput([Problem("boundary.yaml", "outstations", f"{master!r} {what} ({those})")])


def write(folder: Path, takeover: Takeover) -> None:
    """Replace what was said before. The file is whole at any moment, and durable when this returns."""
    fresh = folder / f"{FILE}.new"
    with fresh.open("w", encoding="utf-8") as file:
        file.write(json.dumps(asdict(takeover)) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / FILE)


def read(folder: Path) -> Takeover | None:
    """What was said last; None where nothing was, or nothing that can be read."""
    try:
        said = json.loads((folder / FILE).read_text(encoding="utf-8"))
        takeover = Takeover(**said)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    texts = (takeover.outstation, takeover.master, takeover.reason)
    return takeover if all(type(each) is str for each in texts) and type(takeover.at_ms) is int else None
