"""What each asset of a node can do now: a lower and an upper bound in watts, each with where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import fsum

from dermscore.dispatch.arbitrate import Control, Controls
from dermscore.dispatch.check import unheard
from dermscore.dispatch.limits import Bound, Bounds, BoundSource, Excluded, Limit
from dermscore.dispatch.words import power
from dermscore.guard import at_soc_bound
from dermscore.model import Asset, Measurement, Node, Now, Snapshot, ancestry


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the assets below `path` can do: bounds by asset id in tree order, who is left out, their sum."""

    path: str
    bounds: Mapping[str, Bounds]
    excluded: Mapping[str, Excluded]
    node: Bounds


def envelope(tree: Node, snapshot: Snapshot, controls: Controls, limits: Iterable[Limit], now: Now) -> Envelope:
    """The bounds of every asset at or below `tree`, each with its source.

    Left out, and so never asked for anything: what has no live session, was never heard, or whose measurement cannot be
    used. An asset for which a control at another node than `tree.path` outranks the one that stands here stays at what
    that other control gave it: both its bounds are that value. So arbitrate *with* the dispatch to be allocated among
    the events, or every asset under another one is held.

    Args:
        tree: the node to be dispatched.
        snapshot: what is known of the fleet.
        controls: what `arbitrate` gave, the dispatch at hand included.
        limits: policy's limits on assets; those of assets elsewhere do not matter.
        now: a control that ended by then no longer holds anything.
    """
    by_asset = {limit.node: limit for limit in limits}
    bounds: dict[str, Bounds] = {}
    excluded: dict[str, Excluded] = {}
    for asset in tree.assets:
        heard = _heard(asset, snapshot)
        if isinstance(heard, Excluded):
            excluded[asset.id] = heard
            continue
        own = _limited(_by_soc(asset, heard, _by_rating(asset)), by_asset.get(asset.id))
        holder = _holder(tree, snapshot, controls, asset, now)
        bounds[asset.id] = own if holder is None else _held(own, holder, asset, heard)
    return Envelope(tree.path, bounds, excluded, _together(bounds.values()))


def _heard(asset: Asset, snapshot: Snapshot) -> Measurement | Excluded:
    measurement = snapshot.measurements.get(asset.id)
    unknown = unheard(asset, measurement)
    if measurement is None:
        return Excluded(asset.id, BoundSource.NEVER_HEARD, f"nothing was ever heard of {asset.name}")
    if asset.id not in snapshot.connected:
        return Excluded(asset.id, BoundSource.DISCONNECTED, f"{asset.name} is not connected")
    return measurement if unknown is None else Excluded(asset.id, BoundSource.NOT_KNOWN, unknown)


def _by_rating(asset: Asset) -> Bounds:
    return Bounds(
        Bound(asset.min_w, BoundSource.RATING, f"its rating of {power(asset.min_w)}"),
        Bound(asset.max_w, BoundSource.RATING, f"its rating of {power(asset.max_w)}"),
    )


def _by_soc(asset: Asset, measurement: Measurement, bounds: Bounds) -> Bounds:
    full = at_soc_bound(asset, measurement.soc_wh, bounds.min.w)
    empty = at_soc_bound(asset, measurement.soc_wh, bounds.max.w)
    low = bounds.min if full is None else Bound(0.0, BoundSource.SOC, f"0 W: its {full}")
    high = bounds.max if empty is None else Bound(0.0, BoundSource.SOC, f"0 W: its {empty}")
    return _tightened(low, high)


def _limited(bounds: Bounds, limit: Limit | None) -> Bounds:
    if limit is None:
        return bounds
    low, high = bounds.min, bounds.max
    if limit.import_limit_w is not None and -limit.import_limit_w > low.w:
        low = Bound(-limit.import_limit_w, BoundSource.LIMIT, f"{limit.source}: import {power(limit.import_limit_w)}")
    if limit.export_limit_w is not None and limit.export_limit_w < high.w:
        high = Bound(limit.export_limit_w, BoundSource.LIMIT, f"{limit.source}: export {power(limit.export_limit_w)}")
    return _tightened(low, high)


def _tightened(low: Bound, high: Bound) -> Bounds:
    """Where the two have crossed (a rating without 0, and a limit inside it) nothing is left but off."""
    if low.w <= high.w:
        return Bounds(low, high)
    nearer = min(low, high, key=lambda bound: abs(bound.w))
    off = Bound(0.0, nearer.source, f"0 W: {nearer.detail}")
    return Bounds(off, off)


def _holder(tree: Node, snapshot: Snapshot, controls: Controls, asset: Asset, now: Now) -> Control | None:
    """The control of another node that outranks the one at the tree's own for this asset, if any."""
    nodes = (asset.id, "", *ancestry(snapshot.fleet.path_of(asset)))
    ruling = controls.governing(nodes)
    if ruling is None or ruling.node == tree.path:
        return None
    if ruling.until_ms is not None and ruling.until_ms <= now.utc_ms:
        return None
    return ruling


def _held(own: Bounds, holder: Control, asset: Asset, measurement: Measurement) -> Bounds:
    wanted_w = holder.value_w if holder.node == asset.id else measurement.setpoint_w
    held_w = measurement.power_w if wanted_w is None else wanted_w
    bound = Bound(min(max(held_w, own.min.w), own.max.w), BoundSource.HELD, f"held by {holder}")
    return Bounds(bound, bound)


def _together(bounds: Iterable[Bounds]) -> Bounds:
    each = tuple(bounds)
    low_w, high_w = fsum(one.min.w for one in each), fsum(one.max.w for one in each)
    return Bounds(
        Bound(low_w, BoundSource.ASSETS, f"{power(low_w)} from {len(each)} assets"),
        Bound(high_w, BoundSource.ASSETS, f"{power(high_w)} from {len(each)} assets"),
    )
