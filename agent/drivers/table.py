"""Which driver speaks to which device: the `driver` of an asset, by name. A new protocol is one more row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from agent.drivers import Clock, Driver
from agent.drivers.device import Device, in_window
from agent.drivers.simulated import SimulatedDriver
from agent.state import Saved
from dermscore.errors import BadInput, Problem
from dermscore.model import Asset

Open = Callable[[Asset, Clock, Saved | None, str], Driver]
"""Makes the driver of an asset. A simulated device goes on from what was saved; the last argument names this boot."""


def open_driver(asset: Asset, clock: Clock, saved: Saved | None, boot: str) -> Driver:
    """The driver of `asset`. Raises BadInput: there is none of that name."""
    check([asset])
    return _DRIVERS[asset.driver](asset, clock, saved, boot)


def check(assets: Iterable[Asset]) -> None:
    """Raises BadInput naming every asset whose driver is not known."""
    known = ", ".join(sorted(_DRIVERS))
    problems = [
        Problem(f"asset {asset.id}", "driver", f"{asset.driver!r} is not a driver; known: {known}")
        for asset in assets
        if asset.driver not in _DRIVERS
    ]
    if problems:
        raise BadInput(problems)


def _simulated(asset: Asset, clock: Clock, saved: Saved | None, boot: str) -> Driver:
    if saved is None:
        return SimulatedDriver(asset, clock)
    now = clock()
    start = Device(saved.power_w, saved.soc_wh or 0.0, saved.setpoint_w, saved.setpoint_age_s)
    elapsed_ms = round(saved.elapsed_s(now, boot) * 1000)
    return SimulatedDriver(asset, clock, in_window(asset, start), now.mono_ms - elapsed_ms)


_DRIVERS: Mapping[str, Open] = {"simulated": _simulated}
