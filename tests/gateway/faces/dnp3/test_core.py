"""What we lean on in py1815, pinned: an upgrade that moves it fails here and not at a master."""

from __future__ import annotations

import inspect
from importlib.metadata import version

from py1815.session import Session

from gateway.faces.dnp3 import Dnp3Face
from gateway.faces.dnp3.controls import STATUS_CODES
from gateway.faces.dnp3.core import CommandStatus
from tests.peers.frames import INTEGRITY, RawPeer, request


def test_the_private_name_that_we_wrap_is_still_what_it_was() -> None:
    assert version("py1815") == "0.3.0"
    assert list(inspect.signature(Session._indications).parameters) == ["self", "extra", "reporting"]


async def test_trouble_and_local_reach_the_wire_in_every_answer(face: Dnp3Face) -> None:
    async with RawPeer(face.port) as scada:
        assert (await scada.ask(request(1, INTEGRITY, sequence=0)))[0][2] == 0x80  # IIN1.7 device restart, alone
        face.indicate(trouble=True, local=True)
        assert (await scada.ask(request(1, INTEGRITY, sequence=1)))[0][2] == 0xE0  # with IIN1.6 trouble, IIN1.5 local
        assert (await scada.ask(request(13, sequence=2)))[0][2:4] == b"\xe0\x01"  # in a refusal too
        face.indicate(local=False)
        assert (await scada.ask(request(1, INTEGRITY, sequence=3)))[0][2] == 0xC0


def test_the_status_numbers_are_those_of_table_11_9() -> None:
    renamed = {"TOO_MANY_OPS": "TOO_MANY_OBJS"}  # opendnp3's name, which the library took, and the standard's
    theirs = {renamed.get(each.name, each.name): each.value for each in CommandStatus if each.value < 126}
    assert theirs == {status.value: code for status, code in STATUS_CODES.items()}
