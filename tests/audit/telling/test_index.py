"""The index finds what a scan finds, of the log that it was made of and of no other."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from kept_trails import OLD, body_keys
from trail_helpers import SEGMENT, counting_clock, entries

from audit.cli.search import _Search
from audit.format.body import Body
from audit.format.layout import Layout
from audit.format.record import Entry
from audit.log import Log
from audit.reading import released
from audit.reading.released import Bodies
from audit.secrecy import BodyKeys
from audit.telling import index
from audit.telling.index import BadIndex
from audit.telling.search import Values, Wanted

QUESTIONS = [
    (Wanted(session="s4"), Values()),
    (Wanted(peer="10.0.0.7:20000", kinds=("crossing.in",)), Values()),
    (Wanted(kinds=("log.*",)), Values()),
    (Wanted(kinds=("log.close", "crossing.out")), Values()),
    (Wanted(decision="allowed"), Values(point="F2.P")),
    (Wanted(rule="points.csv:3"), Values(rule="points.csv:3")),
    (Wanted(text="paulo"), Values()),
    (Wanted(since=1_760_000_000_009_000), Values()),
    (Wanted(until=1_760_000_000_009_000), Values(point="F1.P")),
    (Wanted(session="nobody"), Values()),
    (Wanted(), Values(point="nothing")),
    (Wanted(), Values(command="nothing")),
    (Wanted(rule="b"), Values()),
]


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "BLOCK", 4)


def compare(folder: Path, file: Path, keys: BodyKeys | None = None) -> list[int]:
    """Ask everything with the index and without. How far the index told that it was read."""
    layout = Layout(folder, SEGMENT)
    newest = released.newest(layout)
    told: list[int] = []
    with Bodies(layout, keys) as files, index.opened(file, layout, newest, files, lambda n, _: told.append(n)) as made:
        for asked, values in QUESTIONS:
            everywhere, searched = (_Search(asked, values, files, newest.origin) for _ in range(2))
            scanned = list(everywhere.found(released.lines(layout, newest.size)))
            assert list(searched.found(made.lines(asked, values, files))) == scanned, (asked, values)
            assert searched.unread == everywhere.unread, (asked, values)
    return told


def grow(folder: Path, *more: Entry) -> None:
    with Log.open(folder, OLD, clock=counting_clock(), segment_lines=SEGMENT) as log:
        log.submit([*entries(3), *more]).result(timeout=30)


def test_it_grows_with_its_log(trail: Path, tmp_path: Path) -> None:
    file = tmp_path / "index"
    size = released.newest(Layout(trail, SEGMENT)).size
    assert compare(trail, file) == list(range(4, size + 1, 4))
    assert compare(trail, file) == []
    grow(trail, Entry("denied", rule="a,b", body=Body({"point": [1, None], "id": ["c"]})))
    grown = released.newest(Layout(trail, SEGMENT)).size
    assert compare(trail, file) == list(range(size - size % 4 + 4, grown + 1, 4))
    file.unlink()
    assert compare(trail, file)[0] == 4


def test_packed_segments(packed: Path, tmp_path: Path) -> None:
    assert len(compare(packed, tmp_path / "index")) == 6
    assert compare(packed, tmp_path / "index") == []


def test_pruned_segments(pruned: Path, tmp_path: Path) -> None:
    compare(pruned, tmp_path / "index")
    assert compare(pruned, tmp_path / "index") == []


def test_segments_that_are_pruned_later(
    trail: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    compare(trail, tmp_path / "index")
    request.getfixturevalue("pruned")
    assert compare(trail, tmp_path / "index") == [24]


def test_encrypted_bodies(secret: Path, tmp_path: Path) -> None:
    """Made without keys, it says of every block with bodies that anything may stand there."""
    compare(secret, tmp_path / "index")
    compare(secret, tmp_path / "index", body_keys(secret))
    (tmp_path / "index").unlink()
    compare(secret, tmp_path / "index", body_keys(secret))


def test_encrypted_bodies_whose_keys_are_gone(secret: Path, tmp_path: Path) -> None:
    """What was indexed with keys is still told to be unread by whoever has them no more."""
    compare(secret, tmp_path / "index", body_keys(secret))
    assert compare(secret, tmp_path / "index") == []


def test_an_index_of_an_older_form_is_made_anew(trail: Path, tmp_path: Path) -> None:
    compare(trail, tmp_path / "index")
    with closing(sqlite3.connect(tmp_path / "index")) as store:
        store.execute("PRAGMA user_version = 1")
    assert compare(trail, tmp_path / "index")[0] == 4


def test_of_another_log_or_one_that_went_back_it_is_made_anew(trail: Path, tmp_path: Path) -> None:
    file, old = tmp_path / "index", Path(shutil.copytree(trail, tmp_path / "old"))
    grow(trail, *entries(6))
    compare(trail, file)
    assert compare(old, file)[0] == 4  # it covered more than there is
    grow(old, Entry("denied"), *entries(9))
    assert compare(old, file) != []
    assert compare(trail, file)[0] == 4  # as long, and with other records
    other = tmp_path / "other"
    Log.init(other, OLD, "example.com/other", segment_lines=SEGMENT)
    with Log.open(other, OLD, segment_lines=SEGMENT) as log:
        log.submit(entries(9)).result(timeout=30)
    assert compare(other, file)[0] == 4


def test_lines_without_their_root_are_not_indexed(trail: Path, tmp_path: Path) -> None:
    path = trail / "headers" / "00000000.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"session":"s1"', b'"session":"s9"'))
    with pytest.raises(BadIndex, match="do not have the root that its checkpoint signs: verify it"):
        compare(trail, tmp_path / "index")
    path.write_bytes(whole.replace(b'"session":"s1"', b'"sessiom":"s1"'))
    with pytest.raises(ValueError, match="record 2 is not a version 1 header"):
        compare(trail, tmp_path / "index")


def test_a_line_that_was_made_to_be_searched_for_ever(trail: Path, tmp_path: Path) -> None:
    piece = b'"decision":"","digests":"kind":"x","mono_us":,"peer":"","prev":,"rule":"","seq":1,"session":"","t":'
    lines = trail / "headers" / "00000000.jsonl"
    lines.write_bytes(piece * 600 + b"\n" + lines.read_bytes())
    with pytest.raises(ValueError, match="record 0 is not a version 1 header"):
        compare(trail, tmp_path / "index")


def test_what_cannot_be_an_index(trail: Path, tmp_path: Path) -> None:
    with pytest.raises(BadIndex, match="is in the log's folder"):
        compare(trail, trail / "headers" / "index")
    (tmp_path / "text").write_text("something that somebody needs\n" * 99)
    with pytest.raises(BadIndex, match=r"cannot be used as an index .*: name another file, or delete it"):
        compare(trail, tmp_path / "text")
    with sqlite3.connect(tmp_path / "theirs") as store:
        store.execute("CREATE TABLE theirs (a)")
    store.close()
    with pytest.raises(BadIndex, match="is a database of something else"):
        compare(trail, tmp_path / "theirs")


def test_texts_that_cannot_be_asked_for() -> None:
    assert index._term("P", "\ud800") == index._term("P", 7) == "P"
    assert index._of_header(b'""', b"k", b'""', b'"a,\\"b"', b'""') >= {'R"a"', 'R"\\"b"', 'R"a,\\"b"'}
