"""The page that checks a log by hand: its commands, run on the format page's worked example."""

from __future__ import annotations

import base64
import re
import subprocess
import zipfile
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.evidence.make import Given, Made, Maker, make
from audit.evidence.request import Request, asked
from audit.format.note import parse_vkey

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "howto" / "verify-by-hand.md").read_text(encoding="utf-8")
FORMAT = (DOCS / "reference" / "audit-format.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```\w+ file=(\S+)\n(.*?)```", FORMAT, re.DOTALL))
STEPS = re.findall(r"^```bash\n(.*?)^```\n\n^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def lay_out(folder: Path) -> None:
    for name in ("headers", "bodies"):
        (folder / "trail" / name).mkdir(parents=True)
    (folder / "audit.pub").write_text(FILES["audit.pub"])
    (folder / "trail" / "checkpoint").write_text(FILES["checkpoint"], encoding="utf-8")
    (folder / "trail" / "headers" / "00000000.jsonl").write_text(FILES["headers/00000000.jsonl"], encoding="utf-8")
    (folder / "trail" / "bodies" / "00000000.bin").write_bytes(base64.b64decode(FILES["bodies/00000000.bin"]))
    (folder / "ring").write_text(FILES["2/ring"])
    unpack_evidence(folder)


def unpack_evidence(folder: Path) -> None:
    """A sample of the log, made by the first person of the ring."""
    since = 1_760_000_000 * 10**6
    request = Request(asked(since, since + 10**6, ["crossing.in"]), "RFI-2026-7", sample=1, seed="dice")
    person = Maker("ana.lopez", Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34))))
    given = Given(keys=[parse_vkey(FILES["audit.pub"].strip())])
    made = make(folder / "trail", request, folder / "evidence.zip", person, given, now=1_760_054_400 * 10**6)
    assert isinstance(made, Made), made
    with zipfile.ZipFile(made.path) as file:
        file.extractall(folder / "evidence")


def typed(folder: Path) -> str:
    """What one shell prints that is given all commands of the page."""
    script = "".join(f"{commands}echo ----\n" for commands, _ in STEPS)
    ran = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, encoding="utf-8", timeout=60
    )
    return ran.stdout


def test_every_command_prints_what_the_page_says(tmp_path: Path) -> None:
    assert len(STEPS) == PAGE.count("```bash") == 9
    lay_out(tmp_path)
    assert typed(tmp_path).split("----\n")[:-1] == [shown for _, shown in STEPS]


def test_an_altered_log_does_not_print_it(tmp_path: Path) -> None:
    lay_out(tmp_path)
    path = tmp_path / "trail" / "headers" / "00000000.jsonl"
    path.write_bytes(path.read_bytes().replace(b"refused", b"allowed"))
    checkpoint = tmp_path / "trail" / "checkpoint"
    checkpoint.write_text(checkpoint.read_text(encoding="utf-8").replace("\n4\n", "\n3\n"), encoding="utf-8")
    signed, _, followed, rooted, *_ = typed(tmp_path).split("----\n")
    assert "Verified Successfully" not in signed
    assert all(len(set(re.findall("[0-9a-f]{64}", step))) == 2 for step in (followed, rooted))
