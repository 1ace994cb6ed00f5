"""The rules that one row of a sheet keeps, and those between the two sheets.

A rule yields a fault for each thing wrong: the column, and the words for it. It sees the values of the row's columns as
`dermscore.sheets.cells` read them, None where the cell is empty.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from dermscore.errors import Problem, did_you_mean
from dermscore.quantities import MEANINGS, Dimension, PointKind, PointType, Quantity, Unit
from dermscore.sheets.points import INT32, CommandRow, Mode, OnIsolate, OnMasterLoss, PointRow, Scaling

Fault = tuple[str, str]
Values = Mapping[str, Any]

_AGEING: Final = ("stale_after_s", "min_members", "min_coverage_pct")
_OF_TARGETS: Final = ("scale", "low", "high", "hold", "on_master_loss", "on_isolate")
# Columns that say nothing in some rows. They may be empty there, or hold the value that changes nothing.
_NOTHING_OF_BINARIES: Final[Values] = {
    "scale": 1.0,
    "offset": 0.0,
    "deadband": 0.0,
    "low": None,
    "high": None,
    "max_rate_per_s": None,
}
_NOTHING_OF_RELEASES: Final[Values] = {
    "unit": Unit.STATE,
    "scale": 1.0,
    "offset": 0.0,
    "low": None,
    "high": None,
    "max_step_w": None,
    "hold": None,
    "on_master_loss": OnMasterLoss.HOLD,
    "master_timeout_s": None,
    "on_isolate": OnIsolate.HOLD_UNTIL_EXPIRY,
}


def of_point(row: Values) -> Iterator[Fault]:
    """What is wrong with one row of points.csv."""
    yield from _meaning(row)
    yield from _place(row)
    if row["kind"].local:
        why = f"the gateway knows {row['quantity']} by itself, and it never ages"
        yield from (_must_be_empty(column, why) for column in _AGEING if row[column] is not None)
    else:
        yield from (_must_be_given(column, row["quantity"]) for column in _AGEING if row[column] is None)
    if row["type"] is PointType.BI:
        yield from _nothing(row, _NOTHING_OF_BINARIES, "a binary")
    elif row["scale"] is None:
        yield _must_be_given("scale", "an analog")
    else:
        yield from _range(row)


def _meaning(row: Values) -> Iterator[Fault]:
    """What the quantity asks of the row."""
    quantity, meaning = row["quantity"], MEANINGS[row["quantity"]]
    if row["kind"] not in meaning.kinds:
        yield "kind", f"{quantity} is of kind {_or(meaning.kinds)}, not {row['kind']}"
    if row["unit"].dimension is not meaning.dimension:
        yield "unit", f"{quantity} is in {_units(meaning.dimension)}, not {row['unit']}"
    if row["type"] is not meaning.type:
        yield "type", f"{quantity} is of type {meaning.type}, not {row['type']}"
    if meaning.signed and row["positive_means"] is None:
        yield "positive_means", "must say what a positive number means: injection or absorption"
    if not meaning.signed and row["positive_means"] is not None:
        yield _must_be_empty("positive_means", f"{quantity} has no direction")


def _place(row: Values) -> Iterator[Fault]:
    if row["kind"] is PointKind.GATEWAY and row["path"] is not None:
        yield _must_be_empty("path", "the gateway is nowhere in the tree")
    if row["kind"] is not PointKind.GATEWAY and row["path"] is None:
        yield "path", "must not be empty; '/' is the whole fleet"


def _range(row: Values) -> Iterator[Fault]:
    """low and high in order, inside what 32 bits can hold at this scale, and with a raw value between them."""
    low, high, scale, offset = row["low"], row["high"], row["scale"], row["offset"] or 0.0
    if low is not None and high is not None and low > high:
        yield "low", f"must not be above high ({high:g})"
        return
    outside = [column for column in ("low", "high") if not _fits(row[column], scale, offset)]
    for column in outside:
        yield column, f"needs a raw value beyond 32 bits ({INT32[0]} to {INT32[1]}); choose a larger scale"
    lowest, highest = (0, 0) if outside else Scaling(row["unit"], scale, offset, 1, low, high).raw_range
    if lowest > highest:
        yield "scale", "no whole raw value lies between low and high; choose a smaller scale"


def _fits(bound: float | None, scale: float, offset: float) -> bool:
    return bound is None or INT32[0] <= (bound - offset) / scale <= INT32[1]


def of_command(row: Values, cells: Mapping[str, str]) -> Iterator[Fault]:
    """What is wrong with one row of commands.csv. `cells` are the texts that the values were read from."""
    return _of_target(row, cells) if row["mode"] is Mode.TARGET else _of_release(row)


def _of_target(row: Values, cells: Mapping[str, str]) -> Iterator[Fault]:
    if row["type"] is not PointType.AO:
        yield "type", f"a target is of type AO, not {row['type']}"
    if row["unit"] is None or row["unit"].dimension is not Dimension.POWER:
        yield "unit", f"a target is in {_units(Dimension.POWER)}"
    yield from (_must_be_given(column, "a target") for column in _OF_TARGETS if not cells[column])
    if row["on_master_loss"] is OnMasterLoss.HOLD and row["master_timeout_s"] is not None:
        yield _must_be_empty("master_timeout_s", "with on_master_loss hold, a silent master changes nothing")
    if row["on_master_loss"] not in (None, OnMasterLoss.HOLD) and row["master_timeout_s"] is None:
        yield _must_be_given("master_timeout_s", f"on_master_loss {row['on_master_loss']}")
    if None not in (row["scale"], row["low"], row["high"], row["unit"]):
        yield from _range(row)


def _of_release(row: Values) -> Iterator[Fault]:
    if row["type"] is not PointType.BO:
        yield "type", f"a release is of type BO, not {row['type']}"
    yield from _nothing(row, _NOTHING_OF_RELEASES, "a release")


def of_links(commands: Sequence[CommandRow], points: Sequence[PointRow]) -> Iterator[Problem]:
    """What is wrong between the live commands and the live points: each command has one status point, and back."""
    named = {point.name: point for point in points if not point.retired}
    served: dict[str, str] = {}
    targets: dict[tuple[str, str], str] = {}
    for row in commands:
        if row.name in named:
            yield Problem(row.where, "name", f"'{row.name}' is the name of a point too; choose another")
        wrong = _status_fault(row, named, served)
        if wrong:
            yield Problem(row.where, "status_point", wrong)
        served.setdefault(row.status_point, row.name)
        if row.mode is Mode.TARGET:
            other = targets.setdefault((row.outstation, row.path), row.name)
            if other != row.name:
                yield Problem(row.where, "path", f"'{other}' sets the target there already; keep one of them")
    for point in named.values():
        yield from _unserved(point, served, targets)


def _status_fault(row: CommandRow, points: Mapping[str, PointRow], served: Mapping[str, str]) -> str | None:
    point = points.get(row.status_point)
    if point is None:
        near = did_you_mean(row.status_point, points)
        return f"no live point is named '{row.status_point}'{near or '; add it to points.csv'}"
    if point.quantity is not Quantity.COMMAND_STATE:
        return f"'{point.name}' shows {point.quantity}; name a point of kind command that shows command_state"
    if (point.outstation, point.path) != (row.outstation, row.path):
        return f"'{point.name}' is of {point.outstation} and {point.path}, not of {row.outstation} and {row.path}"
    if point.name in served:
        return f"'{point.name}' is the status of '{served[point.name]}' already; each command has its own"
    return None


def _unserved(point: PointRow, served: Mapping[str, str], targets: Mapping[tuple[str, str], str]) -> Iterator[Problem]:
    """A point that no command would ever give a value."""
    if point.quantity is Quantity.COMMAND_STATE and point.name not in served:
        yield Problem(point.where, "name", "it is no live command's status_point; retire it, or add the command")
    if point.quantity is Quantity.COMMAND_FEEDBACK and (point.outstation, point.path) not in targets:
        yield Problem(point.where, "path", "no live command sets a target there; retire it, or add the command")


def _nothing(row: Values, neutral: Values, what: str) -> Iterator[Fault]:
    for column, value in neutral.items():
        if row[column] not in (None, value):
            yield _must_be_empty(column, f"it says nothing of {what}")


def _must_be_empty(column: str, why: str) -> Fault:
    return column, f"must be empty: {why}"


def _must_be_given(column: str, what: str) -> Fault:
    return column, f"must not be empty: {what} needs it"


def _units(dimension: Dimension) -> str:
    return _or(unit for unit in Unit if unit.dimension is dimension)


def _or(words: Any) -> str:
    return " or ".join(sorted(words))
