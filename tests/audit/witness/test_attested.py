"""`derms audit verify --witness-key`: what is cosigned, what is not yet, and every lie that only a witness shows."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from trail_helpers import SEGMENT, entries

from audit.cli import audit
from audit.errors import Damaged
from audit.format import tree
from audit.format.layout import Layout
from audit.log import Log
from audit.verify import verify
from audit.verify.verdict import CouldNotTell, Tampered, Verified
from audit.witness import Contradicted, Coverage, NotWitnessed, Witnessed, attested, prover, request
from audit.witness.coverage import COSIGNED
from audit.witness.store import WitnessStore
from tests.audit.witness.stage import KEY, NAME, NOW_S, ORIGIN, log_key, made


class Scene:
    """A log, its witness, and `cosign`, which carries the newest checkpoint there and back."""

    def __init__(self, folder: Path, segment_lines: int) -> None:
        self.trail, self.lines = folder / "trail", segment_lines
        self.witness: WitnessStore = made(folder / "witness")
        self.witness_pub, self.log_pub = folder / "witness" / "witness.pub", folder / "audit.pub"
        self.log_pub.write_text(f"{log_key()}\n")
        Log.init(self.trail, KEY, ORIGIN, segment_lines=segment_lines)
        self.grow(11)

    def grow(self, count: int, trail: Path | None = None) -> None:
        with Log.open(trail or self.trail, KEY, segment_lines=self.lines) as log:
            log.submit(entries(count)).result(30)

    def cosign(self) -> int:
        layout, latest = Layout(self.trail, self.lines), self.witness.latest(ORIGIN)
        new, signed = prover.newest(layout)
        old = latest[0].size if latest else 0
        proved = prover.prove(layout, old, new)
        answer = self.witness.add(request.encode(old, proved.proof, signed), lambda: NOW_S)
        assert isinstance(answer, bytes)
        (self.trail / COSIGNED).write_bytes(answer)
        return new.size

    def attest(self, where: Path | None = None) -> tuple[object, object]:
        path = where or self.trail / COSIGNED
        word = attested.read_word(path, [self.witness.key])
        verdict = verify(self.trail, [log_key()], segment_lines=self.lines)
        return attested.attest(self.trail, verdict, word, path, self.lines)

    def command(self, *more: object) -> Result:
        words = ["verify", self.trail, "--key", self.log_pub, *more]
        return CliRunner().invoke(audit, [str(word) for word in words])


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, SEGMENT)


def size_of(verdict: object) -> int:
    assert isinstance(verdict, Verified)
    return verdict.records


def test_what_is_cosigned_and_what_is_not_yet(scene: Scene) -> None:
    assert isinstance(scene.attest()[1], NotWitnessed)
    size = scene.cosign()
    assert scene.attest()[1] == Coverage(NAME, size, NOW_S, 0)
    for _ in range(3):
        scene.grow(5)
        verdict, reach = scene.attest()
        assert reach == Coverage(NAME, size, NOW_S, size_of(verdict) - size)


def tampered(scene: Scene, words: str, where: Path | None = None) -> None:
    verdict, reach = scene.attest(where)
    assert isinstance(verdict, Tampered), verdict
    assert reach is None
    assert words in verdict.what
    assert verdict.where == (where or scene.trail / COSIGNED)


def test_a_forged_cosignature(scene: Scene) -> None:
    scene.cosign()
    path = scene.trail / COSIGNED
    path.write_bytes(path.read_bytes().replace(b"\n14\n", b"\n13\n", 1).replace(b"\n13\n", b"\n12\n", 1))
    tampered(scene, "cosignature is wrong")
    path.write_bytes(b"nonsense")
    tampered(scene, "the cosigned checkpoint is not text")


def test_a_log_that_was_rolled_back_with_all_its_files(scene: Scene, tmp_path: Path) -> None:
    """The whole folder is put back, its cosigned checkpoint too: the witness's own copy tells."""
    scene.cosign()
    shutil.copytree(scene.trail, tmp_path / "older")
    scene.grow(5)
    scene.cosign()
    newer = scene.witness.seen(ORIGIN)
    shutil.rmtree(scene.trail)
    shutil.copytree(tmp_path / "older", scene.trail)
    assert isinstance(scene.attest()[0], Verified)  # nothing in one folder shows it
    tampered(scene, "rolled back", newer)


def test_a_log_that_was_cut_behind_its_cosigned_checkpoint(scene: Scene, tmp_path: Path) -> None:
    shutil.copytree(scene.trail, tmp_path / "older")
    scene.grow(5)
    scene.cosign()
    for name in ("checkpoint", "headers", "bodies"):
        old, new = tmp_path / "older" / name, scene.trail / name
        shutil.rmtree(new) if new.is_dir() else new.unlink()
        shutil.copytree(old, new) if old.is_dir() else shutil.copyfile(old, new)
    tampered(scene, "rolled back")


@pytest.mark.parametrize("more", [0, 9])
def test_a_log_that_was_written_anew_with_its_own_key(scene: Scene, tmp_path: Path, more: int) -> None:
    size = scene.cosign()
    Log.init(tmp_path / "anew", KEY, ORIGIN, segment_lines=SEGMENT)
    scene.grow(size - 2 + more, tmp_path / "anew")
    shutil.copyfile(scene.trail / COSIGNED, tmp_path / "anew" / COSIGNED)
    shutil.rmtree(scene.trail)
    shutil.copytree(tmp_path / "anew", scene.trail)
    tampered(scene, f"the first {size} records are not those")


def test_another_logs_cosigned_checkpoint(scene: Scene) -> None:
    scene.cosign()
    found = attested.read_word(scene.trail / COSIGNED, [scene.witness.key])
    assert isinstance(found, Witnessed)
    verdict = verify(scene.trail, [log_key()], segment_lines=SEGMENT)
    assert isinstance(verdict, Verified)
    word = Witnessed(type(found.checkpoint)("else", 0, tree.EMPTY_ROOT), NOW_S, scene.witness.key)
    judged, _ = attested.attest(scene.trail, verdict, word, Path("x"), SEGMENT)
    assert isinstance(judged, Tampered)
    assert "another log" in judged.what


def test_a_verdict_that_is_bad_already_stays(scene: Scene) -> None:
    bad = CouldNotTell("why")
    assert attested.attest(scene.trail, bad, Contradicted("x"), scene.trail) == (bad, None)


def test_a_log_that_changes_while_it_is_read_cannot_be_told(scene: Scene) -> None:
    scene.cosign()
    scene.grow(3)
    word = attested.read_word(scene.trail / COSIGNED, [scene.witness.key])
    verdict = verify(scene.trail, [log_key()], segment_lines=SEGMENT)
    Layout(scene.trail, SEGMENT).headers(0).unlink()
    judged, reach = attested.attest(scene.trail, verdict, word, scene.trail, SEGMENT)
    assert isinstance(judged, CouldNotTell)
    assert reach is None


def test_what_was_never_a_log_proves_nothing(scene: Scene) -> None:
    with pytest.raises(Damaged):
        prover.prove(Layout(scene.trail.parent, SEGMENT), 0, prover.newest(Layout(scene.trail, SEGMENT))[0])


@pytest.fixture
def large(tmp_path: Path) -> Scene:
    """The command knows no other segments than real ones."""
    return Scene(tmp_path, 65_536)


def test_the_command_says_how_far_it_is_cosigned(large: Scene) -> None:
    unasked = large.command()
    assert unasked.exit_code == 0
    assert "cosignatures were not checked (--witness-key)" in unasked.output
    assert "witness" not in json.loads(large.command("--json").output)
    none = large.command("--witness-key", large.witness_pub)
    assert none.exit_code == 0
    assert "NOT COSIGNED, none of the 13 records" in none.output
    said = json.loads(large.command("--witness-key", large.witness_pub, "--json").output)
    assert (said["verdict"], said["witness"]["size"], said["witness"]["time"]) == ("verified", 0, None)
    assert said["witness"]["why"].startswith("there is no ")
    size = large.cosign()
    large.grow(4)
    told = large.command("--witness-key", large.witness_pub)
    assert told.exit_code == 0
    assert f"cosigned by {NAME} up to {size} records at 2026-09-21T" in told.output
    assert "6 not yet cosigned" in told.output
    said = json.loads(large.command("--witness-key", large.witness_pub, "--json").output)
    assert said["witness"] == {
        "name": NAME, "size": size, "time": "2026-09-21T14:13:20Z", "not_cosigned": 6, "why": "",
    }  # fmt: skip


def test_the_command_finds_a_lie_and_takes_the_witnesss_own_copy(large: Scene, tmp_path: Path) -> None:
    shutil.copytree(large.trail, tmp_path / "older")
    large.grow(4)
    large.cosign()
    shutil.rmtree(large.trail)
    shutil.copytree(tmp_path / "older", large.trail)
    copy = large.witness.seen(ORIGIN)
    told = large.command("--witness-key", large.witness_pub, "--cosigned", copy)
    assert told.exit_code == 1
    assert "rolled back" in told.output
    said = json.loads(large.command("--witness-key", large.witness_pub, "--cosigned", copy, "--json").output)
    assert (said["verdict"], said["where"]) == ("tampered", str(copy))


def test_the_command_cannot_tell_without_a_key_or_a_readable_file(large: Scene, tmp_path: Path) -> None:
    assert large.command("--witness-key", tmp_path / "none.pub").exit_code == 2
    assert large.command("--witness-key", large.log_pub).exit_code == 2
    assert large.command("--cosigned", large.trail / COSIGNED).exit_code == 2
    os.mkfifo(large.trail / COSIGNED)
    told = large.command("--witness-key", large.witness_pub)
    assert told.exit_code == 2
    assert "not a regular file" in told.output
