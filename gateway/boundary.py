"""boundary.yaml as data: the part of the contract that is not per point. See docs/reference/boundary-yaml.md."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

from daemon.config import Address

Network = IPv4Network | IPv6Network


class Upward(StrEnum):
    """The status fields that the gateway can tell the headend, each only where boundary.yaml lists it."""

    SOFTWARE = "software"
    CONTRACT_DIGEST = "contract_digest"
    REHEARSAL = "rehearsal"
    AUDIT_HEALTHY = "audit_healthy"
    MASTERS_CONNECTED = "masters_connected"  # how many, never who


def _is_network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError as error:
        raise ValueError(f"{error}; write an IP address or a network such as 10.1.2.0/24") from None
    return text


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Master(_Part):
    """A group of front ends that share one link address. `control: false` may look and never operate."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    address: Annotated[int, Field(ge=0, le=65519)]
    peers: tuple[Annotated[str, AfterValidator(_is_network)], ...] = Field(min_length=1)
    control: bool = True

    @property
    def networks(self) -> tuple[Network, ...]:
        return tuple(ip_network(text) for text in self.peers)


class Outstation(_Part):
    """One place where masters connect, in one protocol. `codes` are the control codes that its binary outputs take."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    face: Literal["dnp3"] = "dnp3"
    listen: Address
    address: Annotated[int, Field(ge=0, le=65519)]
    masters: tuple[Master, ...] = Field(min_length=1)
    codes: tuple[Literal["PULSE_ON", "LATCH_ON", "CLOSE_PULSE_ON"], ...] = ("LATCH_ON", "PULSE_ON")


class Limits(_Part):
    """Caps on commands over the whole boundary (what one command may do stands in its row of commands.csv)."""

    max_in_flight: PositiveInt = 8
    energy_mwh_per_15min: PositiveFloat | None = None


class Boundary(_Part):
    """The whole file."""

    version: Literal[1]
    contract: Literal["rehearsal", "live"]
    outstations: tuple[Outstation, ...] = Field(min_length=1)
    limits: Limits = Limits()
    upward: tuple[Upward, ...] = ()

    @property
    def live(self) -> bool:
        return self.contract == "live"
