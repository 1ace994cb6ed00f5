"""A real log, a witness in a process of its own, and everything that may come between them."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from trail_helpers import SEGMENT, SOAK, entries

from audit.format import checkpoint
from audit.format.layout import Layout
from audit.log import Log
from audit.witness import prover, request, store, witnessed
from audit.witness.client import Url, post
from audit.witness.cosignature import WitnessKey
from audit.witness.coverage import COSIGNED, Witnessed
from audit.witness.store import WitnessStore
from audit.witness.submission import Accepted, Alarm, Trouble
from audit.witness.submitter import Submitter
from tests.audit.witness.stage import KEY, ORIGIN, OTHER, ROOT, WitnessProcess, made


@pytest.fixture
def process(tmp_path: Path) -> Iterator[WitnessProcess]:
    made(tmp_path / "witness")
    with WitnessProcess(tmp_path / "witness", tmp_path / "witness.log") as running:
        yield running


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    Log.init(tmp_path / "trail", KEY, ORIGIN, segment_lines=SEGMENT)
    grow(tmp_path / "trail", 12)
    return tmp_path / "trail"


def grow(trail: Path, count: int) -> int:
    """Append; how many records there are then (each opening and closing is one, too)."""
    with Log.open(trail, KEY, segment_lines=SEGMENT) as log:
        log.submit(entries(count)).result(30)
    return checkpoint.parse((trail / "checkpoint").read_bytes())[0].size


def witness_keys(process: WitnessProcess) -> tuple[WitnessKey, ...]:
    return store.load_keys(process.folder / "witness.pub")


def submitter(trail: Path, process: WitnessProcess) -> Submitter:
    return Submitter(trail, Url.parse(process.url), witness_keys(process), segment_lines=SEGMENT)


def seen_size(process: WitnessProcess) -> int:
    latest = WitnessStore.open(process.folder).latest(ORIGIN)
    return latest[0].size if latest else 0


def kept(trail: Path, process: WitnessProcess) -> Witnessed:
    found = witnessed((trail / COSIGNED).read_bytes(), witness_keys(process))
    assert isinstance(found, Witnessed)
    return found


async def test_a_growing_log_is_cosigned_and_the_cosignature_kept_beside_it(
    trail: Path, process: WitnessProcess
) -> None:
    submitting = submitter(trail, process)
    for _ in range(4):
        size = grow(trail, 5)
        said = await submitting.submit()
        assert isinstance(said, Accepted), said
        assert kept(trail, process) == said.seen
        assert said.seen.checkpoint.size == size == seen_size(process)
        assert (trail / COSIGNED).read_bytes().startswith((trail / "checkpoint").read_bytes())
    again = await submitting.submit()  # nothing new: the time is
    assert isinstance(again, Accepted)


async def test_a_gateway_that_starts_again_goes_on_where_it_was(trail: Path, process: WitnessProcess) -> None:
    for _ in range(3):
        assert isinstance(await submitter(trail, process).submit(), Accepted)
        grow(trail, 3)
    (trail / COSIGNED).unlink()  # it need not even remember: the witness says where it is
    assert isinstance(await submitter(trail, process).submit(), Accepted)
    (trail / COSIGNED).write_bytes(b"nonsense")
    assert isinstance(await submitter(trail, process).submit(), Accepted)


async def test_somebody_else_submits_meanwhile(trail: Path, process: WitnessProcess) -> None:
    """The 409 that is none of anybody's fault: prove from the size that the witness names, and go on."""
    first, second = submitter(trail, process), submitter(trail, process)
    for _ in range(3):
        assert isinstance(await first.submit(), Accepted)
        grow(trail, 2)
        assert isinstance(await second.submit(), Accepted)
        grow(trail, 2)


async def test_three_race_for_every_size(trail: Path, process: WitnessProcess, tmp_path: Path) -> None:
    """Copies of one log, each with a submitter: nobody is alarmed, and all have the newest cosigned in the end."""
    copies = [tmp_path / f"copy-{number}" for number in range(3)]
    racing = [submitter(copy, process) for copy in copies]
    for _ in range(4):
        size = grow(trail, 2)
        for copy in copies:
            shutil.copytree(trail, copy, dirs_exist_ok=True)
        said = await asyncio.gather(*(each.submit() for each in racing))
        assert all(isinstance(each, Accepted) for each in said), said
        assert seen_size(process) == size


async def test_a_witness_that_is_killed_and_comes_back(trail: Path, process: WitnessProcess) -> None:
    submitting = submitter(trail, process)
    assert isinstance(await submitting.submit(), Accepted)
    before = kept(trail, process)
    process.kill()
    size = grow(trail, 4)
    said = await submitting.submit()
    assert isinstance(said, Trouble)
    assert "cannot be reached" in said.why
    assert kept(trail, process) == before  # what was cosigned stays cosigned
    process.start()
    assert isinstance(await submitting.submit(), Accepted)
    assert seen_size(process) == size
    assert process.stop() == 0


async def test_a_log_that_was_rolled_back_is_caught(trail: Path, process: WitnessProcess, tmp_path: Path) -> None:
    older = Path(shutil.copytree(trail, tmp_path / "older"))
    grow(trail, 5)
    running = submitter(trail, process)
    assert isinstance(await running.submit(), Accepted)
    shutil.rmtree(trail)
    shutil.copytree(older, trail)
    for each in (running, submitter(trail, process)):  # the one that remembers, and one that has forgotten
        said = await each.submit()
        assert isinstance(said, Alarm)
        assert "rolled back" in said.why
    grow(trail, 1)  # it goes on from there, and is still too short
    assert isinstance(await submitter(trail, process).submit(), Alarm)


@pytest.mark.parametrize("more", [0, 1, 9])
async def test_a_second_view_of_a_log_is_caught(
    trail: Path, process: WitnessProcess, tmp_path: Path, more: int
) -> None:
    """A copy of the log, and the key: one goes on in secret. Whichever the witness sees second is found out."""
    secret = Path(shutil.copytree(trail, tmp_path / "secret"))
    size = grow(trail, 5)
    assert isinstance(await submitter(trail, process).submit(), Accepted)
    with Log.open(secret, KEY, segment_lines=SEGMENT) as log:
        log.submit([*entries(4), *entries(1 + more)]).result(30)
    new, _ = prover.newest(Layout(secret, SEGMENT))
    assert new.size == size + more
    said = await submitter(secret, process).submit()
    assert isinstance(said, Alarm), said
    assert bool(list((process.folder / "forks").iterdir())) == (more == 0)


async def test_a_log_written_anew_is_caught_by_its_own_cosigned_checkpoint(
    trail: Path, process: WitnessProcess, tmp_path: Path
) -> None:
    assert isinstance(await submitter(trail, process).submit(), Accepted)
    Log.init(tmp_path / "anew", KEY, ORIGIN, segment_lines=SEGMENT)
    grow(tmp_path / "anew", 30)
    shutil.copyfile(trail / COSIGNED, tmp_path / "anew" / COSIGNED)
    said = await submitter(tmp_path / "anew", process).submit()
    assert isinstance(said, Alarm)
    assert "not those that the witness has cosigned" in said.why


async def test_a_witness_that_does_not_know_the_log_or_its_key(
    trail: Path, process: WitnessProcess, tmp_path: Path
) -> None:
    Log.init(tmp_path / "else", KEY, "example.com/else", segment_lines=SEGMENT)
    said = await submitter(tmp_path / "else", process).submit()
    assert isinstance(said, Trouble)
    assert "derms audit witness trust" in said.why
    Log.init(tmp_path / "other", OTHER, ORIGIN, segment_lines=SEGMENT)
    assert isinstance(await submitter(tmp_path / "other", process).submit(), Trouble)


async def test_a_cosignature_by_another_key_than_configured_is_none(trail: Path, process: WitnessProcess) -> None:
    stranger = Submitter(trail, Url.parse(process.url), [WitnessKey("else", bytes(32))], segment_lines=SEGMENT)
    assert isinstance(await stranger.submit(), Trouble)
    assert not (trail / COSIGNED).exists()


async def test_a_trail_that_cannot_be_read_or_written_is_trouble(trail: Path, process: WitnessProcess) -> None:
    (trail / COSIGNED).mkdir()
    assert isinstance(await submitter(trail, process).submit(), Trouble)
    (trail / COSIGNED).rmdir()
    (trail / f"{COSIGNED}.next").mkdir()
    assert isinstance(await submitter(trail, process).submit(), Trouble)
    (trail / f"{COSIGNED}.next").rmdir()
    assert isinstance(await submitter(trail, process).submit(), Accepted)
    (trail / "checkpoint").unlink()
    assert isinstance(await submitter(trail, process).submit(), Trouble)


async def test_a_witness_that_names_another_size_every_time_is_left_alone_after_a_while(trail: Path) -> None:
    sizes = itertools.cycle([3, 4])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b"%d\n" % next(sizes)
        head = b"HTTP/1.1 409 Conflict\r\nContent-Type: text/x.tlog.size\r\nContent-Length: %d\r\n\r\n" % len(body)
        writer.write(head + body)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = Url.parse(f"http://127.0.0.1:{port}")
        said = await Submitter(trail, url, [WitnessKey("w", bytes(32))], segment_lines=SEGMENT).submit()
    assert isinstance(said, Trouble)
    assert "another size 4 times" in said.why


KILLS = 100 if SOAK else 6


@pytest.mark.timeout(1800)
async def test_sigkill_at_any_instant_forgets_nothing_that_was_answered(tmp_path: Path) -> None:
    """Under load from several submitters the witness is killed again and again: it never knows less than it said."""
    made(tmp_path / "witness")
    process, chance = WitnessProcess(tmp_path / "witness", tmp_path / "witness.log"), random.Random(815)
    Log.init(tmp_path / "trail", KEY, ORIGIN, segment_lines=SEGMENT * 16)
    answered, layout = 0, Layout(tmp_path / "trail", SEGMENT * 16)
    with Log.open(tmp_path / "trail", KEY, segment_lines=SEGMENT * 16) as log:
        for _ in range(KILLS):
            process.start()
            killer = threading.Timer(chance.uniform(0.0, 0.4), process.kill)
            killer.start()
            while killer.is_alive():
                log.submit(entries(2)).result(30)
                new, signed = prover.newest(layout)
                proved = prover.prove(layout, answered, new)
                try:
                    answer = await post(Url.parse(process.url), request.encode(answered, proved.proof, signed), None)
                except Exception:
                    continue  # killed, or about to be
                assert answer.status in (200, 409)
                if answer.status == 409:  # cosigned before it could say so
                    assert int(answer.body) > answered
                answered = new.size if answer.status == 200 else int(answer.body)
            killer.join()
            assert seen_size(process) >= answered


def test_the_audit_extra_alone_runs_a_witness(tmp_path: Path) -> None:
    """Nothing but click, cryptography and the standard library is loaded; nothing of ours but audit."""
    program = (
        "import sys, audit.witness.service, audit.witness.cli\n"
        "ours = {'dermscore', 'wire', 'daemon', 'headend', 'agent', 'gateway', 'simulator'}\n"
        "top = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(top & (ours | {'pydantic', 'numpy', 'grpc', 'structlog', 'yaml', 'google', 'h11', 'msgspec'})))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert ran.stdout == "[]\n"
