"""What one DNP3 outstation is made of: plain values that the gateway's contract fills in and this face checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeVar

from dermscore.errors import BadInput, Problem
from dermscore.sheets.points import PointType
from gateway.faces.dnp3.core import MAX_ADDRESS

_Value = TypeVar("_Value", bound=Hashable)

MAX_INDEX = 0xFFFF
CODES = ("NUL", "PULSE_ON", "PULSE_OFF", "LATCH_ON", "LATCH_OFF", "CLOSE_PULSE_ON", "TRIP_PULSE_ON")
"""The control codes of a CROB that can be listed (IEEE 1815-2012 clause A.8.1): operation and trip-close code."""


@dataclass(frozen=True, slots=True)
class Dnp3Master:
    """One master: a *group* of front ends that share the link address `address`.

    `peers` are the IP networks that it may call from; empty means any. The name is what the trail says.
    """

    name: str
    address: int
    peers: tuple[IPv4Network | IPv6Network, ...] = ()

    def may_call_from(self, host: str) -> bool:
        """Whether a connection from this IP address may belong to the group."""
        return not self.peers or (bool(host) and any(_address(host) in network for network in self.peers))


@dataclass(frozen=True, slots=True)
class Dnp3Point:
    """One input. `event_class` 0 makes no events; `deadband` is in raw units, and only analogs have one."""

    name: str
    type: PointType
    index: int
    event_class: int = 1
    deadband: int = 0


@dataclass(frozen=True, slots=True)
class Dnp3Output:
    """One output: what may be controlled, and the status (g40, g10) that `show` updates under the same name.

    `codes` are the control codes that a BO takes; an AO has none.
    """

    name: str
    type: PointType
    index: int
    codes: tuple[str, ...] = ("LATCH_ON", "LATCH_OFF")


@dataclass(frozen=True, slots=True)
class Dnp3Limits:
    """Bounds that keep one peer from costing the others anything. Seconds and octets."""

    waiting: int = 8  # connections that have not shown a whole frame yet, over all peers
    standing_by: int = 4  # admitted connections of one master that do not poll (hot-standby front ends)
    admission_s: float = 10.0  # from the connection to its first whole frame
    admission_octets: int = 1024  # read before that frame
    idle_s: float = 300.0  # without a whole frame from the master
    select_s: float = 10.0
    controls: int = 1  # objects in one control request
    events: int = 1000  # per class and master; at least twice the points of the outstation are held


@dataclass(frozen=True, slots=True)
class Dnp3Outstation:
    """One outstation: where it listens, who may be its master, and what it shows.

    Raises:
        BadInput: with every problem, when made of values that cannot work.
    """

    name: str
    host: str
    port: int
    address: int
    masters: tuple[Dnp3Master, ...]
    points: tuple[Dnp3Point, ...]
    outputs: tuple[Dnp3Output, ...] = ()
    limits: Dnp3Limits = field(default_factory=Dnp3Limits)

    @property
    def rows(self) -> tuple[Dnp3Point | Dnp3Output, ...]:
        """Every point and output: what `show` knows by name."""
        return (*self.points, *self.outputs)

    def __post_init__(self) -> None:
        problems = tuple(_problems(self))
        if problems:
            raise BadInput(problems)


def _problems(outstation: Dnp3Outstation) -> Iterator[Problem]:
    where = f"outstation {outstation.name}"
    yield from _wrong_addresses(where, outstation)
    for limit in fields(outstation.limits):
        if getattr(outstation.limits, limit.name) <= 0:
            yield Problem(where, f"limits {limit.name}", "is not above 0; nothing could be served")
    rows = outstation.rows
    for name in _repeated(row.name for row in rows):
        yield Problem(where, name, "is the name of two rows; give each row its own")
    for kind, index in _repeated((row.type, row.index) for row in rows):
        yield Problem(where, f"{kind} {index}", "is used by two rows; an index belongs to one row for ever")
    for row in rows:
        yield from (Problem(where, row.name, what) for what in _wrong_with(row))


def _wrong_addresses(where: str, outstation: Dnp3Outstation) -> Iterator[Problem]:
    if not outstation.masters:
        yield Problem(where, "masters", "is empty; name at least one master and its link address")
    addresses = [outstation.address, *(master.address for master in outstation.masters)]
    for address in addresses:
        if not 0 <= address <= MAX_ADDRESS:
            yield Problem(where, f"address {address}", f"is outside 0..{MAX_ADDRESS}, the addresses of devices")
    for address in _repeated(addresses):
        yield Problem(where, f"address {address}", "is given twice; outstation and masters need an address each")
    for name in _repeated(master.name for master in outstation.masters):
        yield Problem(where, f"masters {name}", "is named twice; give each master its own name")


def _wrong_with(row: Dnp3Point | Dnp3Output) -> Iterator[str]:
    if not 0 <= row.index <= MAX_INDEX:
        yield f"has index {row.index}, outside 0..{MAX_INDEX}"
    if isinstance(row, Dnp3Point):
        if row.type not in (PointType.AI, PointType.BI):
            yield f"is an input of type {row.type}; use AI or BI"
        if row.event_class not in (0, 1, 2, 3):
            yield f"has class {row.event_class}; use 1, 2 or 3, or 0 for no events"
        if row.deadband < 0:
            yield f"has deadband {row.deadband}; use 0 or more"
    else:
        if row.type not in (PointType.AO, PointType.BO):
            yield f"is an output of type {row.type}; use AO or BO"
        for code in row.codes:
            if code not in CODES:
                yield f"lists control code {code}; use some of {', '.join(CODES)}"


def _repeated(values: Iterable[_Value]) -> list[_Value]:
    return [value for value, count in Counter(values).items() if count > 1]


def _address(host: str) -> IPv4Address | IPv6Address:
    found = ip_address(host)
    # A dual-stack socket names an IPv4 caller as ::ffff:192.0.2.1; a network of the sheet means the plain address.
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found
