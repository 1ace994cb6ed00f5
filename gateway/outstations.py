"""The contract's outstations as the faces want them. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

from dermscore.model import Now
from gateway.boundary import Outstation
from gateway.contract import Contract
from gateway.faces import ControlDesk, Face
from gateway.faces.dnp3 import Dnp3Face, Dnp3Limits, Dnp3Master, Dnp3Output, Dnp3Outstation, Dnp3Point


def dnp3(contract: Contract, outstation: Outstation) -> Dnp3Outstation:
    """One outstation with its rows. Raises BadInput where DNP3 has no room for what the contract says."""
    points = [row for row in contract.points if row.outstation == outstation.name]
    commands = [row for row in contract.commands if row.outstation == outstation.name]
    return Dnp3Outstation(
        name=outstation.name,
        host=outstation.listen.host,
        port=outstation.listen.port,
        address=outstation.address,
        masters=tuple(Dnp3Master(each.name, each.address, each.networks) for each in outstation.masters),
        points=tuple(
            Dnp3Point(row.name, row.type, row.index, row.event_class, math.floor(row.deadband_raw)) for row in points
        ),
        outputs=tuple(Dnp3Output(row.name, row.type, row.index, outstation.codes) for row in commands),
        limits=Dnp3Limits(),
    )


def faces(
    contract: Contract, desk: ControlDesk, now: Callable[[], Now], refresh: Callable[[], None]
) -> dict[str, Face]:
    """A face for each outstation, by its name; none listens yet. `refresh` is called before a master is answered."""
    return {each.name: Dnp3Face(dnp3(contract, each), desk, now, refresh) for each in contract.boundary.outstations}
