"""How the demo shows itself: a live table on a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TextIO

from dermscore.sheets.points import COMMAND_STATE_CODES, PointType, Quantity, Unit
from simulator.picture import Row
from simulator.station import COMM_LOST, ONLINE, Seen

PLAIN_EVERY_S = 5.0
_RESTART, _OVER_RANGE = 0x02, 0x20
_STATES = {code: word for word, code in COMMAND_STATE_CODES.items()}


class Screen(Protocol):
    """Where the demo tells its story."""

    def say(self, line: str) -> None: ...

    def show(self, rows: Iterable[Row], at_s: float) -> None: ...

    def close(self) -> None: ...


class PlainScreen:
    """A line per thing that happened, and a short picture every few seconds. Owner of every field: the demo's loop."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._shown_s = float("-inf")

    def say(self, line: str) -> None:
        print(line, file=self._out, flush=True)

    def show(self, rows: Iterable[Row], at_s: float) -> None:
        if at_s - self._shown_s < PLAIN_EVERY_S:
            return
        self._shown_s = at_s
        powers = [row for row in rows if row.point.quantity is Quantity.POWER and row.seen is not None]
        if powers:
            self.say("    SCADA: " + "; ".join(f"{row.point.name} {_value(row)} {flags(row.seen)}" for row in powers))

    def close(self) -> None:
        pass


class LiveScreen:
    """The story above, the table below, redrawn in place. Owner of every field: the demo's loop."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(), auto_refresh=False)
        self._live.start()

    def say(self, line: str) -> None:
        self._live.console.print(line, markup=False, highlight=False)

    def show(self, rows: Iterable[Row], at_s: float) -> None:
        from rich.table import Table

        table = Table("point", "SCADA shows", "flags", "sites measured", "difference", title="what SCADA sees")
        for column in (1, 3, 4):
            table.columns[column].justify = "right"
        for row in filter(_worth_a_line, rows):
            table.add_row(row.point.name, _value(row), flags(row.seen), _measured(row), _difference(row))
        self._live.update(table, refresh=True)

    def close(self) -> None:
        self._live.stop()


def _worth_a_line(row: Row) -> bool:
    """The table should fit a terminal: what people watch, not the whole sheet."""
    return row.point.local or row.point.quantity in (Quantity.POWER, Quantity.SOC)


def flags(seen: Seen | None) -> str:
    """The DNP3 flags in words (IEEE 1815-2012 clause 11.6.1)."""
    if seen is None:
        return "-"
    names = {ONLINE: "ONLINE", _RESTART: "RESTART", COMM_LOST: "COMM_LOST", _OVER_RANGE: "OVER_RANGE"}
    return " ".join(name for bit, name in names.items() if seen.flags & bit) or "not ONLINE"


def _value(row: Row) -> str:
    if row.shown is None:
        return "-"
    if row.point.quantity is Quantity.COMMAND_STATE:
        return _STATES.get(int(row.shown), "?")
    if row.point.type is PointType.BI:
        return "yes" if row.shown else "no"
    return _engineering(row, row.shown)


def _measured(row: Row) -> str:
    return "" if row.measured is None else _engineering(row, row.measured)


def _difference(row: Row) -> str:
    return "" if row.difference is None else _engineering(row, row.difference)


def _engineering(row: Row, value_si: float) -> str:
    unit = row.point.unit
    symbol = "" if unit in (Unit.STATE, Unit.COUNT) else f" {unit.value}"
    return f"{value_si / unit.factor:,.0f}{symbol}"
