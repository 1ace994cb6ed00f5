"""Share one target among the assets of a node: the weighted fill that every dispatch, preview and audit uses."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, isfinite
from typing import TYPE_CHECKING

from dermscore.dispatch.check import Refused
from dermscore.dispatch.envelope import Envelope
from dermscore.dispatch.limits import Bounds, BoundSource, Excluded
from dermscore.dispatch.words import power
from dermscore.model import Asset, Measurement, Node, Snapshot

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

CAPACITY_SHARE = "capacity share"

Rule = Callable[[Asset, Measurement | None], float]
"""An asset's weight under a rule; 0 leaves it out."""

RULES: Mapping[str, Rule] = {CAPACITY_SHARE: lambda asset, measurement: asset.capacity_wh}
"""The rules by name. Capacity share: in proportion to `capacity_wh`, so that equal batteries empty together."""

_SAME = 1e-12  # of the target: two setpoints that differ by less are the same
_DUST = 1e-14  # of the powers summed: what floating point leaves, and no shortfall
_LEAST_WEIGHT = 1e-12  # of the largest: a still smaller weight would overflow the level


@dataclass(frozen=True, slots=True)
class Share:
    """One asset's part. `raw_w` is what the rule alone gives, `setpoint_w` what is asked; `clamped` where they differ.

    `cause` says in words why it is what it is: the rule, the bound that binds, or what others could not take.
    """

    asset_id: str
    raw_w: float
    setpoint_w: float
    clamped: bool
    cause: str


@dataclass(frozen=True, slots=True)
class ShortfallCause:
    """`w` watts of the shortfall (its sign), and why this asset did not take them. `asset_id` is "" where there is
    none.
    """

    asset_id: str
    w: float
    source: BoundSource
    detail: str


@dataclass(frozen=True, slots=True)
class Allocation:
    """What each asset is asked for, in tree order, and what could not be placed.

    `delivered_w` is the sum of the setpoints, `shortfall_w` the target less that (positive: too little injection), and
    `causes` account for the shortfall to the watt. `excluded` are sent nothing.
    """

    path: str
    target_w: float
    rule: str
    shares: tuple[Share, ...]
    delivered_w: float
    shortfall_w: float
    causes: tuple[ShortfallCause, ...]
    excluded: tuple[Excluded, ...]

    def share(self, asset_id: str) -> Share | None:
        """The share of one asset, None where it takes no part."""
        return next((share for share in self.shares if share.asset_id == asset_id), None)


def allocate(
    snapshot: Snapshot, tree: Node, envelope: Envelope, target_w: float, rule: str = CAPACITY_SHARE
) -> Allocation | Refused:
    """Split `target_w` (W, injection positive) over the assets of `tree` by `rule`, inside `envelope`.

    First by weight; whoever is bound stays at the bound, and what is left goes to the others by weight, until all is
    placed or all are bound. That is the one level L with setpoint = L * weight, clipped to the bounds: |delivered| is
    as large as the bounds allow, each setpoint grows with the target, and neither the order of the assets nor chance
    matters.

    Args:
        snapshot: what is known of the fleet (rules may weigh by it).
        tree: the node, the same that `envelope` was made of.
        envelope: bounds, and who is left out.
        target_w: the power wanted at the node.
        rule: a name in `RULES`.

    Returns:
        Allocation, with the shortfall and its causes where not all could be placed; Refused for a target that is not a
        number, or an unknown rule.
    """
    if not isfinite(target_w):
        return Refused("the target is not a number")
    if rule not in RULES:
        return Refused(f"there is no rule {rule!r}; there are: {', '.join(sorted(RULES))}")
    weights = {asset.id: RULES[rule](asset, snapshot.measurements.get(asset.id)) for asset in tree.assets}
    excluded = {**envelope.excluded, **_without_weight(tree, envelope, weights, rule)}
    members = sorted(asset_id for asset_id in weights if asset_id not in excluded)  # the order of sums must not matter
    raw_w, setpoint_w = _split(target_w, [weights[member] for member in members], [envelope.bounds[m] for m in members])
    shares = {
        member: _share(member, raw, final, envelope.bounds[member], rule, target_w)
        for member, raw, final in zip(members, raw_w, setpoint_w, strict=True)
    }
    delivered_w = fsum(setpoint_w)
    shortfall_w = _without_dust(target_w - delivered_w, target_w, [envelope.bounds[member] for member in members])
    in_order = [asset.id for asset in tree.assets]
    return Allocation(
        tree.path,
        target_w,
        rule,
        tuple(shares[asset_id] for asset_id in in_order if asset_id in shares),
        delivered_w,
        shortfall_w,
        _causes(shortfall_w, target_w, weights, shares, envelope, excluded),
        tuple(excluded[asset_id] for asset_id in in_order if asset_id in excluded),
    )


def _without_weight(tree: Node, envelope: Envelope, weights: Mapping[str, float], rule: str) -> Mapping[str, Excluded]:
    return {
        asset.id: Excluded(asset.id, BoundSource.NO_SHARE, f"{asset.name} has no {rule}")
        for asset in tree.assets
        if asset.id in envelope.bounds and not weights[asset.id] > 0
    }


def _split(target_w: float, weights: Sequence[float], bounds: Sequence[Bounds]) -> tuple[list[float], list[float]]:
    """The raw and the final split, in the order given."""
    import numpy as np

    if not weights:
        return [], []
    weight = np.array(weights)
    raw = target_w * (weight / weight.sum())
    low, high = np.array([each.min.w for each in bounds]), np.array([each.max.w for each in bounds])
    if ((low <= raw) & (raw <= high)).all():
        return raw.tolist(), raw.tolist()
    return raw.tolist(), _fill(target_w, weight, low, high).tolist()


def _fill(target_w: float, weight: Column, low: Column, high: Column) -> Column:
    """clip(L * weight, low, high) for the level L at which it sums to the target, or as near as the bounds allow.

    The sum as a function of L is piecewise linear and rising, with a break where an asset meets a bound: sort the
    breaks, find the two that the target lies between, and solve between them for those still free. The sum is evaluated
    anew at each break that is tried, since running sums over weights of very different size lose the small ones.
    """
    import numpy as np

    if target_w >= high.sum():
        return high
    if target_w <= low.sum():
        return low
    weight = np.maximum(weight / weight.max(), _LEAST_WEIGHT)
    enters, leaves = low / weight, high / weight
    breaks = np.sort(np.concatenate((enters, leaves)))

    def placed_w(level: float) -> float:
        return float(np.clip(level * weight, low, high).sum())

    upper = bisect_left(range(len(breaks)), target_w, key=lambda at: placed_w(float(breaks[at])))
    above = float(breaks[min(max(upper, 1), len(breaks) - 1)])
    free = (enters < above) & (leaves >= above)
    others_w = fsum(np.where(enters < above, high, low)[~free])
    rise = float(weight[free].sum())
    level = (target_w - others_w) / rise if rise else above
    return np.clip(level * weight, low, high)


def _share(asset_id: str, raw_w: float, setpoint_w: float, bounds: Bounds, rule: str, target_w: float) -> Share:
    same = abs(setpoint_w - raw_w) <= _SAME * max(abs(target_w), abs(raw_w), 1.0)
    if same:
        return Share(asset_id, raw_w, setpoint_w, False, rule)
    bound = bounds.max if setpoint_w < raw_w else bounds.min
    if setpoint_w == bound.w:
        return Share(asset_id, raw_w, setpoint_w, True, bound.detail)
    taken = "takes" if abs(setpoint_w) > abs(raw_w) else "leaves"
    return Share(
        asset_id, raw_w, setpoint_w, True, f"{taken} {power(abs(setpoint_w - raw_w))} because others are bound"
    )


def _without_dust(shortfall_w: float, target_w: float, bounds: Sequence[Bounds]) -> float:
    summed_w = abs(target_w) + fsum(max(abs(each.min.w), abs(each.max.w)) for each in bounds)
    return 0.0 if abs(shortfall_w) <= _DUST * summed_w else shortfall_w


def _causes(
    shortfall_w: float,
    target_w: float,
    weights: Mapping[str, float],
    shares: Mapping[str, Share],
    envelope: Envelope,
    excluded: Mapping[str, Excluded],
) -> tuple[ShortfallCause, ...]:
    """Who of all below the node lacks which part of the shortfall.

    Each asset with a weight, left out or not, would have had its part of the target; where it has less, that is what it
    lacks. Others may have taken some of it up, so the parts are scaled to the shortfall.
    """
    if shortfall_w == 0:
        return ()
    lacks: list[ShortfallCause] = []
    total = fsum(weights[asset_id] for asset_id in sorted(weights))
    for asset_id in sorted(weights):
        given_w = shares[asset_id].setpoint_w if asset_id in shares else 0.0
        lack_w = target_w * (weights[asset_id] / total) - given_w if weights[asset_id] > 0 else 0.0
        if lack_w and (lack_w > 0) is (shortfall_w > 0):
            lacks.append(ShortfallCause(asset_id, lack_w, *_why(asset_id, shortfall_w, envelope, excluded)))
    if not lacks:
        return (ShortfallCause("", shortfall_w, BoundSource.NO_ASSETS, "no asset here has a share"),)
    scale = shortfall_w / fsum(lack.w for lack in lacks)
    return tuple(ShortfallCause(lack.asset_id, lack.w * scale, lack.source, lack.detail) for lack in lacks)


def _why(
    asset_id: str, shortfall_w: float, envelope: Envelope, excluded: Mapping[str, Excluded]
) -> tuple[BoundSource, str]:
    if asset_id in excluded:
        return excluded[asset_id].source, excluded[asset_id].detail
    bounds = envelope.bounds[asset_id]
    bound = bounds.max if shortfall_w > 0 else bounds.min
    return bound.source, bound.detail
