"""`derms audit witness`: made, told whom to trust, asked by file, and shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from trail_helpers import entries

from audit import keys
from audit.cli import audit
from audit.log import Log
from audit.witness import Witnessed, store, witnessed
from audit.witness.store import WitnessStore
from tests.audit.witness.stage import KEY, NAME, NOW_S, ORIGIN, asked, forked, leaves, log_key, made


def call(*words: object) -> Result:
    return CliRunner().invoke(audit, ["witness", *(str(word) for word in words)])


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    Log.init(tmp_path / "trail", KEY, ORIGIN)
    grow(tmp_path / "trail", 5)
    (tmp_path / "audit.pub").write_text(f"{log_key()}\n")
    return tmp_path / "trail"


def grow(trail: Path, count: int) -> None:
    with Log.open(trail, KEY) as log:
        log.submit(entries(count)).result(30)


def test_a_log_is_witnessed_by_file_alone(trail: Path, tmp_path: Path) -> None:
    folder = tmp_path / "witness"
    assert call("init", folder, "--name", NAME).exit_code == 0
    assert "knows no log yet" in call("show", folder).output
    assert f"cosigns {ORIGIN} from now on" in call("trust", folder, "--key", tmp_path / "audit.pub").output
    assert "known already" in call("trust", folder, "--key", tmp_path / "audit.pub").output
    assert f"{ORIGIN}: nothing yet" in call("show", folder).output
    sizes = [0]
    for number in range(3):
        asked_for, carried = tmp_path / f"request-{number}", tmp_path / f"cosigned-{number}"
        written = call("request", trail, "--old", sizes[-1], "--out", asked_for)
        assert written.exit_code == 0, written.output
        back = call("cosign", folder, "--request", asked_for, "--out", carried)
        assert back.exit_code == 0, back.output
        found = witnessed(carried.read_bytes(), store.load_keys(folder / "witness.pub"))
        assert isinstance(found, Witnessed)
        shown = json.loads(call("show", folder, "--json").output)
        assert shown["logs"][0]["size"] == found.checkpoint.size
        assert Path(shown["logs"][0]["file"]).read_bytes() == carried.read_bytes()
        sizes.append(found.checkpoint.size)
        grow(trail, 3)
    assert sizes == sorted(set(sizes))
    assert f"{sizes[-1]} records at 20" in call("show", folder).output


def test_a_request_from_the_wrong_size_says_which_is_right(trail: Path, tmp_path: Path) -> None:
    made(tmp_path / "witness")
    call("request", trail, "--old", 0, "--out", tmp_path / "first")
    assert call("cosign", tmp_path / "witness", "--request", tmp_path / "first", "--out", tmp_path / "a").exit_code == 0
    grow(trail, 2)
    call("request", trail, "--old", 3, "--out", tmp_path / "second")
    back = call("cosign", tmp_path / "witness", "--request", tmp_path / "second", "--out", tmp_path / "b")
    assert back.exit_code == 1
    assert "derms audit witness request LOG --old 7" in back.output
    assert not (tmp_path / "b").exists()


def test_a_log_that_is_shorter_than_the_witness_says_is_told_apart(trail: Path, tmp_path: Path) -> None:
    back = call("request", trail, "--old", 1000, "--out", tmp_path / "first")
    assert back.exit_code == 1
    assert "rolled back" in back.output


def test_nothing_is_overwritten(trail: Path, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    assert "nothing is overwritten" in call("request", trail, "--old", 0, "--out", tmp_path / "there").output
    assert (tmp_path / "there").read_text() == "mine"
    made(tmp_path / "witness")
    assert call("init", tmp_path / "witness", "--name", NAME).exit_code == 1


def test_two_trees_of_one_size_are_shown(tmp_path: Path) -> None:
    witness = made(tmp_path / "witness")
    witness.add(asked(0, leaves(5)), lambda: NOW_S)
    (tmp_path / "forked").write_bytes(asked(5, forked(5, at=2)))
    back = call("cosign", tmp_path / "witness", "--request", tmp_path / "forked", "--out", tmp_path / "out")
    assert back.exit_code == 1
    assert "another tree of size 5" in back.output
    shown = call("show", tmp_path / "witness")
    assert shown.exit_code == 1
    assert "TWO TREES OF ONE SIZE" in shown.output
    assert call("show", tmp_path / "witness", "--json").exit_code == 1


def test_a_time_beyond_the_calendar_is_shown_all_the_same(tmp_path: Path) -> None:
    made(tmp_path / "witness").add(asked(0, leaves(5)), lambda: 2**62)
    assert f"{2**62} s after 1970" in call("show", tmp_path / "witness").output


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["show", "{}/none"], 1),
        (["trust", "{}/witness", "--key", "{}/none"], 1),
        (["request", "{}/none", "--old", "0", "--out", "{}/x"], 1),
        (["cosign", "{}/witness", "--request", "{}/none", "--out", "{}/x"], 1),
        (["run", "{}/none"], 1),
        (["run", "{}/witness", "--listen", "nowhere"], 2),
        (["run", "{}/witness", "--listen", "127.0.0.1:99999"], 2),
        (["run", "{}/witness", "--tls-cert", "{}/x"], 2),
        (["run", "{}/witness", "--tls-cert", "{}/x", "--tls-key", "{}/x"], 1),
        (["init", "{}/new", "--name", "two words"], 1),
    ],
)
def test_what_cannot_be_done_is_said_in_words(tmp_path: Path, words: list[str], code: int) -> None:
    made(tmp_path / "witness")
    back = call(*(word.format(tmp_path) for word in words))
    assert back.exit_code == code, back.output
    assert "Traceback" not in back.output


def test_the_key_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    made(tmp_path / "witness")
    assert WitnessStore.open(tmp_path / "witness").key == store.load_keys(tmp_path / "witness" / "witness.pub")[0]
    assert keys.load_public(tmp_path / "witness" / "logs.pub") == (log_key(),)
