"""The seam to a device: what every driver can do, whatever protocol it speaks.

A driver speaks in the conventions of the whole system: watts, injection into the grid positive. A device that counts
otherwise is flipped inside its driver and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dermscore.model import Measurement, Now

Clock = Callable[[], Now]


@dataclass(frozen=True, slots=True)
class DeviceSetpoint:
    """What is asked of a device. `power_w` None releases it to its natural output (0 W for a battery)."""

    power_w: float | None


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What the device says it now follows, read from the device after a write and not repeated from the request."""

    setpoint_w: float | None


class Driver(Protocol):
    """One device. Either call may raise or never return: the loop bounds both and keeps the fault to this asset."""

    @property
    def dead_man_s(self) -> float:
        """How long the device keeps a setpoint that nobody rewrites, in seconds."""
        ...

    async def read(self) -> Measurement: ...

    async def write(self, setpoint: DeviceSetpoint) -> ReadBack: ...
