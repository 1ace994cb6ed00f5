"""The page in a real browser: `make browser`. Not part of `make test`, for not every machine has a browser.

Its script is held to every attack by `two_verifiers`, without a browser. Here are the parts that a browser brings: the
folder and the zip file as it gives them, its cryptography and its inflating, and the tables that a person reads.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).parent / "evidence"))

import maker
from maker import BODY_KEY, PUBLIC, RING, WITNESS_KEY, Made
from trail_helpers import ORIGIN, counting_clock, counting_salt, entries
from two_verifiers import NODE, PAGE

from audit.format import tree
from audit.format.note import VerifierKey
from audit.log import Log
from audit.verify import CouldNotTell, Tampered, Verified, verify

BROWSER = os.environ.get("BROWSER", "chromium")
HOST = Path(__file__).parent / "browser_host.mjs"
Say = Callable[[dict[str, Any]], dict[str, Any]]
Drop = Callable[..., dict[str, Any]]
Ask = Callable[[Path, str], dict[str, Any]]


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Say]:
    """What the page shows for what its host is asked."""
    path = shutil.which(BROWSER)
    assert path is not None, f"there is no {BROWSER}; on Debian: apt-get install chromium, or name one: BROWSER=..."
    command = [NODE, HOST, path, PAGE, tmp_path_factory.mktemp("profile")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as host:

        def put(asked: dict[str, Any]) -> dict[str, Any]:
            assert host.stdin is not None
            assert host.stdout is not None
            host.stdin.write(json.dumps(asked) + "\n")
            host.stdin.flush()
            shown: dict[str, Any] = json.loads(host.stdout.readline())
            return shown

        yield put
        assert host.stdin is not None
        host.stdin.close()
        try:
            host.wait(timeout=60)
        finally:
            host.kill()  # the browser ends with it: its debugging pipe does


@pytest.fixture
def ask(say: Say) -> Ask:
    """What the page shows for a log and a key."""
    return lambda trail, keys: say({"trail": str(trail), "keys": keys})


@pytest.fixture
def trail(tmp_path: Path, key: Ed25519PrivateKey) -> Path:
    """25 records in one segment of full size, with bodies and a change of the key in record 20."""
    folder = tmp_path / "trail"
    Log.init(folder, key, ORIGIN)
    with Log.open(folder, key, clock=counting_clock(), salt=counting_salt()) as log:
        log.submit(entries(19)).result(timeout=30)
        log.change_key(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))).result(timeout=30)
        log.submit(entries(3)).result(timeout=30)
    return folder


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def drop_line(trail: Path, number: int) -> None:
    path = trail / "headers" / "00000000.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))


ATTACKS: dict[str, Callable[[Path], object]] = {
    "none": lambda trail: None,
    "header": lambda trail: flip(trail / "headers" / "00000000.jsonl", 3000),
    "body": lambda trail: flip(trail / "bodies" / "00000000.bin", 400),
    "checkpoint": lambda trail: flip(trail / "checkpoint", -20),
    "deleted": lambda trail: drop_line(trail, 7),
    "cut": lambda trail: os.truncate(trail / "headers" / "00000000.jsonl", 9000),
    "seal": lambda trail: flip(trail / "seals" / "0000000000000020", -20),
    "segment": lambda trail: (trail / "headers" / "00000000.jsonl").unlink(),
    "no checkpoint": lambda trail: (trail / "checkpoint").unlink(),
    "folder": lambda trail: shutil.rmtree(trail / "headers"),
    "appended": lambda trail: (trail / "headers" / "00000001.jsonl").write_bytes(b"more"),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("packed", [False, True], ids=["folder", "zip"])
def test_the_page_shows_what_ours_says(trail: Path, public: VerifierKey, ask: Ask, attack: str, packed: bool) -> None:
    ATTACKS[attack](trail)
    given = trail
    if packed:
        given = trail.with_suffix(".zip")
        with zipfile.ZipFile(given, "w", zipfile.ZIP_DEFLATED) as file:
            for path in sorted(trail.rglob("*")):
                file.write(path, path.relative_to(trail.parent))
    shown = ask(given, str(public))
    match verify(trail, [public]):
        case Verified() as verdict:
            assert shown["first"] == "VERIFIED"
            for name in ("records", "root", "bodies", "openings", "key_changes", "unreleased_bytes"):
                assert shown["rows"][name] == str(getattr(verdict, name))
        case Tampered(first_bad, where, _, unbroken):
            assert (shown["word"], shown["first"]) == ("tampered", "TAMPERED")
            assert shown["rows"]["first_bad"] == ("" if first_bad is None else str(first_bad))
            assert shown["rows"]["where"] == str(where.relative_to(trail.parent))
            assert shown["rows"]["unbroken"] == str(unbroken)
        case CouldNotTell():
            assert (shown["word"], shown["first"]) == ("could_not_tell", "COULD NOT TELL")


@pytest.mark.timeout(300)
def test_another_logs_key_and_a_key_that_is_none(trail: Path, ask: Ask) -> None:
    for keys in ("nonsense", "", "example.com/other+6e6a3d10+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"):
        assert ask(trail, keys)["word"] == "could_not_tell"


# An evidence file is dropped, with everything that is needed to judge it.


@pytest.fixture
def drop(tmp_path: Path, say: Say) -> Drop:
    (tmp_path / "audit.pub").write_text(f"# the log's\n{PUBLIC}\n")
    (tmp_path / "witness.pub").write_text(f"{WITNESS_KEY}\n")
    (tmp_path / "ring").write_text("".join(f"{person}\n" for person in RING.persons))
    (tmp_path / "00000000.key").write_text(f"{BODY_KEY.hex()}\n")

    def put(made: Made, **more: str) -> dict[str, Any]:
        (tmp_path / "evidence.zip").write_bytes(made.pack())
        names = ("evidence.zip", "audit.pub", "witness.pub", "ring", "00000000.key")
        return say({"dropped": [str(tmp_path / name) for name in names], **more})

    return put


@pytest.mark.timeout(300)
def test_evidence_is_dropped_and_read(drop: Drop) -> None:
    log = maker.trail(encrypted=True)
    made = maker.complete(log, maker.Asked())
    made.members["log/cosigned"] = maker.cosigned(log.size, tree.root_of(log.leaves))
    made.members["log/cosigned-after"] = b""
    made.members["BCSI-statement.txt"] = made.members.pop("statement.txt")
    shown = drop(made)
    assert (shown["word"], shown["first"], shown["focused"]) == ("verified", "VERIFIED", "verdict")
    assert any(word.startswith("NOT APPROVED: 1 change") for word in shown["words"])
    assert shown["rows"]["decrypted_bodies"] == "3"
    assert shown["rows"]["cosigned"].startswith('{"by":"compliance.example/w1","size":18')
    assert shown["asked"]["made"].endswith("by ana (by the ring, a person who was valid then)")
    denials = shown["tables"]["denials.csv: 1 row; checked against the records"]
    assert denials[0] == maker.RECORD_COLUMNS
    assert denials[1][6:8] == ['said "no",\n\tor so', "'=cmd|x"]
    assert (shown["statement"], shown["bcsi"]) == ("Of what was asked.\n", True)
    assert {"report.html", "VERIFY.txt", f"documents/{maker.POLICY}"} <= set(shown["files"])


@pytest.mark.timeout(300)
def test_a_table_that_nobody_has_checked_says_so(drop: Drop) -> None:
    made = maker.complete(maker.trail(), maker.Asked())
    del made.members["tables/denials.csv"]
    made.members["tables/Denials.csv"] = b"seq\r\n" + b'"' * 2**20 + b"x\r\n" + b"," * 2**20 + b"\r\n"
    shown = drop(made)
    assert (shown["word"], shown["first"]) == ("verified", "VERIFIED")
    summaries = [summary for summary in shown["tables"] if summary.startswith("Denials.csv: ")]
    assert [summary.partition("; ")[2] for summary in summaries] == [
        "NOT CHECKED: as true as whoever made the evidence"
    ]


@pytest.mark.timeout(300)
def test_tampered_evidence_shows_nothing_that_is_in_it(drop: Drop) -> None:
    made = maker.complete(maker.trail(), maker.Asked())
    made.members["tables/denials.csv"] = made.members["tables/denials.csv"].replace(b"17", b"18")
    shown = drop(made)
    assert (shown["word"], shown["first"]) == ("tampered", "TAMPERED")
    assert (shown["rows"]["member"], shown["rows"]["first_bad"]) == ("tables/denials.csv", "")
    assert (shown["asked"], shown["tables"], shown["files"]) == ({}, {}, [])


@pytest.mark.timeout(300)
def test_a_log_is_dropped_with_its_key(trail: Path, public: VerifierKey, tmp_path: Path, say: Say) -> None:
    (tmp_path / "audit.pub").write_text(f"{public}\n")
    asked = {"dropped": [str(trail), str(tmp_path / "audit.pub")]}
    assert say(asked)["rows"]["records"] == "25"
    flip(trail / "headers" / "00000000.jsonl", 3000)
    assert say(asked)["rows"]["where"] == "trail/headers/00000000.jsonl"


@pytest.mark.timeout(300)
def test_what_is_in_the_evidence_is_saved_as_it_is(drop: Drop, tmp_path: Path) -> None:
    made = maker.complete(maker.trail(), maker.Asked())
    into = tmp_path / "saved"
    drop(made, save="report.html", into=str(into))
    until = time.monotonic() + 60
    while not (into / "report.html").exists():
        assert time.monotonic() < until, list(into.iterdir()) if into.exists() else "nothing was saved"
        time.sleep(0.02)
    assert (into / "report.html").read_bytes() == made.members["report.html"]
