"""The commands that keep a log, and those for persons and approvals, as people use them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trail_helpers import ORIGIN, SEGMENT, entries

from audit import keeping, keys
from audit.cli import audit, moments
from audit.cli import keeping as commands
from audit.format.layout import Layout
from audit.format.record import Reading
from audit.keeping.retention import DAY_US
from audit.log import Log
from audit.verify import Verified, verify


def run(*arguments: object, answer: str = "") -> Result:
    return CliRunner().invoke(audit, [str(argument) for argument in arguments], input=answer)


def done(*arguments: object, answer: str = "") -> str:
    result = run(*arguments, answer=answer)
    assert result.exit_code == 0, result.output
    return result.output


def refused(words: str, *arguments: object) -> None:
    result = run(*arguments)
    assert result.exit_code == 1, result.output
    assert words in result.output, result.output


LONG_AGO = 1_500_000_000_000_000
"""In 2017: what was recorded then may be pruned today."""


def old_clock() -> Callable[[], Reading]:
    ticks = iter(range(10**6))
    return lambda: Reading(LONG_AGO + (tick := next(ticks)), tick, "boot-0", "synchronised")


@pytest.fixture(autouse=True)
def _small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "_LINES", SEGMENT)


@pytest.fixture
def home(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    """A trail of 20 old records with its key, and a ring of three persons with theirs."""
    keys.write(tmp_path, key, ORIGIN)
    Log.init(tmp_path / "trail", key, ORIGIN, segment_lines=SEGMENT)
    with Log.open(tmp_path / "trail", key, clock=old_clock(), segment_lines=SEGMENT) as log:
        log.submit(entries(18)).result(timeout=30)
    ring = ""
    for name, role in (("ana", "SECAUD"), ("ben", "ENGINEER"), ("vi", "VIEWER")):
        ring += done("person", "new", tmp_path, "--name", name, "--role", role, "--to", "2999-01-01T00:00:00Z")
    (tmp_path / "ring").write_text(ring)
    return tmp_path


def sound(home: Path, *names: str) -> Verified:
    public = [one for name in names or ("audit",) for one in keys.load_public(home / f"{name}.pub")]
    verdict = verify(home / "trail", public, ring=keys.load_ring(home / "ring"), segment_lines=SEGMENT)
    assert isinstance(verdict, Verified), verdict
    return verdict


def test_persons_and_rings(home: Path) -> None:
    shown = done("ring", "check", home / "ring")
    assert shown.splitlines() == [
        "ana  SECAUD  can approve",
        "ben  ENGINEER  can approve",
        "vi  VIEWER  has the role VIEWER, which approves nothing",
    ]
    assert (home / "ana.key").stat().st_mode & 0o777 == 0o600
    person = ("--role", "SECAUD", "--to", "2999-01-01T00:00:00Z")
    refused("exists; a key is never overwritten", "person", "new", home, "--name", "ana", *person)
    refused("cannot name a key", "person", "new", home, "--name", "a b", *person)
    dated = done("person", "new", home / "new", "--name", "x/y", *person, "--from", "2030-01-01T00:00:00Z")
    assert dated.endswith(" SECAUD 2030-01-01T00:00:00Z 2999-01-01T00:00:00Z\n")
    assert (home / "new" / "x_y.key").exists()
    assert run("person", "new", home, "--name", "z", "--role", "SECAUD", "--to", "soon").exit_code == 2
    (home / "bad").write_text("nobody")
    refused("bad: line 1: expected", "ring", "check", home / "bad")
    (home / "bad").write_text("Zoë")
    refused("holds more than plain text", "ring", "check", home / "bad")


def test_the_key_is_changed(home: Path) -> None:
    done("key", home / "next", "--origin", ORIGIN)
    change = ("rotate-key", home / "trail", "--key", home / "audit.key", "--new", home / "next" / "audit.key")
    said = done(*change)
    assert "the key is now example.com/gateway-1+" in said
    assert sound(home).key_changes == 1
    refused("is signed by", *change)
    again = ("--key", home / "next" / "audit.key", "--new", home / "next" / "audit.key")
    assert "the key is now" in done("rotate-key", home / "trail", *again)


def test_packing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = ("pack", home / "trail", "--key", home / "audit.key")
    assert done(*pack) == "2 segments packed, 0 plain files of segments packed before removed\n"
    now = commands.now_us()
    monkeypatch.setattr(commands, "now_us", lambda: now + 2 * DAY_US)
    assert done(*pack) == "1 segments packed, 2 plain files of segments packed before removed\n"
    verdict = sound(home)
    assert verdict.packed_segments == 2
    (home / "trail" / "headers" / "00000000.jsonl.gz").write_bytes(gzip.compress(b""))
    refused("does not verify, and nothing was changed", *pack)


def sign(file: Path, *names: str) -> None:
    for name in names:
        done("approve", file, "--key", file.parent / f"{name}.key", "--yes")


def test_pruning(home: Path) -> None:
    prune = ("prune", home / "trail", "--key", home / "audit.key", "--ring", home / "ring")
    request = home / "request"
    asking = ("--request", request, "--author", "otto", "--ticket", "CHG-7")
    refused("give --approval; or --request with --author and --ticket", *prune, "--request", request)
    refused("cannot be the ticket", *prune, "--request", request, "--author", "otto", "--ticket", "CHG 7")
    (home / "holds").write_text("open-audit 2010-01-01T00:00:00Z - the yearly one\n")
    assert "nothing to prune" in done(*prune, "--holds", home / "holds", *asking)
    done(*prune, *asking, "--effective", "2031-01-01T00:00:00Z")
    assert "in effect from 2031-01-01T00:00:00Z" in run("approve", request, "--key", home / "ana.key").output
    assert "prune segments 0-1: let two persons sign" in done(*prune, *asking)
    refused("approval is not good: it is approved by ana only", *prune, *approved_by(request, "ana"))
    declined = run("approve", request, "--key", home / "ben.key", "--name", "ben")
    assert declined.exit_code == 1
    assert "asked by otto, ticket CHG-7" in declined.output
    sign(request, "ben")
    refused("ben has signed it already", "approve", request, "--key", home / "ben.key")
    assert done(*prune, "--approval", request) == "segments 0-1 are pruned\n"
    assert (sound(home).pruned_records, sound(home).approvals_unchecked) == (16, 0)


def approved_by(file: Path, *names: str) -> tuple[object, ...]:
    sign(file, *names)
    return ("--approval", file)


def test_pruning_what_was_approved_and_no_more(home: Path, key: Ed25519PrivateKey) -> None:
    prune = ("prune", home / "trail", "--key", home / "audit.key", "--ring", home / "ring")
    done(*prune, "--request", home / "request", "--author", "otto", "--ticket", "CHG-7")
    sign(home / "request", "ana", "ben")
    with Log.open(home / "trail", key, clock=old_clock(), segment_lines=SEGMENT) as log:
        log.submit(entries(8)).result(timeout=30)
    assert done(*prune, "--approval", home / "request") == "segments 0-1 are pruned\n"
    refused("the approval is for other segments", *prune, "--approval", home / "request")


def test_beginning_anew_after_a_restore(home: Path) -> None:
    done("key", home / "next", "--origin", f"{ORIGIN}/2")
    rebase = (
        "rebase", home / "new", "--key", home / "next" / "audit.key", "--old-checkpoint", home / "trail" / "checkpoint",
        "--ring", home / "ring",
    )  # fmt: skip
    mine, request = ("--old-key", home / "audit.pub", "--origin", f"{ORIGIN}/2"), home / "request"
    asking = ("--request", request, "--author", "otto", "--ticket", "CHG-8")
    refused("needs another origin", *rebase, "--old-key", home / "audit.pub", "--origin", ORIGIN, *asking)
    other = ("--old-key", home / "next" / "audit.pub", "--origin", f"{ORIGIN}/2")
    refused("is not signed by the key in", *rebase, *other, *asking)
    assert "rebase 20 records of example.com/gateway-1" in done(*rebase, *mine, *asking)
    sign(request, "ana")
    refused("is approved by ana only", *rebase, *mine, "--approval", request)
    sign(request, "ben")
    assert "carries on after 20 records of" in done(*rebase, *mine, "--approval", request)
    shown = done("verify", home / "new", "--key", home / "next" / "audit.pub")
    assert "an explained break: begun after a restore, behind 20 records of example.com/gateway-1, root" in shown
    assert "1 approval not judged: nobody gave the ring of persons (--ring)" in shown
    judged = done("verify", home / "new", "--key", home / "next" / "audit.pub", "--ring", home / "ring")
    assert "not judged" not in judged
    nobody = run("verify", home / "new", "--key", home / "next" / "audit.pub", "--ring", home / "nowhere")
    assert nobody.exit_code == 2
    refused("not empty", *rebase, *mine, "--approval", request)


def test_what_is_no_request_is_not_signed(home: Path) -> None:
    for data in (b"nonsense", b"non\n\nsense"):
        (home / "file").write_bytes(data)
        refused("file: is not", "approve", home / "file", "--key", home / "ana.key")
    refused("No such file", "approve", home / "nowhere", "--key", home / "ana.key")


def test_a_moment_of_the_clock() -> None:
    assert moments.whole_second(1_999_999) == 1_000_000
    assert keeping.PLAIN_STAYS_US == DAY_US
    assert Layout(Path("x")).segment_lines == 65_536
