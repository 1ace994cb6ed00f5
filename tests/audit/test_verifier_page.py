"""The page for a browser: what it says beside the verdict, what it takes, and what it carries. Attacks are elsewhere:
`two_verifiers.verify` puts this page's script to every log that the other tests make."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import pytest
import two_verifiers
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hatchling.builders.wheel import WheelBuilder
from trail_helpers import ORIGIN, SEGMENT, counting_clock, counting_salt
from two_verifiers import PAGE, by_page

from audit import keys
from audit.cli import audit
from audit.errors import BadKey
from audit.format import checkpoint, note, tree
from audit.format.checkpoint import Checkpoint
from audit.format.note import VerifierKey
from audit.format.record import Entry, line_hash
from audit.log import Log
from audit.verify import Tampered, verify
from audit.witness import attested, cosignature
from audit.witness.coverage import COSIGNED

TEXT = PAGE.read_text(encoding="utf-8")


def text_of(key: VerifierKey) -> bytes:
    return f"{key}\n".encode()


def test_the_page_loads_nothing_and_sends_nothing() -> None:
    assert "default-src 'none'" in TEXT
    assert not re.search(
        r"https?://|\bfetch\(|XMLHttpRequest|WebSocket|sendBeacon|import\(|<link|<img|<iframe|src=", TEXT
    )


def test_the_verdict_comes_first_in_words(good_log: Path, public: VerifierKey) -> None:
    told = by_page(good_log, text_of(public), segment_lines=SEGMENT)
    assert told["words"][:2] == [
        "VERIFIED",
        "21 records of example.com/gateway-1, complete up to 2025-10-09T08:53:20.020000Z by its own clock.",
    ]
    assert "compliant" not in TEXT
    other = by_page(good_log, b"nonsense", segment_lines=SEGMENT)
    assert other["words"][:2] == ["COULD NOT TELL", "line 1 of the key file is not a verifier key"]


def test_timeline_and_exceptions(tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey) -> None:
    trail = tmp_path / "trail"
    Log.init(trail, key, ORIGIN, segment_lines=SEGMENT)
    said = [
        Entry("crossing.out", decision="admitted"),
        Entry("crossing.out", decision="partly admitted", reason="over-range"),
        Entry("denied", decision="NOT_AUTHORIZED", peer="10.0.0.9", n=17),
        Entry("crossing.out", decision="refused", rule="stale"),
    ]
    with Log.open(trail, key, clock=counting_clock(), salt=counting_salt(), segment_lines=SEGMENT) as log:
        log.submit(said).result(timeout=30)
    told = by_page(trail, text_of(public), segment_lines=SEGMENT)
    assert [(row["seq"], row["what"]) for row in told["timeline"]] == [(0, "the log begins"), (5, "closed in order")]
    assert [(row["seq"], row["decision"], row["n"]) for row in told["exceptions"]] == [
        (2, "partly admitted", 0),
        (3, "NOT_AUTHORIZED", 17),
        (4, "refused", 0),
    ]
    assert (told["events"], told["exceptional"]) == (2, 3)


def test_a_wrong_body_is_found_before_what_stands_behind_it(
    good_log: Path, tmp_path: Path, public: VerifierKey
) -> None:
    """Bodies are checked in batches, and their findings still come in the records' order."""
    trail = tmp_path / "trail"
    shutil.copytree(good_log, trail)
    bodies = trail / "bodies" / "00000000.bin"
    bodies.write_bytes(bodies.read_bytes()[:-1] + b"x")
    two_verifiers.verify(trail, [public], segment_lines=SEGMENT)
    headers = trail / "headers" / "00000001.jsonl"
    for wrong in (headers.read_bytes().replace(b"allowed", b"refused"), headers.read_bytes()[:100]):
        headers.write_bytes(wrong)
        verdict = two_verifiers.verify(trail, [public], segment_lines=SEGMENT)
        assert isinstance(verdict, Tampered)
        assert verdict.where == bodies


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_zip_file_of_a_log(good_log: Path, tmp_path: Path, public: VerifierKey, method: int) -> None:
    path = tmp_path / "log.zip"
    with zipfile.ZipFile(path, "w", method) as packed:
        for file in sorted(good_log.rglob("*")):
            packed.write(file, Path("some folder", "trail", file.relative_to(good_log)))
    told = by_page(path, text_of(public), segment_lines=SEGMENT)
    assert told["verdict"] == by_page(good_log, text_of(public), segment_lines=SEGMENT)["verdict"]
    data = bytearray(path.read_bytes())
    data[data.index(b"checkpoint") + 20] ^= 1
    path.write_bytes(data)
    assert by_page(path, text_of(public), segment_lines=SEGMENT)["verdict"]["verdict"] != "verified"


@pytest.mark.parametrize(
    ("content", "good"),
    [
        ("# ours\n\n{key}\n  {key}  \n", True),
        ("# a comment\rof one line\v\f\x1c\r\n\t {key} \t\r\n\r\n \t\n#{key}", True),
        ("{key}\r{key}\n", False),
        ("{key}\v\n", False),
        ("\u00e9\n{key}\n", False),
        ("", False),
        ("# only words\n", False),
        ("\n{key}x\n", False),
    ],
)
def test_both_take_the_same_key_files(
    good_log: Path, tmp_path: Path, public: VerifierKey, content: str, good: bool
) -> None:
    path = tmp_path / "audit.pub"
    path.write_bytes(content.format(key=public).encode())
    told = by_page(good_log, path.read_bytes(), segment_lines=SEGMENT)["verdict"]["verdict"]
    assert told == ("verified" if good else "could_not_tell")
    if good:
        assert set(keys.load_public(path)) == {public}
    else:
        with pytest.raises(BadKey):
            keys.load_public(path)


@pytest.mark.parametrize(
    ("lacking", "why"),
    [
        ("Ed25519", "this browser has no Ed25519 in its WebCrypto"),
        ("WebCrypto", "this browser does not let this page use its cryptography"),
        ("DecompressionStream", "this browser has no DecompressionStream"),
    ],
)
def test_a_browser_without_what_it_needs_could_not_tell(
    good_log: Path, public: VerifierKey, lacking: str, why: str
) -> None:
    told = by_page(good_log, text_of(public), segment_lines=SEGMENT, lacking=lacking)["verdict"]
    assert told["verdict"] == "could_not_tell"
    assert told["why"].startswith(why)


def test_the_command_writes_the_page_once(tmp_path: Path) -> None:
    out = tmp_path / "verifier.html"
    assert CliRunner().invoke(audit, ["page", "--out", str(out)]).exit_code == 0
    assert out.read_bytes() == PAGE.read_bytes()
    again = CliRunner().invoke(audit, ["page", "--out", str(out)])
    assert (again.exit_code, "File exists" in again.output) == (1, True)


def test_the_wheel_carries_the_page(tmp_path: Path) -> None:
    root = PAGE.parents[1]
    for name in ("audit", "policies"):
        shutil.copytree(root / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "assets.yaml"):
        shutil.copy(root / name, tmp_path / name)
    for name in ("dermscore", "wire", "daemon", "headend", "agent", "gateway", "simulator"):
        (tmp_path / name).mkdir()
    (built,) = WheelBuilder(str(tmp_path)).build(directory=str(tmp_path / "dist"), versions=["standard"])
    with zipfile.ZipFile(built) as wheel:
        assert wheel.read("audit/verifier.html") == PAGE.read_bytes()


WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
WITNESS_KEY = cosignature.witness_key("compliance.example/w1", WITNESS.public_key())


def cosigned(origin: str, size: int, root: bytes, *times_s: int) -> bytes:
    """A checkpoint as the witness saw it, at each of these times."""
    text = checkpoint.text(Checkpoint(origin, size, root))
    lines = [cosignature.cosign(text, WITNESS_KEY.name, WITNESS, time_s) for time_s in times_s]
    other = note.Signature("other.example/w", bytes(4), bytes(72))
    return text + b"\n" + b"".join(note.signature_line(line) for line in (other, *lines))


def seen(log: Path) -> dict[str, bytes | None]:
    """What may stand in `cosigned`, beside a log of 21 records."""
    lines = [line for path in sorted((log / "headers").iterdir()) for line in path.read_bytes().splitlines()]
    roots = {size: tree.root_of([line_hash(line) for line in lines[:size]]) for size in (0, 5, 8, 21)}
    good = {f"the first {size}": cosigned(ORIGIN, size, root, 1_790_000_000) for size, root in roots.items()}
    return {
        **good,
        "missing": None,
        "several times": cosigned(ORIGIN, 5, roots[5], 1_790_000_000, 1_790_000_060, 1),
        "beyond the calendar": cosigned(ORIGIN, 5, roots[5], 2**63 - 1),
        "not by this witness": cosigned(ORIGIN, 5, roots[5]),
        "not by this witness, of another log": cosigned("example.com/other", 22, bytes(32)),
        "another log's": cosigned("example.com/other", 5, roots[5], 1),
        "more records": cosigned(ORIGIN, 22, roots[21], 1),
        "another root": cosigned(ORIGIN, 5, roots[8], 1),
        "another root of all": cosigned(ORIGIN, 21, roots[8], 1),
        "another root of none": cosigned(ORIGIN, 0, roots[8], 1),
        "altered": cosigned(ORIGIN, 5, roots[5], 1).replace(b"\n5\n", b"\n8\n"),
        "one right, one wrong": cosigned(ORIGIN, 5, roots[5], 1)
        + cosigned(ORIGIN, 8, roots[5], 1).splitlines(True)[-1],
        "no checkpoint": b"nothing\n",
        "too long": cosigned(ORIGIN, 5, roots[5], *range(600)),
    }


def test_both_say_the_same_of_a_witness_and_a_log(good_log: Path, tmp_path: Path, public: VerifierKey) -> None:
    trail = tmp_path / "trail"
    shutil.copytree(good_log, trail)
    for name, data in seen(good_log).items():
        (trail / COSIGNED).unlink(missing_ok=True)
        if data is not None:
            (trail / COSIGNED).write_bytes(data)
        word = attested.read_word(trail / COSIGNED, [WITNESS_KEY])
        verdict = verify(trail, [public], segment_lines=SEGMENT)
        ours, reach = attested.attest(trail, verdict, word, trail / COSIGNED, SEGMENT)
        theirs = by_page(trail, text_of(public), witness=f"{WITNESS_KEY}\n".encode(), segment_lines=SEGMENT)["verdict"]
        if reach is None:
            assert theirs["verdict"] == "tampered", name
            assert (theirs["first_bad"], theirs["where"]) == (ours.first_bad, str(ours.where)), name  # type: ignore[union-attr]
        else:
            assert {**theirs["witness"], "why": ""} == {**attested.as_object(reach), "why": ""}, name


def test_a_log_without_a_witnesss_key_is_not_asked_for_cosignatures(good_log: Path, public: VerifierKey) -> None:
    assert "witness" not in by_page(good_log, text_of(public), segment_lines=SEGMENT)["verdict"]
    told = by_page(good_log, text_of(public), witness=b"no key\n", segment_lines=SEGMENT)
    assert told["verdict"]["verdict"] == "could_not_tell"
