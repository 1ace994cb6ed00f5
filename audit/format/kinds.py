"""The kinds of records that have a meaning of their own, `docs/reference/audit-format.md`. Pure; a table, no behaviour.

Kinds that begin with `log.` are the log's. All others are the application's; those of them that every reader of a
trail may rely on stand in `COMMON`, with what their members say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

START: Final = "log.start"
REBASE: Final = "log.rebase"
OPEN: Final = "log.open"
CUT: Final = "log.cut"
GAP: Final = "log.gap"
STEP: Final = "log.step"
KEY: Final = "log.key"
PACKED: Final = "log.packed"
PRUNED: Final = "log.pruned"
CLOSE: Final = "log.close"

FIRST: Final = frozenset({START, REBASE})
"""What record 0 is, and no other."""
OPENINGS: Final = frozenset({START, REBASE, OPEN})
"""After these the clocks may be others, and the writer promises anew to record their steps."""
LOSSES: Final = frozenset({CUT, GAP})
"""By these the log says that something which was, or was to be, recorded is not in it."""
LOG_KINDS: Final = frozenset({START, REBASE, OPEN, CUT, GAP, STEP, KEY, PACKED, PRUNED, CLOSE})
"""The kinds that the log itself writes. All others that begin with `log.` are kept for later versions."""


def is_logs_own(kind: str) -> bool:
    return kind.startswith("log.")


def is_unknown(kind: str) -> bool:
    """Whether a later version of the format may give this kind a meaning for the log as a whole."""
    return is_logs_own(kind) and kind not in LOG_KINDS


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a kind's members say: its decisions, the names in `digests`, and its body's columns; may be none."""

    says: str
    decisions: tuple[str, ...]
    digests: tuple[str, ...]
    columns: tuple[str, ...] = ()


APPROVAL: Final = "approval"
CONTRACT_CHANGE: Final = "contract.change"
ISOLATION: Final = "isolation"
REVIEW: Final = "review"

COMMON: Final[Mapping[str, Meaning]] = {
    APPROVAL: Meaning(
        "an approval was presented",
        ("accepted", "refused"),
        ("approval", "subject"),
        ("author", "counted", "effective", "person", "role", "ticket"),
    ),
    CONTRACT_CHANGE: Meaning(
        "another contract came into force, or was refused", ("in force", "refused"), ("approval", "contract", "old")
    ),
    ISOLATION: Meaning("the boundary was isolated, or joined again", ("isolated", "rejoined"), ()),
    REVIEW: Meaning("somebody reviewed a part of the log", ("nothing found", "findings"), ("evidence", "review")),
}
