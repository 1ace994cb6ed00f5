"""A simulated device behind the driver seam: thin clockwork around the pure model of `agent.drivers.device`.

Its values say so: they carry Cause.TEST, and a live contract never shows them as good.
"""

from __future__ import annotations

from agent.drivers import Clock, DeviceSetpoint, ReadBack, device
from agent.drivers.device import Device
from agent.drivers.profile import Profile, natural_w
from dermscore.model import Asset, Kind, Measurement, Now
from dermscore.quality import Cause, Quality, Source, Validity

SIMULATED = Quality(Validity.GOOD, Source.TELEMETERED, Cause.TEST)


class SimulatedDriver:
    """Drives one simulated device. Both calls return at once; time passes for the device by the monotonic clock."""

    def __init__(
        self, asset: Asset, clock: Clock, start: Device | None = None, start_mono_ms: int | None = None
    ) -> None:
        """`start` is what the device did at `start_mono_ms` (of this boot; now if not given): it goes on from there."""
        self._asset = asset
        self._clock = clock
        self._profile = Profile.of(asset.id)
        self._device = start or device.new(asset)  # owner: the one task that reads and writes this driver
        self._mono_ms = clock().mono_ms if start_mono_ms is None else start_mono_ms  # owner: as above

    @property
    def dead_man_s(self) -> float:
        return device.DEAD_MAN_S

    async def read(self) -> Measurement:
        now = self._clock()
        natural = self._pass_time(now)
        is_store = self._asset.kind is Kind.BATTERY
        up_w, down_w = device.available_w(self._asset, self._device, natural)
        return Measurement(
            asset_id=self._asset.id,
            time_ms=now.utc_ms,
            power_w=self._device.power_w,
            soc_wh=self._device.soc_wh if is_store else None,
            available_up_w=up_w,
            available_down_w=down_w,
            setpoint_w=self._device.setpoint_w,
            quality=SIMULATED,
        )

    async def write(self, setpoint: DeviceSetpoint) -> ReadBack:
        self._pass_time(self._clock())
        self._device = device.write(self._asset, self._device, setpoint.power_w)
        return ReadBack(self._device.setpoint_w)

    def _pass_time(self, now: Now) -> float:
        natural = natural_w(self._asset, self._profile, now.utc_ms)
        elapsed_s = (now.mono_ms - self._mono_ms) / 1000
        self._device = device.advance(self._asset, self._device, natural, elapsed_s)
        self._mono_ms = now.mono_ms
        return natural
