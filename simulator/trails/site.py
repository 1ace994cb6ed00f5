"""What a rehearsed gateway shows: its contract, as files, and the values of its points at any time. Pure."""

from __future__ import annotations

import csv
import io
import math
import random
from collections.abc import Mapping
from typing import Final

from dermscore import assets
from dermscore.files import yamlfile
from dermscore.quality import Cause, Quality, Source, Validity
from dermscore.sheets.points import PointRow, Quantity
from dermscore.shipped import packaged
from gateway.contract import BOUNDARY, COMMANDS, POINTS, Contract
from gateway.faces import Update
from gateway.judgement import Rule
from gateway.records import Line
from simulator import sheets

Files = Mapping[str, bytes]
"""A contract's three files, by name."""

_CAP: Final = "energy_mwh_per_15min: 200.0"
_POINTS_A_SITE: Final = 8
_ASSETS_A_SITE: Final = 4
_DAY_MS: Final = 86_400_000

# Simulated, and allowed to look good: the contract is a rehearsal's.
SIMULATED: Final = Quality(Validity.GOOD, Source.CALCULATED, Cause.TEST)
_PARTIAL: Final = SIMULATED.because(Cause.LOW_COVERAGE, Validity.QUESTIONABLE)


def stale_after_s(period_s: int) -> int:
    """How long a value of such a trail is believed: one publication may be late, none may be missing."""
    return max(10, period_s + 10)


def files(points: int, period_s: int, seed: int) -> Files:
    """A contract with so many published points, and those that a gateway makes itself."""
    text = assets.generate(-(-points // _POINTS_A_SITE), _ASSETS_A_SITE, seed)
    point_sheet, command_sheet = sheets.for_fleet(assets.load(yamlfile.load(text, "assets.yaml")))
    boundary = (packaged("policies/gateway") / BOUNDARY).read_bytes()
    return {
        BOUNDARY: boundary,
        COMMANDS: command_sheet.encode(),
        POINTS: _cut(point_sheet, points, stale_after_s(period_s)).encode(),
    }


def _cut(sheet: str, points: int, stale_s: int) -> str:
    """The sheet with its first so many published points and all local ones, whose values age by the trail's period."""
    reader = csv.DictReader(io.StringIO(sheet))
    rows = list(reader)
    published = [row for row in rows if row["stale_after_s"]][:points]
    for row in published:
        row["stale_after_s"] = str(stale_s)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(reader.fieldnames or ()), lineterminator="\n")
    writer.writeheader()
    writer.writerows([*published, *(row for row in rows if not row["stale_after_s"])])
    return text.getvalue()


def revised(first: Files, revision: int, ticket: str) -> Files:
    """The contract's next version: another cap for the energy that commands may move, and the ticket that asks for
    it."""
    boundary = first[BOUNDARY].decode()
    assert _CAP in boundary
    cap = f"energy_mwh_per_15min: {200.0 - 5 * revision}  # {ticket}"
    return {**first, BOUNDARY: boundary.replace(_CAP, cap).encode()}


class Values:
    """What the points of a contract show: waves of a day's length, with noise. Owned by whoever writes the trail."""

    def __init__(self, contract: Contract, seed: int) -> None:
        self._chance = random.Random(f"values/{seed}")
        self._waves = [_wave(row, self._chance) for row in contract.published]
        self._names = [row.name for row in contract.published]

    @property
    def names(self) -> list[str]:
        return self._names

    def updates(self, time_ms: int, quality: Quality = SIMULATED) -> list[Update]:
        """Every published point at a time, UTC ms."""
        turn = time_ms % _DAY_MS / _DAY_MS * math.tau
        sin, noise = math.sin, self._chance.random
        return [
            Update(name, int(middle + swing * (sin(turn + phase) + 0.1 * noise())), quality, time_ms)
            for name, (middle, swing, phase) in zip(self._names, self._waves, strict=True)
        ]

    def lines(self, time_ms: int) -> list[Line]:
        """The same as a publication brings them; now and then one is a sum without some of its members."""
        found = [Line(update.point, update, (), None) for update in self.updates(time_ms)]
        if self._chance.random() < 0.02:
            at = self._chance.randrange(len(found))
            point, update = self._names[at], found[at].update
            assert update is not None
            found[at] = Line(point, Update(point, update.raw, _PARTIAL, time_ms), (Rule.PARTIAL,), None)
        return found

    def late(self, time_ms: int) -> list[Line]:
        """A publication of which every fourth reading is older than what is shown already."""
        return [
            line if number % 4 else Line(line.point, None, (Rule.WENT_BACK,), float(self._chance.randrange(1000)))
            for number, line in enumerate(self.lines(time_ms))
        ]

    def lost(self, time_ms: int) -> list[Update]:
        """Every point as it is shown once nothing is heard of it."""
        return self.updates(time_ms, SIMULATED.because(Cause.COMM_LOST, Validity.HELD))


def _wave(row: PointRow, chance: random.Random) -> tuple[float, float, float]:
    """Middle, swing and phase of a point's raw number."""
    if row.quantity is Quantity.MEMBERS:
        return _ASSETS_A_SITE, 0.0, 0.0
    if row.quantity is Quantity.OLDEST_AGE:
        return 3.0, 1.5, chance.random() * math.tau
    lowest, highest = row.raw_range
    middle, half = (lowest + highest) / 2, (highest - lowest) / 2
    return middle, half * chance.uniform(0.1, 0.5), chance.random() * math.tau
