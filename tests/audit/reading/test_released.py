"""Records read in whichever form their segments are; the logs are those of `kept_trails`."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from kept_trails import OLD, body_keys
from trail_helpers import ORIGIN, SEGMENT, entries, opened, released_lines

from audit.cli import audit
from audit.format.body import Encrypted, Opened
from audit.format.layout import Layout
from audit.log import Log
from audit.reading import released
from audit.secrecy import KeyFolder


def seqs(folder: Path) -> list[int]:
    return [line.header().seq for line in released_lines(Layout(folder, SEGMENT))]


def test_packed_segments_are_read(packed: Path) -> None:
    assert seqs(packed) == list(range(25))
    layout = Layout(packed, SEGMENT)
    values = [opened(line, layout) for line in released_lines(layout)]
    assert sum(isinstance(value, Opened) for value in values) == 8


def test_of_pruned_segments_the_kept_records_are_read(pruned: Path) -> None:
    assert seqs(pruned) == [0, *range(16, 24)]
    layout = Layout(pruned, SEGMENT)
    assert opened(released_lines(layout)[0], layout) is None
    (pruned / "headers" / "00000000.kept").unlink()
    assert seqs(pruned) == list(range(16, 24))
    (pruned / "headers" / "00000000.hashes").unlink()
    with pytest.raises(FileNotFoundError, match="No such file"):
        seqs(pruned)


@pytest.mark.parametrize("again", ["00000000.kept", "00000002.jsonl"])
def test_a_kept_line_that_is_out_of_its_place_is_not_followed(pruned: Path, again: str) -> None:
    kept = pruned / "headers" / "00000000.kept"
    line = (pruned / "headers" / again).read_bytes().partition(b"\n")[0]
    kept.write_bytes(kept.read_bytes() + line + b"\n")
    with pytest.raises(ValueError, match="is out of its place in"):
        seqs(pruned)


def test_a_body_that_none_may_have_is_not_passed_over(trail: Path) -> None:
    headers = trail / "headers" / "00000000.jsonl"
    headers.write_bytes(re.sub(rb'"len":[0-9]+', b'"len":9007199254740991', headers.read_bytes()))
    with pytest.raises(ValueError, match="speaks of a body of 9007199254740991 bytes"):
        seqs(trail)


def test_a_last_segment_that_is_missing(trail: Path) -> None:
    (trail / "headers" / "00000002.jsonl").unlink()
    with pytest.raises(FileNotFoundError, match="No such file"):
        seqs(trail)


def test_encrypted_values_are_read_with_their_keys(secret: Path) -> None:
    layout, keys = Layout(secret, SEGMENT), body_keys(secret)
    lines = [line for line in released_lines(layout) if line.header().body]
    assert [type(opened(line, layout)) for line in lines] == [Opened, *[Encrypted] * 6]
    assert all(isinstance(opened(line, layout, keys), Opened) for line in lines)


def test_show_decrypts_when_given_the_keys(tmp_path: Path) -> None:
    folder, keys = tmp_path / "shown", tmp_path / "body-keys"
    keys.mkdir()
    Log.init(folder, OLD, ORIGIN)
    with Log.open(folder, OLD, body_keys=KeyFolder(keys)) as log:
        log.submit(entries(4)).result(timeout=30)

    def shown(*options: str) -> str:
        return CliRunner().invoke(audit, ["show", str(folder), "--bodies", *options]).output

    assert (shown().count('"encrypted"'), shown().count('"F2.P"')) == (2, 0)
    decrypted = shown("--body-keys", str(keys))
    assert (decrypted.count('"encrypted"'), decrypted.count('"F2.P"')) == (0, 2)
    (keys / "00000000.key").write_text("nonsense")
    assert "is not a body key" in shown("--body-keys", str(keys))


def test_reading_goes_on_where_it_was(packed: Path, pruned: Path) -> None:
    """`packed` and `pruned` are the same log: the second came of the first."""
    layout = Layout(pruned, SEGMENT)
    size = released.newest(layout).size
    lines = list(released.lines(layout, size))
    for line in lines[1:]:
        assert list(released.lines(layout, size, line.at)) == [later for later in lines if later.at.seq >= line.at.seq]
    assert list(released.lines(layout, size, lines[0].after)) == lines[1:]
    assert list(released.lines(layout, size, lines[-1].after)) == []


@pytest.mark.parametrize("form", ["written", "packed"])
def test_reading_goes_on_in_every_form(trail: Path, form: str, request: pytest.FixtureRequest) -> None:
    if form == "packed":
        request.getfixturevalue("packed")
    layout = Layout(trail, SEGMENT)
    size = released.newest(layout).size
    lines = list(released.lines(layout, size))
    for before, line in pairwise(lines):
        assert list(released.lines(layout, size, before.after)) == lines[line.at.seq :]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b'{"body":{"len":', b'{"body":{"lem":', "does not say how long its body is"),
        (b"\n", b"", "missing or cut short"),
    ],
)
def test_lines_that_are_none(trail: Path, old: bytes, new: bytes, words: str) -> None:
    path = trail / "headers" / "00000002.jsonl"
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(ValueError, match=words):
        seqs(trail)
