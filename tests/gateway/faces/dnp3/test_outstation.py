"""A configuration that cannot work is refused at once, every problem named."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from dermscore.errors import BadInput
from dermscore.sheets.points import PointType
from gateway.faces.dnp3 import Dnp3Limits, Dnp3Master, Dnp3Output, Dnp3Outstation, Dnp3Point

GOOD = Dnp3Outstation("o", "127.0.0.1", 0, 10, (Dnp3Master("m", 1),), (Dnp3Point("p", PointType.AI, 0),))


def problems(**changes: object) -> str:
    with pytest.raises(BadInput) as caught:
        replace(GOOD, **changes)  # type: ignore[arg-type]
    return str(caught.value)


def test_every_problem_is_told_at_once() -> None:
    told = problems(
        address=0xFFFD,
        points=(Dnp3Point("p", PointType.AI, 0, event_class=4), Dnp3Point("p", PointType.AI, 70_000, deadband=-1)),
    )
    for part in ("address 65533", "two rows", "class 4", "index 70000", "deadband -1"):
        assert part in told


def test_an_outstation_needs_a_master_with_its_own_address() -> None:
    assert "name at least one master" in problems(masters=())
    assert "address 10: is given twice" in problems(masters=(Dnp3Master("m", 10),))
    assert "masters m: is named twice" in problems(masters=(Dnp3Master("m", 1), Dnp3Master("m", 2)))


def test_limits_leave_room_for_something() -> None:
    assert "limits standing_by: is not above 0" in problems(limits=Dnp3Limits(standing_by=0))


def test_inputs_and_outputs_keep_to_their_types_and_codes() -> None:
    assert "use AI or BI" in problems(points=(Dnp3Point("p", PointType.AO, 0),))
    told = problems(outputs=(Dnp3Output("q", PointType.BI, 0), Dnp3Output("r", PointType.BO, 0, codes=("OPEN",))))
    assert "use AO or BO" in told
    assert "lists control code OPEN" in told


def test_an_index_belongs_to_one_row_of_its_type() -> None:
    assert "AI 3: is used by two rows" in problems(
        points=(Dnp3Point("p", PointType.AI, 3), Dnp3Point("q", PointType.AI, 3))
    )
    replace(GOOD, points=(Dnp3Point("p", PointType.AI, 3), Dnp3Point("q", PointType.BI, 3)))


@pytest.mark.parametrize(
    ("host", "may"), [("192.0.2.7", True), ("::ffff:192.0.2.7", True), ("198.51.100.1", False), ("2001:db8::1", False)]
)
def test_a_master_calls_from_its_networks_only(host: str, may: bool) -> None:
    assert Dnp3Master("m", 1, (ip_network("192.0.2.0/24"),)).may_call_from(host) is may
    assert Dnp3Master("m", 1).may_call_from(host)
