"""Assets, intents and measurements that the Guard's tests share. The world's clocks begin at UTC and 0."""

from __future__ import annotations

import os
from dataclasses import replace

from dermscore.guard import Fallback, Guard, Taken
from dermscore.intent import Intent
from dermscore.model import Asset, Kind, Measurement, Now
from dermscore.quality import GOOD

SOAK = os.environ.get("DERMS_SOAK") == "1"
UTC = 1_700_000_000_000

BATTERY = Asset("b1", "B1", "s1", Kind.BATTERY, 100e6, 40e6, -30e6, 0.9, 10e6, 10, 90, "simulated", "default")
SOLAR = Asset("p1", "P1", "s1", Kind.SOLAR, 0, 20e6, 0, 1, 10e6, 0, 100, "simulated", "default")
LOAD = Asset("l1", "L1", "s1", Kind.LOAD, 0, 0, -8e6, 1, 10e6, 0, 100, "simulated", "default")
QUICK = Fallback(delay_ms=2_000, ramp_w_per_s=4e6)


def at(ms: int) -> Now:
    return Now(UTC + ms, ms)


def intent(revision: int = 1, setpoint_w: float | None = 20e6, ends_ms: int = 60_000, **more: object) -> Intent:
    plain = Intent("b1", "e1", revision, f"d{revision}", setpoint_w, 0.0, UTC, UTC + ends_ms, "default", 4)
    return replace(plain, **more)  # type: ignore[arg-type]


def seen(power_w: float = 0.0, soc_wh: float | None = 50e6, asset: Asset = BATTERY, **more: object) -> Measurement:
    plain = Measurement(asset.id, UTC, power_w, soc_wh, 0.0, 0.0, None, GOOD)
    return replace(plain, **more)  # type: ignore[arg-type]


def guarded(asset: Asset = BATTERY) -> Guard:
    return Guard.new(asset, QUICK).link(True, at(0))


def took(guard: Guard, wanted: Intent, ms: int = 0) -> Guard:
    guard, verdict = guard.receive(wanted, at(ms), 0)
    assert isinstance(verdict, Taken), verdict
    return guard


def run(guard: Guard, measurement: Measurement | None, *moments: int) -> tuple[Guard, list[float | None]]:
    written = []
    for ms in moments:
        guard, command = guard.step(measurement, at(ms))
        written.append(command.setpoint_w)
    return guard, written
