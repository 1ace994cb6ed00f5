"""What was put into a rehearsed trail, counted as it was put in: the truth that reports are held against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from audit.approval import written
from audit.format.record import Entry
from simulator.trails.plan import Incident


@dataclass
class Tally:
    """Records by what they say. Owner of every field: the story."""

    kinds: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)  # "<kind> <decision>", of the application's kinds
    values: int = 0  # points shown, over all crossings
    denials: int = 0  # refusals, coalesced or not
    missed: Counter[str] = field(default_factory=Counter)  # by kind: refused by a full disk
    lost: int = 0  # handed in when the power went, and cut away
    commands: Counter[str] = field(default_factory=Counter)  # by how they ended
    pruned_records: int = 0

    def add(self, entries: Iterable[Entry]) -> None:
        """The application's own records, released."""
        for entry in entries:
            self.kinds[entry.kind] += 1
            self.decisions[f"{entry.kind} {entry.decision}"] += 1
            self.values += entry.n if entry.kind == "crossing.out" else 0

    def own(self, kind: str, count: int = 1) -> None:
        """Records that the log writes itself."""
        self.kinds[kind] += count


@dataclass(frozen=True, slots=True)
class Truth:
    """One finished trail. Times are UTC microseconds."""

    origin: str
    seed: int
    begin_us: int
    end_us: int
    days: int
    points: int
    period_s: float
    incidents: tuple[Incident, ...]
    tally: Tally

    @property
    def records(self) -> int:
        return self.tally.kinds.total()

    def as_json(self) -> dict[str, Any]:
        """What `--json` prints of it."""
        tally = self.tally
        return {
            "origin": self.origin,
            "seed": self.seed,
            "begin": written(self.begin_us),
            "end": written(self.end_us),
            "days": self.days,
            "points": self.points,
            "period_s": self.period_s,
            "records": self.records,
            "kinds": dict(sorted(tally.kinds.items())),
            "decisions": dict(sorted(tally.decisions.items())),
            "values": tally.values,
            "denials": tally.denials,
            "missed": dict(sorted(tally.missed.items())),
            "lost": tally.lost,
            "commands": dict(sorted(tally.commands.items())),
            "pruned_records": tally.pruned_records,
            "incidents": [
                {
                    "what": each.what.value,
                    "begin": written(self.begin_us + each.begin_us),
                    "end": written(self.begin_us + each.end_us),
                }
                for each in self.incidents
            ],
        }
