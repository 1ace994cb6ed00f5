"""What is counted over a trail, in whichever form its segments are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import busy_trail
import pytest
from busy_trail import HOSTILE, HOUR_US, NOON_US
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trail_helpers import ORIGIN, SEGMENT, counting_clock

from audit.format.layout import Layout
from audit.format.record import Entry
from audit.log import Log
from audit.reading import released
from audit.telling import tally
from audit.telling.tally import DAY_US, Day, Denials, Tally
from audit.verify.scope import EVERYTHING, Scope
from audit.verify.timeline import Listed, Moment

MIDNIGHT_US = NOON_US - 12 * HOUR_US


def counted(folder: Path, scope: Scope = EVERYTHING, lines: int = 65_536) -> Tally:
    layout = Layout(folder, lines)
    newest = released.newest(layout)
    found = tally.tally(layout, newest.size, scope)
    assert found.root == newest.root.hex()
    return found


def test_what_crossed_and_what_was_denied(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    found = counted(busy_trail.make(tmp_path, key))
    assert found.records == 13
    assert dict(found.kinds)["crossing.out"] == 2
    assert found.days == (
        Day(MIDNIGHT_US + DAY_US, 2, 4, 1, 1),
        Day(MIDNIGHT_US + 2 * DAY_US, 1, 1, 0, 0, 3),
        Day(MIDNIGHT_US + 3 * DAY_US, 1, 1, 0, 0, 1),
    )

    first = NOON_US + 6 * HOUR_US * 7
    assert found.denials == (
        Denials("10.0.0.9", "limit", 1, 3, first, first),
        Denials(HOSTILE, "link", 1, 1, first + 18 * HOUR_US, first + 18 * HOUR_US),
    )
    happened = dict(found.happenings)
    assert [moment.what for moment in happened["contract.change"].moments] == ["in force, contract abababababababab…"]
    assert happened["isolation"].moments[1] == Moment(9, NOON_US + 54 * HOUR_US, "rejoined, by ana")
    assert (happened["isolation"].count, happened["review"]) == (2, Listed())


def test_a_period_counts_what_is_in_it(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    found = counted(busy_trail.make(tmp_path, key), Scope(until=NOON_US + 6 * HOUR_US))
    assert (found.records, found.kinds, found.days) == (1, (("log.start", 1),), ())


def test_lists_are_bounded_and_counts_are_not(
    tmp_path: Path, key: Ed25519PrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "GROUPS", 2)
    monkeypatch.setattr(tally, "LISTED", 1)
    monkeypatch.setattr(tally, "_EVERY", 4)
    Log.init(tmp_path / "trail", key, ORIGIN)
    denied = Entry("denied", peer="a", rule="r", n=2)
    with Log.open(tmp_path / "trail", key, clock=counting_clock()) as log:
        log.submit([denied, *(replace(denied, peer=peer) for peer in "bcda"), *[Entry("gateway")] * 3]).result(30)
        log.submit([Entry("gateway", decision="alive")]).result(30)
    told: list[tuple[int, int]] = []
    found = tally.tally(Layout(tmp_path / "trail"), 11, EVERYTHING, lambda done, of: told.append((done, of)))
    assert [(one.peer, one.count, one.records) for one in found.denials] == [("a", 4, 2), ("b", 2, 1), (None, 4, 2)]
    assert (dict(found.happenings)["gateway"].count, len(dict(found.happenings)["gateway"].moments)) == (3, 1)
    assert told == [(4, 11), (8, 11)]


def test_packed_and_pruned_segments_have_the_same_root(packed: Path) -> None:
    assert counted(packed, lines=SEGMENT).records == 25


def test_of_pruned_segments_only_the_logs_own_records_count(pruned: Path) -> None:
    found = counted(pruned, lines=SEGMENT)
    assert found.records == 9
    (pruned / "headers" / "00000000.hashes").write_bytes(b"short")
    with pytest.raises(ValueError, match="has not one hash for each record"):
        counted(pruned, lines=SEGMENT)
    (pruned / "headers" / "00000000.hashes").unlink()
    with pytest.raises(FileNotFoundError):
        counted(pruned, lines=SEGMENT)


def test_what_is_no_header_is_not_counted(trail: Path) -> None:
    path = trail / "headers" / "00000002.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"mono_us"', b'"mono_xs"'))
    with pytest.raises(ValueError, match="not a version 1 header"):
        counted(trail, lines=SEGMENT)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="No such file"):
        counted(trail, lines=SEGMENT)
