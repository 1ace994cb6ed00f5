"""From what is known of a fleet to its envelope: who cannot be asked, what limits and events allow, who is held."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf, isfinite
from typing import Final

import numpy as np

from dermscore.dispatch.arbitration.controls import Control, Controls
from dermscore.dispatch.check import unheard
from dermscore.dispatch.columns import AssetColumns
from dermscore.dispatch.envelope import devices
from dermscore.dispatch.envelope.bounding import CODES, Bounding, known
from dermscore.dispatch.envelope.limiting import Elsewhere, Kind, Limiting
from dermscore.dispatch.limits import BoundSource, Limit
from dermscore.dispatch.modes import SETPOINTS, SWITCHES, Mode
from dermscore.dispatch.words import power
from dermscore.model import Asset, ImpairmentKind, Measurement, Node, Now, Snapshot, ancestry
from dermscore.model import Kind as AssetKind

# IEEE Std 2030.5-2018 has MaxLimW in DERControlBase; the other four are its Australian extension's (CSIP-AUS).
_LIMITED: Final[Mapping[Mode, Kind]] = {
    Mode.MAX_LIM_W: Kind.EXPORT,
    Mode.EXP_LIM_W: Kind.EXPORT,
    Mode.IMP_LIM_W: Kind.IMPORT,
    Mode.GEN_LIM_W: Kind.GENERATION,
    Mode.LOAD_LIM_W: Kind.LOAD,
}
_IMPAIRED: Final[Mapping[ImpairmentKind, tuple[BoundSource, str]]] = {
    ImpairmentKind.OUTAGE: (BoundSource.OUTAGE, "is out of service"),
    ImpairmentKind.LOCKOUT: (BoundSource.LOCKOUT, "is locked out"),
    ImpairmentKind.LOCAL: (BoundSource.LOCAL, "is under local control"),
    ImpairmentKind.CONTESTED: (BoundSource.CONTESTED, "is contested by another controller"),
}
_FREE: Final = -1


@dataclass(frozen=True)
class Situation:
    """What an envelope is made of. `hold_s` and `within_s` as in `envelope`."""

    tree: Node
    snapshot: Snapshot
    controls: Controls
    limits: Iterable[Limit]
    now: Now
    hold_s: float = 0.0
    within_s: float | None = None
    _elsewhere: dict[str, Elsewhere] = field(default_factory=dict)  # owner: the one call that bounds this situation

    def bounding(self) -> Bounding:
        bounding = Bounding.of(AssetColumns.of(self.tree, self.snapshot.measurements))
        limiting = Limiting(bounding, self.elsewhere)
        self._leave_out(bounding)
        limiting.stand(tuple(self.limits), self.within_s)
        self._limit(limiting)
        devices.hold_charge(bounding, self.hold_s)
        devices.hold_available(bounding)
        devices.uncross(bounding)
        if self.within_s is not None:
            devices.reach(bounding, self.within_s)
        self._hold(limiting)
        for control in self._sorted(SWITCHES):
            if control.value is False:
                bounding.switch_off(limiting.run(control.node), f"{control.mode} off by {control}")
        return bounding

    def _sorted(self, modes: Iterable[Mode]) -> Iterator[Control]:
        """What stands in these modes, in an order of its own, without what has ended since it was arbitrated."""
        wanted = set(modes)
        for key in sorted(self.controls.in_force):
            control = self.controls.in_force[key]
            if control.mode in wanted and not _over(control, self.now):
                yield control

    # --- who cannot be asked ---

    def _leave_out(self, bounding: Bounding) -> None:
        for asset in self.tree.assets:
            absent = self._absent(asset)
            if absent is not None:
                bounding.leave_out(bounding.columns.ratings.place[asset.id], *absent)

    def _absent(self, asset: Asset) -> tuple[BoundSource, str] | None:
        measurement = self.snapshot.measurements.get(asset.id)
        unknown = unheard(asset, measurement)
        if measurement is None:
            return BoundSource.NEVER_HEARD, f"nothing was ever heard of {asset.name}"
        if asset.id not in self.snapshot.connected:
            return BoundSource.DISCONNECTED, f"{asset.name} is not connected"
        impairment = self.snapshot.impaired.get(asset.id)
        if impairment is not None:
            source, words = _IMPAIRED[impairment.kind]
            return source, f"{asset.name} {words}" + (f": {impairment.detail}" if impairment.detail else "")
        return None if unknown is None else (BoundSource.NOT_KNOWN, unknown)

    # --- what is above the tree ---

    def elsewhere(self, node: str) -> Elsewhere | None:
        """The assets below a node above the tree that are not in the tree; None of a node that is not above it."""
        if node not in self._above():
            return None
        if node not in self._elsewhere:
            mine = {asset.id for asset in self.tree.assets}
            self._elsewhere[node] = self._measured(
                asset for asset in self.snapshot.fleet.under(node) if asset.id not in mine
            )
        return self._elsewhere[node]

    def _above(self) -> tuple[str, ...]:
        """The paths above the tree; of one asset's own tree, which has no path, its site's too."""
        path = self.tree.path
        asset = self.snapshot.fleet.assets.get(path)
        if asset is not None:
            return ("", *ancestry(self.snapshot.fleet.path_of(asset)))
        return tuple(above for above in ("", *ancestry(path)) if above != path) if path else ()

    def _measured(self, assets: Iterable[Asset]) -> Elsewhere:
        """Each at the further of what it does and what it is asked for, towards the limit: it may be on its way."""
        heard = self.snapshot.measurements
        pairs = [(heard[each.id].power_w, _asked_w(each, heard[each.id])) for each in assets if each.id in heard]
        power_w = known(np.array(pairs).reshape(-1, 2))
        most_w, least_w = power_w.max(axis=1), power_w.min(axis=1)
        return Elsewhere(
            float(most_w.sum()),
            float(least_w.sum()),
            float(np.maximum(most_w, 0).sum()),
            float(-np.minimum(least_w, 0).sum()),
        )

    # --- events ---

    def _limit(self, limiting: Limiting) -> None:
        controls = tuple(self._sorted(_LIMITED))
        for kind in Kind:
            stated = (self._stated(limiting, control) for control in controls if _LIMITED[control.mode] is kind)
            limiting.power(kind, BoundSource.EVENT, [each for each in stated if isfinite(each[1])])

    def _stated(self, limiting: Limiting, control: Control) -> tuple[str, float, str]:
        """Where the limit of an event stands now: its node, the magnitude (infinite for none), and that in words."""
        w = self._ramped_w(limiting, control)
        end = "no limit" if control.value_w is None else power(control.value_w)
        final = "" if w == control.value_w else f", on its way to {end}"
        return control.node, w, f"{control.mode} {power(w)} by {control}{final}"

    def _ramped_w(self, limiting: Limiting, control: Control) -> float:
        """Where a limit is on its way from what stood before: the tighter of now and of the end of `hold_s`.

        Where nothing stood before it comes from the ratings, which bounded until then. A release leads to no limit.
        """
        before, value_w = control.from_value, inf if control.value_w is None else control.value_w
        if control.ramp_w_per_s is None or (before is None and value_w == inf):
            return value_w
        if isinstance(before, (bool, str)) or before is None:
            ratings, run = limiting.bounding.columns.ratings, limiting.run(control.node)
            upward = _LIMITED[control.mode] in (Kind.EXPORT, Kind.GENERATION)
            before = float(np.maximum(ratings.max_w[run] if upward else -ratings.min_w[run], 0).sum())
        elapsed_s = (self.now.utc_ms - control.since_ms) / 1000
        return min(_moved(before, value_w, control.ramp_w_per_s * s) for s in (elapsed_s, elapsed_s + self.hold_s))

    # --- who is held ---

    def _hold(self, limiting: Limiting) -> None:
        """Hold an asset for which something elsewhere outranks what stands at the tree, at what that gave it."""
        wishes = sorted((each for each in self.controls.in_force.values() if each.mode in SETPOINTS), key=_rank)
        bounding, columns = limiting.bounding, limiting.bounding.columns
        holder = np.full(len(columns.ratings.ids), _FREE)
        for number, wish in enumerate(wishes):  # the highest comes last and stays
            free = wish.node == self.tree.path or _over(wish, self.now)
            holder[limiting.run(wish.node)] = _FREE if free else number
        is_held = holder != _FREE
        if not is_held.any():
            return
        now_w = np.where(np.isnan(columns.setpoint_w), columns.power_w, columns.setpoint_w)
        own = np.array([np.nan if wish.value_w is None else wish.value_w for wish in wishes])
        named = np.array([wish.node in columns.ratings.place for wish in wishes])
        said_w = np.where(named[holder], np.where(np.isnan(own[holder]), columns.power_w, own[holder]), now_w)
        held_w = np.clip(known(said_w), bounding.low.w, bounding.high.w)
        detail = np.array([bounding.say(f"held by {wish}") for wish in wishes], dtype=np.int32)[holder]
        for side in (bounding.low, bounding.high):
            side.put(is_held, held_w, CODES[BoundSource.HELD], detail)


def _asked_w(asset: Asset, measurement: Measurement) -> float:
    """Where an asset is on its way to, W: its setpoint, which a generator follows as far as it has output."""
    power_w, setpoint_w = measurement.power_w, measurement.setpoint_w
    if asset.kind is not AssetKind.SOLAR:
        return power_w if setpoint_w is None else setpoint_w
    output_w = min(power_w + max(measurement.available_up_w, 0.0), asset.max_w)
    return output_w if setpoint_w is None else min(setpoint_w, output_w)


def _over(control: Control, now: Now) -> bool:
    return control.until_ms is not None and control.until_ms <= now.utc_ms


def _rank(control: Control) -> tuple[bool, int, int, str]:
    return control.rank


def _moved(start_w: float, end_w: float, by_w: float) -> float:
    return max(end_w, start_w - by_w) if start_w > end_w else min(end_w, start_w + by_w)
