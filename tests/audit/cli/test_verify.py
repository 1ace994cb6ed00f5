"""`verify` as people and scripts use it, and `key`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trail_helpers import ORIGIN

from audit import keys
from audit.cli import audit
from audit.cli import verify as command
from audit.format.layout import Layout
from audit.format.note import VerifierKey
from audit.format.record import Entry
from audit.log import Log
from audit.telling.tally import Tally
from audit.witness.cosignature import WitnessKey


def run(*arguments: object) -> Result:
    return CliRunner().invoke(audit, [str(argument) for argument in arguments])


def test_verified(made: Path, public: VerifierKey) -> None:
    done = run("verify", made / "trail", "--key", made / "audit.pub")
    assert done.exit_code == 0, done.output
    assert done.output.startswith(
        f"VERIFIED: {made / 'trail'}\n8 records of {ORIGIN}, proved complete up to 2025-10-09T"
    )
    as_json = run("verify", made / "trail", "--key", made / "audit.pub", "--json")
    answer = json.loads(as_json.output)
    assert (answer["verdict"], answer["records"], answer["key"]) == ("verified", 8, str(public))
    assert answer["proved_until"] == "2025-10-09T08:53:20.007000Z"


def test_an_empty_log_is_verified(made: Path, tmp_path: Path, key: Ed25519PrivateKey) -> None:
    Log.init(tmp_path / "trail", key, ORIGIN)
    assert "0 records of example.com/gateway-1, none yet" in run(
        "verify", tmp_path / "trail", "--key", made / "audit.pub"
    ).output  # fmt: skip
    answer = json.loads(run("verify", tmp_path / "trail", "--key", made / "audit.pub", "--json").output)
    assert (answer["since"], answer["proved_until"]) == (None, None)
    assert run("show", tmp_path / "trail").output == ""


def test_tampered(made: Path, tmp_path: Path) -> None:
    trail = Path(shutil.copytree(made / "trail", tmp_path / "trail"))
    path = trail / "headers" / "00000000.jsonl"
    path.write_bytes(path.read_bytes().replace(b"log.close", b"log.clogs"))
    done = run("verify", trail, "--key", made / "audit.pub")
    assert done.exit_code == 1
    assert done.output.startswith(f"TAMPERED: {trail}\nrecord 7 was altered")
    assert "The 7 records before it chain without a break." in done.output
    answer = json.loads(run("verify", trail, "--key", made / "audit.pub", "--json").output)
    assert (answer["verdict"], answer["first_bad"], answer["unbroken"]) == ("tampered", 7, 7)
    assert answer["where"] == str(path)
    path.write_bytes(b"x" + path.read_bytes())
    assert "Nothing before it stands." in run("verify", trail, "--key", made / "audit.pub").output
    (trail / "checkpoint").write_text("x")
    done = run("verify", trail, "--key", made / "audit.pub")
    assert done.exit_code == 1
    assert "Without a good checkpoint nothing of the log is proved." in done.output


def test_could_not_tell(made: Path, tmp_path: Path) -> None:
    for trail, key_file, why in (
        (made / "trail", tmp_path / "nowhere.pub", "cannot read the verifier key"),
        (made / "trail", made / "audit.key", "not a verifier key"),
        (tmp_path, made / "audit.pub", "holds no audit log"),
    ):
        done = run("verify", trail, "--key", key_file)
        assert done.exit_code == 2
        assert done.output.startswith("COULD NOT TELL")
        assert why in done.output
        answer = json.loads(run("verify", trail, "--key", key_file, "--json").output)
        assert answer["verdict"] == "could_not_tell"
        assert why in answer["why"]


DERMS = (sys.executable, "-c", "import sys; from daemon.cli import main; sys.exit(main())")
REPOSITORY = Path(__file__).parents[3]


@pytest.mark.parametrize("options", [(), ("--json",)])
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", ">&9", ">/dev/full 2>&9"])
def test_a_verdict_that_cannot_be_written_is_exit_2(made: Path, options: tuple[str, ...], redirection: str) -> None:
    """Not exit 1, which says tampered: a full disk, or nobody there to read, is no finding."""
    verify = [*DERMS, "audit", "verify", str(made / "trail"), "--key", str(made / "audit.pub"), *options]
    reading, writing = os.pipe()
    os.close(reading)  # nobody reads what goes to 9
    try:
        script = ["bash", "-c", f'exec 9>&{writing}; exec "$@" {redirection}', "-", *verify]
        done = subprocess.run(script, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, pass_fds=[writing])
    finally:
        os.close(writing)
    assert done.returncode == 2, done
    if "2>" not in redirection:
        assert done.stderr.startswith("Error: the verdict cannot be written to standard output: "), done
        assert done.stderr.count("\n") == 1


def test_a_path_that_is_no_text(made: Path, tmp_path: Path) -> None:
    trail = tmp_path / os.fsdecode(b"tr\xffil")
    shutil.copytree(made / "trail", trail)
    (trail / "headers" / "00000000.jsonl").unlink()
    for options in ((), ("--json",)):
        done = run("verify", trail, "--key", made / "audit.pub", *options)
        assert done.exit_code == 1
        assert "tr\\udcffil" in done.output
    assert json.loads(done.output)["where"] == str(trail / "headers" / "00000000.jsonl")


def test_a_fault_of_the_verifier_is_no_finding(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(command, "verify", without_memory)
    done = run("verify", made / "trail", "--key", made / "audit.pub", "--json")
    assert done.exit_code == 2
    answer = json.loads(done.stdout)
    assert answer["verdict"] == "could_not_tell"
    assert "the verifier itself failed (MemoryError" in answer["why"]
    assert "Traceback" in done.stderr


def test_what_cannot_be_counted_is_null(made: Path, tmp_path: Path) -> None:
    trail = Path(shutil.copytree(made / "trail", tmp_path / "trail"))
    (trail / "bodies" / "00000003.bin").symlink_to(trail / "bodies" / "00000003.bin")
    done = run("verify", trail, "--key", made / "audit.pub")
    assert done.exit_code == 0
    assert "\nbytes that cannot be counted behind the checkpoint are not part of this verdict\n" in done.output
    assert json.loads(run("verify", trail, "--key", made / "audit.pub", "--json").output)["unreleased_bytes"] is None


def test_the_answers_members_are_those_of_the_page(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (REPOSITORY / "docs" / "reference" / "audit-format.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(verified|tampered|could_not_tell)` \| (.*) \|$", page, re.MULTILINE)
    promised = {verdict: set(re.findall(r"`(\w+)`", members)) for verdict, members in rows}
    trail = Path(shutil.copytree(made / "trail", tmp_path / "trail"))
    monkeypatch.chdir(tmp_path)
    answers = [json.loads(run("verify", "./trail//", "--key", made / "audit.pub", "--json").output)]
    (trail / "headers" / "00000000.jsonl").unlink()
    answers.append(json.loads(run("verify", "./trail//", "--key", made / "audit.pub", "--json").output))
    assert answers[-1]["where"] == "trail/headers/00000000.jsonl"
    answers.append(json.loads(run("verify", "nowhere", "--key", made / "audit.pub", "--json").output))
    assert {answer.pop("verdict"): set(answer) for answer in answers} == promised
    without_key = run("verify", "trail", "--json")
    assert (without_key.exit_code, without_key.stdout) == (2, "")


def test_encrypted_bodies_are_mentioned(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from audit.format import body

    monkeypatch.setattr(body, "ENCRYPTED", 0x78)
    done = run("verify", made / "trail", "--key", made / "audit.pub", "--workers", "1")
    assert "3 bodies are encrypted: their bytes are proved, their values not read" in done.output


def test_key_makes_both_halves(tmp_path: Path) -> None:
    done = run("key", tmp_path / "keys", "--origin", ORIGIN)
    assert done.exit_code == 0
    assert keys.load_public(tmp_path / "keys" / "audit.pub")[0].name == ORIGIN
    for arguments, why in (
        (("key", tmp_path / "keys", "--origin", ORIGIN), "never overwritten"),
        (("key", tmp_path / "more", "--origin", "two words"), "cannot name a key"),
    ):
        done = run(*arguments)
        assert done.exit_code == 1
        assert why in done.output


def test_freshness_in_words(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    until = 1_760_000_000_007_000
    for now, words in (
        (until + 192_000_000, "; that is 3 min 12 s before now by this computer's clock\n"),
        (until - 5_000_000, "; WARNING: that is 5 s after now by this computer's clock, so one is wrong\n"),
    ):
        monkeypatch.setattr(command, "now_us", lambda now=now: now)
        done = run("verify", made / "trail", "--key", made / "audit.pub")
        assert f"proved complete up to 2025-10-09T08:53:20.007000Z by its clock{words}" in done.output


def test_what_happened_is_said_in_a_few_lines(made: Path, tmp_path: Path, key: Ed25519PrivateKey) -> None:
    trail = Path(shutil.copytree(made / "trail", tmp_path / "trail"))
    for _ in range(5):
        with (trail / "headers" / "00000000.jsonl").open("ab") as file:
            file.write(b"left by a crash")
        with Log.open(trail, key) as log:
            log.submit([Entry("denied", peer="p", n=7)]).result(timeout=30)
    done = run("verify", trail, "--key", made / "audit.pub")
    assert done.exit_code == 0, done.output
    assert "\n- 5 restarts\n- 5 cuts after a crash\n" in done.output
    assert "\n- 35 denials in 5 records\n" in done.output
    assert done.output.count("\n  cut: record ") == 3
    assert "\n  cut: 2 more (--html lists them)\n" in done.output
    assert done.output.endswith("only a witness or an earlier copy of the checkpoint can tell.\n")


def test_a_scope_leaves_bodies_out_and_says_so(made: Path) -> None:
    verify = ("verify", made / "trail", "--key", made / "audit.pub", "--workers", "1")
    for scope, left in (
        (("--deep",), 0),
        (("--headers-only",), 3),
        (("--since", "2025-10-10"), 3),
        (("--until", "2025-10-10"), 0),
    ):
        answer = json.loads(run(*verify, *scope, "--json").output)
        assert answer.get("bodies_unread", 0) == left
        said = f"{left} bodies were left out: of them only what the headers say is proved"
        assert (said in run(*verify, *scope).output) == bool(left)
    assert run(*verify, "--since", "yesterday").exit_code == 2
    assert run(*verify, "--cosigned", made / "trail" / "cosigned").exit_code == 2


def test_the_report_is_written_once(busy: Path, tmp_path: Path) -> None:
    verify = ("verify", busy / "trail", "--key", busy / "audit.pub", "--html", tmp_path / "report.html")
    assert run(*verify).exit_code == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "VERIFIED" in page
    assert "10.0.0.9" in page
    again = run(*verify)
    assert (again.exit_code, again.stdout) == (2, "")
    assert "report.html exists; nothing is overwritten, and nothing was verified" in again.output
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_report_of_what_did_not_verify(busy: Path, tmp_path: Path) -> None:
    trail = Path(shutil.copytree(busy / "trail", tmp_path / "trail"))
    path = trail / "headers" / "00000000.jsonl"
    path.write_bytes(path.read_bytes().replace(b"drill", b"grill"))
    assert run("verify", trail, "--key", busy / "audit.pub", "--html", tmp_path / "1.html").exit_code == 1
    page = (tmp_path / "1.html").read_text(encoding="utf-8")
    assert "TAMPERED" in page
    assert "The 8 records before it chain without a break." in page
    assert "10.0.0.9" not in page
    assert run("verify", tmp_path, "--key", busy / "audit.pub", "--html", tmp_path / "2.html").exit_code == 2
    assert "COULD NOT TELL" in (tmp_path / "2.html").read_text(encoding="utf-8")


def test_a_report_that_cannot_be_written_hides_no_verdict(busy: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere" / "report.html"
    done = run("verify", busy / "trail", "--key", busy / "audit.pub", "--html", nowhere)
    assert (done.exit_code, done.stdout[:9]) == (2, "VERIFIED:")
    assert "the report cannot be written: [Errno 2]" in done.stderr
    trail = Path(shutil.copytree(busy / "trail", tmp_path / "trail"))
    (trail / "headers" / "00000000.jsonl").unlink()
    assert run("verify", trail, "--key", busy / "audit.pub", "--html", nowhere).exit_code == 1


@pytest.mark.parametrize(
    ("fault", "why"), [(None, "was changed"), (ValueError("odd"), "read again for the report: odd")]
)
def test_a_log_that_changes_between_verdict_and_report(
    busy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception | None, why: str
) -> None:
    counted = command.tally

    def late(layout: Layout, size: int, *rest: Any) -> Tally:
        if fault is not None:
            raise fault
        return counted(layout, size - 1, *rest)

    monkeypatch.setattr(command, "tally", late)
    done = run("verify", busy / "trail", "--key", busy / "audit.pub", "--html", tmp_path / "report.html", "--json")
    assert done.exit_code == 2
    assert why in json.loads(done.stdout)["why"]
    assert "COULD NOT TELL" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_witnesss_word_that_cannot_be_read(made: Path, key: Ed25519PrivateKey, tmp_path: Path) -> None:
    witness = WitnessKey("w", key.public_key().public_bytes_raw())
    (tmp_path / "witness.pub").write_text(f"{witness}\n")
    word = ("--witness-key", tmp_path / "witness.pub", "--cosigned", tmp_path)
    done = run("verify", made / "trail", "--key", made / "audit.pub", *word)
    assert done.exit_code == 2
    assert "a file cannot be read" in done.output


def test_a_path_that_may_not_be_looked_at(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not exit 1; root, as whom this may run, may look everywhere."""

    def forbidden(_: Path) -> bool:
        raise PermissionError

    monkeypatch.setattr(Path, "is_file", forbidden)
    assert run("verify", made / "nothing", "--key", made / "audit.pub").exit_code == 2
