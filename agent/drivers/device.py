"""The simulated device, pure: how power and state of charge move in a step of time (REQUIREMENTS.md, "Device model").

A device outlives its controller, so the dead-man timer is here and not in the agent: a setpoint that nobody rewrites
for `DEAD_MAN_S` falls away by itself, and the device returns to its natural output.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from dermscore.model import Asset, Kind

DEAD_MAN_S = 30.0
# A pause is walked through in pieces of at most STEP_S, and no more than LONGEST_S of it: by then the dead-man has long
# acted, and a laptop that slept for a weekend must not spend its first minute on arithmetic.
STEP_S = 1.0
LONGEST_S = 3600.0
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Device:
    """What a device is doing. `setpoint_w` None: nothing is asked of it. `unwritten_s`: age of the last write."""

    power_w: float
    soc_wh: float
    setpoint_w: float | None = None
    unwritten_s: float = 0.0


def new(asset: Asset) -> Device:
    """A device at rest, its state of charge in the middle of its window."""
    return Device(power_w=0.0, soc_wh=(asset.min_soc_wh + asset.max_soc_wh) / 2)


def in_window(asset: Asset, device: Device) -> Device:
    """The device held to the asset's ratings and window, which may have been changed since it was saved."""
    power_w = _clamp(device.power_w, asset.min_w, asset.max_w)
    soc_wh = _clamp(device.soc_wh, asset.min_soc_wh, asset.max_soc_wh)
    setpoint_w = None if device.setpoint_w is None else _clamp(device.setpoint_w, asset.min_w, asset.max_w)
    return Device(_inside_window(asset, power_w, soc_wh), soc_wh, setpoint_w, device.unwritten_s)


def write(asset: Asset, device: Device, setpoint_w: float | None) -> Device:
    """Take a setpoint, held to the ratings as a real inverter does; writing it again restarts the dead-man timer."""
    held = None if setpoint_w is None else _clamp(setpoint_w, asset.min_w, asset.max_w)
    return replace(device, setpoint_w=held, unwritten_s=0.0)


def advance(asset: Asset, device: Device, natural_w: float, elapsed_s: float) -> Device:
    """Let `elapsed_s` pass, in bounded steps. Time that runs backwards is no time."""
    left_s = min(max(elapsed_s, 0.0), LONGEST_S)
    while left_s > 0:
        device = step(asset, device, natural_w, min(left_s, STEP_S))
        left_s -= STEP_S
    return device


def step(asset: Asset, device: Device, natural_w: float, dt_s: float) -> Device:
    """One step: the dead-man timer, then power towards its target, then the energy that this moved.

    Where the energy of the step would leave the SOC window, only what fits is moved; outward power is 0 from then on.
    """
    unwritten_s = device.unwritten_s + dt_s
    setpoint_w = device.setpoint_w if unwritten_s < DEAD_MAN_S else None
    reach_w = asset.ramp_w_per_s * dt_s
    wanted_w = target_w(asset, setpoint_w, natural_w)
    power_w = _clamp(_clamp(wanted_w, device.power_w - reach_w, device.power_w + reach_w), asset.min_w, asset.max_w)
    moved_wh = soc_change_wh(power_w, asset.efficiency, dt_s) if asset.kind is Kind.BATTERY else 0.0
    soc_wh = _clamp(device.soc_wh + moved_wh, asset.min_soc_wh, asset.max_soc_wh)
    return Device(_inside_window(asset, power_w, soc_wh), soc_wh, setpoint_w, unwritten_s)


def target_w(asset: Asset, setpoint_w: float | None, natural_w: float) -> float:
    """Where the power is heading: a battery's setpoint is a target, a solar plant's a ceiling, a load's a limit."""
    if asset.kind is Kind.BATTERY:
        wanted_w = 0.0 if setpoint_w is None else setpoint_w
    elif setpoint_w is None:
        wanted_w = natural_w
    elif asset.kind is Kind.SOLAR:
        wanted_w = min(natural_w, setpoint_w)
    else:
        wanted_w = max(natural_w, setpoint_w)
    return _clamp(wanted_w, asset.min_w, asset.max_w)


def soc_change_wh(power_w: float, efficiency: float, dt_s: float) -> float:
    """How the store changes: it loses more than it delivers, and gains less than it takes."""
    energy_wh = power_w * dt_s / _SECONDS_PER_HOUR
    return -energy_wh / efficiency if energy_wh > 0 else -energy_wh * efficiency


def available_w(asset: Asset, device: Device, natural_w: float) -> tuple[float, float]:
    """How much more the device could (inject, absorb) from its power at once, each >= 0 W."""
    most_w, least_w = asset.max_w, asset.min_w
    if asset.kind is Kind.SOLAR:
        most_w = min(natural_w, asset.max_w)
    elif asset.kind is Kind.LOAD:
        least_w = max(natural_w, asset.min_w)
    else:
        most_w = min(most_w, 0.0) if device.soc_wh <= asset.min_soc_wh else most_w
        least_w = max(least_w, 0.0) if device.soc_wh >= asset.max_soc_wh else least_w
    return max(most_w - device.power_w, 0.0), max(device.power_w - least_w, 0.0)


def _inside_window(asset: Asset, power_w: float, soc_wh: float) -> float:
    if asset.kind is not Kind.BATTERY:
        return power_w
    empty = soc_wh <= asset.min_soc_wh and power_w > 0
    full = soc_wh >= asset.max_soc_wh and power_w < 0
    return 0.0 if empty or full else power_w


def _clamp(value: float, low: float, high: float) -> float:
    return max(low, min(value, high))
