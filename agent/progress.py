"""How far an intent has come at the edge, pure: what is reported to the headend, and when.

"Applied" is never said before the device moved: active is the device's own setpoint read back, following is its
measured power (DESIGN.md §8.12).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dermscore.intent import TERMINAL, Intent, IntentState, judge
from dermscore.model import Asset, Kind, Measurement

# A share of the rating: what a meter and a control loop may differ by while the device plainly does as it was asked.
TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Progress:
    """One intent that this edge took, and the furthest state that it was seen to reach.

    `read_back_ms` is the time of the measurement that showed it active first; None before, and of one taken up again.
    """

    intent: Intent
    reached: IntentState = IntentState.RECEIVED
    read_back_ms: int | None = None

    @property
    def over(self) -> bool:
        return self.reached in TERMINAL

    def observe(self, asset: Asset, measurement: Measurement, *, ended: bool) -> Progress:
        """After a look at the device; `ended` when the guard no longer holds the intent.

        The look that shows the setpoint first cannot show its effect too: a power near it by then was near it before,
        as after any step smaller than the tolerance. So following takes a later measurement.
        """
        asked = _asked(asset, self.intent)
        shown = judge(
            asked,
            measurement.setpoint_w,
            compared_w(asset, asked, measurement.power_w),
            tolerance_w(asset),
            reached=self.reached,
        )
        seen = self._active(measurement) if self._too_soon(shown, measurement) else replace(self, reached=shown)
        return seen.end() if ended else seen

    def _too_soon(self, shown: IntentState, measurement: Measurement) -> bool:
        """Whether this look is the first that shows the setpoint, or that one again."""
        if self.reached is IntentState.RECEIVED:
            return shown in (IntentState.ACTIVE, IntentState.FOLLOWING)
        return self.reached is IntentState.ACTIVE and measurement.time_ms == self.read_back_ms

    def _active(self, measurement: Measurement) -> Progress:
        return replace(self, reached=IntentState.ACTIVE, read_back_ms=measurement.time_ms)

    def end(self) -> Progress:
        """Its time is over, and the device cannot be looked at: complete if it was seen to follow, else expired."""
        if self.over:
            return self
        seen = self.reached is IntentState.FOLLOWING
        return replace(self, reached=IntentState.COMPLETE if seen else IntentState.EXPIRED)

    def give_up(self) -> Progress:
        """It is obeyed no longer, although its time is not over: the site has locked or taken the device."""
        return self if self.over else replace(self, reached=IntentState.FAILED)

    def supersede(self) -> Progress:
        """Another intent took its place."""
        return self if self.over else replace(self, reached=IntentState.SUPERSEDED)


def tolerance_w(asset: Asset) -> float:
    """How far from its setpoint a power may be and still follow it, in watts."""
    return TOLERANCE * max(abs(asset.max_w), abs(asset.min_w))


def compared_w(asset: Asset, intent: Intent, power_w: float) -> float:
    """The power to hold against the setpoint: a plant below its ceiling, or a load within its limit, is as asked."""
    if intent.setpoint_w is None:
        return power_w
    if asset.kind is Kind.SOLAR:
        return max(power_w, intent.setpoint_w)
    if asset.kind is Kind.LOAD:
        return min(power_w, intent.setpoint_w)
    return power_w


def _asked(asset: Asset, intent: Intent) -> Intent:
    """A release as what it comes to: storage is told 0 W, since left to itself it would keep its last setpoint."""
    if intent.setpoint_w is not None:
        return intent
    return replace(intent, setpoint_w=asset.reversion_w if intent.reversion_w is None else intent.reversion_w)
