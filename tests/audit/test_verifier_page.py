"""The page for a browser: what it says beside the verdict, what it takes, and what it carries. Attacks are elsewhere:
`two_verifiers.verify` puts this page's script to every log that the other tests make."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hatchling.builders.wheel import WheelBuilder
from trail_helpers import ORIGIN, SEGMENT, counting_clock, counting_salt
from two_verifiers import PAGE, by_page

from audit import keys
from audit.cli import audit
from audit.errors import BadKey
from audit.log import Log
from audit.note import VerifierKey
from audit.record import Entry

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
