"""What a report is told of a log's life: every kind of it, counted exactly, listed within bounds."""

from __future__ import annotations

import shutil
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from said_trail import BEGIN, later, start, write
from trail_helpers import ORIGIN, SEGMENT, counting_clock, counting_salt, entries
from worker_threads import thread

from audit.format import kinds, record
from audit.format.note import VerifierKey
from audit.format.record import Entry, Header, Reading
from audit.log import Log
from audit.verify import Verified, verify
from audit.verify.scope import EVERYTHING, Scope
from audit.verify.timeline import LISTED, SILENCES, SILENT_US, Listed, Moment, Silence, Telling, Timeline

SECOND = 1_000_000


def timeline(trail: Path, public: VerifierKey, scope: Scope = EVERYTHING) -> Timeline:
    verdict = verify(trail, [public], scope=scope, segment_lines=SEGMENT)
    assert isinstance(verdict, Verified), verdict
    by_two = verify(trail, [public], scope=scope, segment_lines=SEGMENT, workers=2, start=thread)
    assert by_two == verdict
    return verdict.timeline


def seqs(listed: Listed) -> list[int]:
    assert listed.count == len(listed.moments)
    return [moment.seq for moment in listed.moments]


def open_log(trail: Path, key: Ed25519PrivateKey) -> Log:
    return Log.open(trail, key, clock=counting_clock(), salt=counting_salt(), segment_lines=SEGMENT)


def test_openings_with_and_without_a_close_before_them(
    good_log: Path, tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey
) -> None:
    trail = Path(shutil.copytree(good_log, tmp_path / "trail"))
    with open_log(trail, key) as log:
        log.submit(entries(1)).result(timeout=30)
        crashed = Path(shutil.copytree(trail, tmp_path / "crashed"))
    with (crashed / "headers" / "00000002.jsonl").open("ab") as file:
        file.write(b"half a li")
    with open_log(crashed, key) as log:
        log.submit(entries(1)).result(timeout=30)
    told = timeline(crashed, public)
    assert (seqs(told.openings), seqs(told.unclosed), seqs(told.cuts)) == ([0, 21, 23], [23], [24])
    assert told.openings.moments[0].what == "the log was begun"
    assert told.openings.moments[1].what.startswith("the log was opened again (")
    assert told.unclosed.moments[0].what.startswith("opened again; the writer before ended without closing the log (")
    assert told.unclosed.moments[0] in told.openings.moments
    assert told.cuts.moments[0].what == "9 header bytes and 0 body bytes behind the newest checkpoint were cut"


def test_everything_that_a_log_says_of_itself(tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey) -> None:
    said: list[tuple[Entry, Reading]] = [start(public, 0)]
    reading = BEGIN
    for number in range(1, 2 * SEGMENT):
        reading = later(reading, 10, {5: 3 * SECOND, 8: -4 * SECOND}.get(number, 0), "boot-2" if number == 12 else "")
        reading = replace(reading, t=reading.t - SECOND) if number == 12 else reading
        entry = {
            3: Entry(kinds.GAP, n=4, reason="no space"),
            6: Entry("denied", n=7),
            9: Entry("denied", n=5),
        }.get(number, Entry("x"))
        said.append((entry, reading))
    write(tmp_path, key, said)
    told = timeline(tmp_path, public)
    assert told.gaps == Listed(1, (Moment(3, said[3][1].t, "4 records not taken: no space"),))
    assert [(moment.seq, moment.what) for moment in told.clock_steps.moments] == [
        (5, "UTC went forward by 3.000000 s against the monotonic clock"),
        (8, "UTC went back by 4.000000 s against the monotonic clock"),
        (12, "UTC is 0.999990 s behind what it was before the host was restarted"),
    ]
    assert (told.denied_records, told.denials) == (2, 12)
    scoped = timeline(tmp_path, public, Scope(since=said[4][1].t, until=said[7][1].t))
    assert (scoped.gaps.count, scoped.denied_records, scoped.denials, seqs(scoped.clock_steps)) == (0, 1, 7, [5])
    assert seqs(scoped.openings) == []


def header(seq: int, kind: str, **said: object) -> Header:
    made = record.header(Entry(kind), BEGIN, ORIGIN, seq, None, record.FIRST_PREV)
    return replace(made, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "name", "what"),
    [
        (header(0, kinds.REBASE, peer="example.com/old"), "openings", "begun after a restore of example.com/old"),
        (header(4, kinds.OPEN), "openings", "the log was opened again"),
        (header(4, kinds.KEY, decision="k2"), "key_changes", "the key changed to k2"),
        (header(4, kinds.PRUNED, rule="0-3", reason="CHG-7"), "prunings", "segments 0-3 were pruned: CHG-7"),
        (header(4, kinds.CUT, reason="3 bytes"), "cuts", "3 bytes"),
    ],
)
def test_how_each_is_said(told: Header, name: str, what: str) -> None:
    telling = Telling(EVERYTHING)
    telling.own(told, closed=True)
    telling.own(header(5, kinds.CLOSE), closed=False)
    assert telling.told() == replace(Timeline(), **{name: Listed(1, (Moment(told.seq, BEGIN.t, what),))})


def test_no_more_are_listed_than_said_but_all_are_counted() -> None:
    parts = [Telling(EVERYTHING), Telling(EVERYTHING)]
    for seq in range(LISTED + 200):
        parts[seq >= LISTED - 100].own(header(seq, kinds.GAP), closed=False)
    whole = Telling(EVERYTHING)
    for part in parts:
        whole.add(part.told())
    whole.own(header(9_999, kinds.GAP), closed=False)
    gaps = whole.told().gaps
    assert (gaps.count, [moment.seq for moment in gaps.moments]) == (LISTED + 201, list(range(LISTED)))


def test_the_longest_silences_and_how_many_there_were(
    tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey
) -> None:
    said, reading = [start(public, SECOND)], BEGIN
    pauses = [SILENT_US + 1 + number * 1000 for number in range(3 * SEGMENT)]
    for number, pause in enumerate(pauses):
        reading = later(reading, SILENT_US if number == 5 else pause)
        said.append((Entry("x"), reading))
    write(tmp_path, key, said)
    told = timeline(tmp_path, public)
    assert told.silence_count == len(pauses) - 1
    longest = [Silence(number, said[number][1].t, pauses[number]) for number in reversed(range(len(pauses)))]
    assert list(told.silences) == longest[:SILENCES]
    begun, ended = said[3][1].t, said[4][1].t
    inside = timeline(tmp_path, public, Scope(since=begun + 1, until=ended - 1))
    assert (inside.silence_count, [one.after for one in inside.silences]) == (1, [3])


def test_a_silence_over_a_restart_is_measured_by_utc(
    tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey
) -> None:
    booted = replace(BEGIN, t=BEGIN.t + 3600 * SECOND, mono_us=7, boot="boot-2")
    write(tmp_path, key, [start(public, SECOND), (Entry(kinds.OPEN, n=SECOND), booted)])
    assert timeline(tmp_path, public).silences == (Silence(0, BEGIN.t, 3600 * SECOND),)


steps = st.tuples(st.sampled_from([0, 10, 2 * SILENT_US]), st.sampled_from([0, 0, 2 * SECOND, -2 * SECOND]))


@given(st.lists(steps, min_size=1, max_size=30), st.integers(0, 30), st.none() | st.integers(0, 10**9))
def test_parts_told_apart_are_the_whole(walked: list[tuple[int, int]], cut: int, since: int | None) -> None:
    scope = Scope(since=None if since is None else BEGIN.t + since)
    readings = [BEGIN]
    for passed, stepped in walked:
        readings.append(later(readings[-1], passed, stepped))
    whole, first, second = Telling(scope), Telling(scope), Telling(scope)
    for seq, (before, after) in enumerate(pairwise(readings), 1):
        for telling in (whole, first if seq <= cut else second):
            telling.neighbours(seq, before, after)
            telling.denied(after.t, seq)
    first.add(second.told())
    assert first.told() == whole.told()


def test_a_timeline_begins_with_what_is_listed() -> None:
    assert [field.name for field in fields(Timeline)][:7] == [
        "openings", "unclosed", "cuts", "gaps", "clock_steps", "key_changes", "prunings",
    ]  # fmt: skip
