"""What the trail says of a gateway's own life: its contract, its documents, who isolated it, and that it is there."""

from __future__ import annotations

import asyncio
import contextlib
import stat
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path

import pytest

from audit import keys as audit_keys
from audit.log import Log
from audit.secrecy import KeyFolder
from audit.verify import Verified, verify
from audit.verify.timeline import SILENT_US
from daemon.run import Stop
from dermscore.errors import BadInput
from gateway import isolation, service, setup
from gateway.config import Home
from gateway.contract import Contract
from gateway.service import GatewayError, serve
from tests.gateway import trail
from tests.gateway.stage import Clock
from tests.gateway.stand_in import eventually, free_port, make_gateway


@pytest.fixture
def made(tmp_path: Path, pki_folder: Path) -> Path:
    """A gateway whose boundary is closed: nothing is dialled, nothing comes, nothing happens by itself."""
    folder = make_gateway(tmp_path, pki_folder, free_port())[0]
    (folder / "ISOLATED").write_text("test")
    return folder


@contextlib.asynccontextmanager
async def served(folder: Path, clock: Callable[[], object] | None = None) -> AsyncIterator[None]:
    """The gateway in this very process, from its start to its end in good order."""
    stop = Stop()
    (folder / "status.json").unlink(missing_ok=True)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(serve(Home.open(folder), stop, now=clock or Clock()))  # type: ignore[arg-type]
        await eventually(lambda: running.done() or (folder / "status.json").exists())
        yield
        stop.set("test")


def told(folder: Path, *kinds: str) -> list[tuple[str, str]]:
    return [(read.header.kind, read.header.decision) for read in trail.records(folder) if read.header.kind in kinds]


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


async def test_another_contract_is_recorded_before_anything_names_it(made: Path) -> None:
    sheets = made / "policies" / "gateway"
    digests = []
    for step in (None, None, ("max_in_flight: 2", "max_in_flight: 3"), None, ("max_in_flight: 3", "max_in_flight: 2")):
        if step is not None:
            edit(sheets / "boundary.yaml", *step)
        digests.append(Contract.load(sheets).digest)
        async with served(made):
            pass
    first, _, second, _, third = digests
    assert first == third != second
    records = [read.header for read in trail.records(made)]
    changes = [each for each in records if each.kind == "contract.change"]
    assert [(each.decision, each.rule, dict(each.digests)) for each in changes] == [
        ("in force", "", {"contract": first}),
        ("in force", "", {"contract": second, "old": first}),
        ("in force", "", {"contract": third, "old": second}),
    ]
    in_force = None
    for each in records:  # whoever reads the trail from its beginning is never surprised
        in_force = each.digests["contract"] if each.kind == "contract.change" else in_force
        assert each.digests.get("contract", in_force) == in_force


async def test_what_records_name_by_digest_is_there_byte_for_byte(made: Path) -> None:
    home = Home.open(made)
    async with served(made):
        pass
    edit(made / "gateway.yaml", "origin:", "# edited\norigin:")
    async with served(made):
        pass
    named = {
        digest
        for read in trail.records(made)
        for name, digest in read.header.digests.items()
        if name in ("contract", "config")
    }
    kept = {path.name: path.read_bytes() for path in home.documents.iterdir()}
    assert named == set(kept)
    assert all(sha256(content).hexdigest() == name for name, content in kept.items())
    assert {home.document, (made / "gateway.yaml").read_bytes()} <= set(kept.values())
    assert stat.S_IMODE(home.documents.stat().st_mode) == 0o700
    assert setup.problems(made) == []
    (home.documents / home.digest).write_bytes(b"altered")
    assert [problem.where for problem in setup.problems(made)] == [str(home.documents / home.digest)]


async def test_a_contract_that_cannot_be_recorded_does_not_come_into_force(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(made):
        pass
    edit(made / "policies" / "gateway" / "boundary.yaml", "max_in_flight: 2", "max_in_flight: 3")
    open_trail = setup.open_trail

    def closed_at_once(*given: object) -> Log:
        log = open_trail(*given)  # type: ignore[arg-type]
        log.close()
        return log

    monkeypatch.setattr(service.setup, "open_trail", closed_at_once)
    with pytest.raises(GatewayError, match="is another than was in force, and the trail cannot take its record"):
        await serve(Home.open(made), Stop(), now=Clock())
    monkeypatch.undo()
    edit(made / "policies" / "gateway" / "boundary.yaml", "max_in_flight: 3", "max_in_flight: 2")
    async with served(made):
        pass
    assert told(made, "contract.change") == [("contract.change", "in force")]


async def test_no_minute_is_silent(made: Path) -> None:
    clock = Clock()
    async with served(made, clock):
        for minute in range(1, 4):
            clock.advance(service.ALIVE_MS / 1000)
            await eventually(lambda count=minute: len(told(made, "gateway")) == 1 + count)  # type: ignore[misc]
    assert told(made, "gateway") == [("gateway", each) for each in ("started", "alive", "alive", "alive", "stopped")]
    assert service.ALIVE_MS * 1000 + 2 * service.TICK_S * 1e6 < SILENT_US
    alive = [read.header for read in trail.records(made) if read.header.decision == "alive"]
    assert alive[0].reason == "headend link down, boundary closed, 0 of 3 published points good, witness none"
    assert set(alive[0].digests) == {"config", "contract"}


async def test_who_opened_the_boundary_while_no_gateway_ran_is_recorded_at_the_next_start(made: Path) -> None:
    async with served(made):
        pass
    home = Home.open(made)
    assert isolation.open_again(home, "INC-1 is over")
    async with served(made):
        pass
    async with served(made):
        pass
    assert told(made, "isolation", "gateway") == [
        ("isolation", "isolated"), ("gateway", "started"), ("gateway", "stopped"),
        ("isolation", "rejoined"), ("gateway", "started"), ("gateway", "stopped"),
        ("gateway", "started"), ("gateway", "stopped"),
    ]  # fmt: skip
    (rejoined,) = [read.header for read in trail.records(made) if read.header.decision == "rejoined"]
    assert rejoined.reason == "INC-1 is over"
    assert rejoined.peer


async def test_bodies_are_encrypted_where_gateway_yaml_says_so(made: Path) -> None:
    edit(made / "gateway.yaml", "# body_keys:", "body_keys:")
    folder = made / "keys" / "bodies"
    assert [problem.where for problem in setup.problems(made)] == [str(folder)]
    assert setup.add(made) == [folder]
    assert setup.problems(made) == []
    folder.chmod(0o750)
    with pytest.raises(BadInput, match="chmod 700"):
        service.prepare(Home.open(made))
    folder.chmod(0o700)
    (made / "ISOLATED").unlink()
    async with served(made):
        (made / "ISOLATED").write_text("test")
        await eventually(lambda: '"kind":"isolation"' in (made / "trail/headers/00000000.jsonl").read_text())
    keys = audit_keys.load_public(made / "keys" / "audit.pub")
    without, given = (verify(made / "trail", keys, body_keys=each) for each in (None, KeyFolder(folder)))
    assert isinstance(without, Verified)
    assert isinstance(given, Verified)
    assert without.encrypted_bodies > without.decrypted_bodies == 0
    assert given.encrypted_bodies == given.decrypted_bodies == without.encrypted_bodies
    assert [path.name for path in folder.iterdir()] == ["00000000.key"]


def test_body_keys_in_the_trail_are_refused(made: Path) -> None:
    edit(made / "gateway.yaml", "# body_keys: keys/bodies", "body_keys: trail/keys")
    (made / "trail" / "keys").mkdir(mode=0o700)
    assert ["whoever has the trail must not have the keys" in str(each) for each in setup.problems(made)] == [True]
    (made / "trail" / "keys").rmdir()
    edit(made / "gateway.yaml", "body_keys: trail/keys", "body_keys: gateway.yaml")
    assert ["is no folder" in str(each) for each in setup.problems(made)] == [True]


async def test_the_gateway_goes_on_with_the_key_that_the_trail_was_changed_to(made: Path, tmp_path: Path) -> None:
    async with served(made):
        pass
    home = Home.open(made)
    new = audit_keys.generate()
    (tmp_path / "next").mkdir()
    files = audit_keys.write(tmp_path / "next", new, home.config.origin)
    with Log.open(home.trail, audit_keys.load_private(home.audit_key)) as log:
        log.change_key(new).result()
    assert len(setup.problems(made)) == 1
    files.private.replace(home.audit_key)
    old = (made / "keys" / "audit.pub").read_text()
    files.public.replace(made / "keys" / "audit.pub")
    assert setup.problems(made) == []
    async with served(made):
        pass
    assert trail.verified(made).key_changes == 1
    (made / "keys" / "audit.pub").write_text(old)  # whoever has the first key can follow
    assert trail.verified(made).key_changes == 1


def test_add_says_of_each_thing_that_it_was_made_anew(made: Path) -> None:
    home = Home.open(made)
    home.documents.rmdir()
    home.outbox.unlink()
    assert {problem.where for problem in setup.problems(made)} == {str(home.documents), str(home.outbox)}
    assert setup.add(made) == [home.outbox, home.documents]
    assert told(made, "gateway") == [("gateway", "made anew")] * 2
    assert [path.name for path in home.documents.iterdir()] == [home.digest]
    assert setup.problems(made) == []
