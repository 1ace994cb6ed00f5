"""What solar plants and loads do when nobody asks anything of them: pure functions of the time, seeded per asset.

Pure, so that a restarted agent continues the very curve that the last one drew. The simulated sun never sets but
wanders between mid-morning and mid-afternoon: a demonstration at night would otherwise show a plant that can do
nothing.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from dermscore.model import Asset, Kind

_DAY_S = 7200.0
# Periods that share no small multiple, so that the sum does not visibly repeat.
_NOISE_PERIODS_S = (23.0, 61.0, 173.0, 419.0)
_NOISE_WEIGHTS = (0.1, 0.2, 0.3, 0.4)


@dataclass(frozen=True, slots=True)
class Profile:
    """The phases of one asset's curve, drawn once from its id."""

    day: float
    noise: tuple[float, ...]

    @classmethod
    def of(cls, asset_id: str) -> Profile:
        rng = random.Random(asset_id)  # a string seeds the same in every process, unlike hash()
        return cls(rng.uniform(0, math.tau), tuple(rng.uniform(0, math.tau) for _ in _NOISE_PERIODS_S))


def natural_w(asset: Asset, profile: Profile, utc_ms: int) -> float:
    """The output in watts with nothing asked: 0 for a battery, sunshine for solar, demand (negative) for a load."""
    if asset.kind is Kind.BATTERY:
        return 0.0
    t_s = utc_ms / 1000
    day = math.sin(math.tau * t_s / _DAY_S + profile.day)
    noise = _noise(profile, t_s)
    if asset.kind is Kind.SOLAR:
        return asset.max_w * (0.7 + 0.15 * day) * (1 - 0.25 * max(noise, 0.0))
    return asset.min_w * (0.55 + 0.15 * day + 0.1 * noise)


def _noise(profile: Profile, t_s: float) -> float:
    """Smooth, -1..1: passing clouds, or the appliances of many homes."""
    waves = zip(_NOISE_WEIGHTS, _NOISE_PERIODS_S, profile.noise, strict=True)
    return sum(weight * math.sin(math.tau * t_s / period + phase) for weight, period, phase in waves)
