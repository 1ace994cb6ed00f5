"""Batteries as columns: what a plan needs to know of them. Loads numpy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from dermscore.dispatch.check import unheard
from dermscore.dispatch.limits import BoundSource, Excluded
from dermscore.model import Asset, Kind, Node, Snapshot

Column = NDArray[np.float64]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Batteries:
    """Batteries as columns, all of one length.

    `paths` is each one's place in the tree. `soc_wh` is where its charge begins, `min_soc_wh` and `max_soc_wh` the
    window that it is kept in, `end_soc_wh` what it must hold at least after the last interval. `min_w` <= 0 <= `max_w`
    are its ratings, `efficiency` is one-way, 0 < e <= 1, and `cost_per_mwh` is what a MWh through it costs, counted at
    its terminals in both directions. `capacity_wh` serves only to read limits in percent. `excluded` are assets that
    were left out, and why.
    """

    ids: tuple[str, ...]
    paths: tuple[str, ...]
    capacity_wh: Column
    soc_wh: Column
    min_soc_wh: Column
    max_soc_wh: Column
    end_soc_wh: Column
    min_w: Column
    max_w: Column
    efficiency: Column
    cost_per_mwh: Column
    excluded: tuple[Excluded, ...] = ()

    def __post_init__(self) -> None:
        for name in _COLUMNS:
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))

    @classmethod
    def of(cls, tree: Node, snapshot: Snapshot, end_soc_pct: float | None = None) -> Self:
        """The batteries at or below `tree` that can be planned with: connected, heard, and not impaired.

        Args:
            tree: the node.
            snapshot: what is known of the fleet; a measurement gives the charge to begin with.
            end_soc_pct: what each must hold at the end, percent of its capacity; None: what it begins with.
        """
        reasons = {asset.id: _absence(asset, snapshot) for asset in tree.assets if asset.kind is Kind.BATTERY}
        members = [asset for asset in tree.assets if reasons.get(asset.id, "") is None]
        excluded = tuple(reason for reason in reasons.values() if reason is not None)
        soc_wh = _column(snapshot.measurements[asset.id].soc_wh for asset in members)
        capacity_wh = _column(asset.capacity_wh for asset in members)
        return cls(
            tuple(asset.id for asset in members),
            tuple(snapshot.fleet.path_of(asset) for asset in members),
            capacity_wh,
            soc_wh,
            _column(asset.min_soc_wh for asset in members),
            _column(asset.max_soc_wh for asset in members),
            soc_wh if end_soc_pct is None else capacity_wh * end_soc_pct / 100,
            _column(asset.min_w for asset in members),
            _column(asset.max_w for asset in members),
            _column(asset.efficiency for asset in members),
            _column(asset.cost_per_mwh for asset in members),
            excluded,
        )


_COLUMNS: Final = tuple(each.name for each in fields(Batteries) if each.name not in ("ids", "paths", "excluded"))


def battery_fault(batteries: Batteries) -> str | None:
    """What keeps these batteries from being planned; None where nothing does."""
    count = len(batteries.ids)
    if not count:
        return "there is no battery to plan"
    if len(set(batteries.ids)) != count:
        return "two batteries have the same id"
    for name in ("paths", *_COLUMNS):
        if len(getattr(batteries, name)) != count:
            return f"{name} has {len(getattr(batteries, name))} entries for {count} batteries"
    for name in _COLUMNS:
        finite = np.isfinite(getattr(batteries, name))
        if not finite.all():
            return f"{name} of {batteries.ids[int(np.argmin(finite))]} is not a number"
    for what, holds in _sound(batteries):
        if not holds.all():
            return f"{batteries.ids[int(np.argmin(holds))]}: {what}"
    return None


def _sound(batteries: Batteries) -> Iterator[tuple[str, Flags]]:
    yield "min_w must be at most 0 and max_w at least 0", (batteries.min_w <= 0) & (batteries.max_w >= 0)
    yield "efficiency must be above 0 and at most 1", (batteries.efficiency > 0) & (batteries.efficiency <= 1)
    yield (
        "min_soc_wh must be at least 0 and at most max_soc_wh",
        ((batteries.min_soc_wh >= 0) & (batteries.min_soc_wh <= batteries.max_soc_wh)),
    )
    for name in ("capacity_wh", "soc_wh", "end_soc_wh", "cost_per_mwh"):
        yield f"{name} must be at least 0", getattr(batteries, name) >= 0


def in_tree_order(batteries: Batteries) -> tuple[Batteries, Indices]:
    """Sorted so that those at or below any node are neighbours, and where each one went."""
    at_path: dict[str, list[int]] = {}
    for at, path in enumerate(batteries.paths):
        at_path.setdefault(path, []).append(at)
    names = batteries.ids
    order = [at for path in sorted(at_path, key=order_key) for at in sorted(at_path[path], key=names.__getitem__)]
    moved: dict[str, Any] = {"ids": tuple(map(names.__getitem__, order))}
    moved["paths"] = tuple(map(batteries.paths.__getitem__, order))
    places = np.array(order, dtype=np.intp)
    moved |= {name: getattr(batteries, name)[places] for name in _COLUMNS}
    return replace(batteries, **moved), np.argsort(places)


def order_key(path: str) -> str:
    """A path so that plain order is the order of the tree."""
    return path.replace("/", "\0")


def _column(values: Iterable[float | None]) -> Column:
    return np.array(list(values), dtype=np.float64)


def _absence(asset: Asset, snapshot: Snapshot) -> Excluded | None:
    impairment = snapshot.impaired.get(asset.id)
    if impairment is not None:
        detail = f"{asset.name}: {impairment.detail or impairment.kind.value}"
        return Excluded(asset.id, BoundSource[impairment.kind.name], detail)
    if asset.id not in snapshot.connected:
        return Excluded(asset.id, BoundSource.DISCONNECTED, f"{asset.name} is not connected")
    measurement = snapshot.measurements.get(asset.id)
    fault = unheard(asset, measurement)
    if fault is None:
        return None
    source = BoundSource.NEVER_HEARD if measurement is None else BoundSource.NOT_KNOWN
    return Excluded(asset.id, source, fault)
