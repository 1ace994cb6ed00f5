"""Which contract was in force last, by the trail alone: through segments, packed and pruned ones, and refusals."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from audit import keys
from audit.format.kinds import CONTRACT_CHANGE
from audit.format.layout import Layout
from audit.format.record import Entry
from audit.log import Log
from gateway import in_force, records

LINES = 8
A, B, C = "a" * 64, "b" * 64, "c" * 64
NAMELESS = Entry(records.CLOCK, reason=f'says "contract":"{C}", and names none', digests={"config": C})


def written(folder: Path, *entries: Entry) -> Layout:
    key = keys.generate()
    Log.init(folder, key, "tests/log", segment_lines=LINES)
    with Log.open(folder, key, segment_lines=LINES) as log:
        for entry in entries:
            log.submit([entry]).result()
    return Layout(folder, LINES)


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([], None),
        ([NAMELESS], None),
        ([records.contract_change(A, None)], A),
        ([records.contract_change(A, None), NAMELESS], A),
        ([records.contract_change(A, None), records.contract_change(B, A)], B),
        ([records.contract_change(A, None), *[NAMELESS] * (3 * LINES)], A),
        ([records.gateway("started", "", A, C), records.gateway("alive", "", B, C)], B),
        ([records.contract_change(A, None), Entry(CONTRACT_CHANGE, decision="refused", digests={"contract": B})], A),
        ([Entry(records.CROSSING, decision="refused", digests={"contract": A}), NAMELESS], A),
    ],
)
def test_the_newest_record_that_names_one_says_it(tmp_path: Path, entries: list[Entry], found: str | None) -> None:
    assert in_force.last(written(tmp_path / "log", *entries)) == found


def test_a_packed_segment_says_it_too_and_a_pruned_one_nothing(tmp_path: Path) -> None:
    layout = written(tmp_path / "log", records.contract_change(A, None), *[NAMELESS] * (2 * LINES))
    plain = layout.headers(0)
    layout.packed(0).write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert in_force.last(layout) == A
    layout.hashes(0).write_bytes(b"")
    layout.packed(0).unlink()
    assert in_force.last(layout) is None


def test_what_is_not_released_says_nothing(tmp_path: Path) -> None:
    layout = written(tmp_path / "log", records.contract_change(A, None))
    with layout.headers(0).open("ab") as lines:
        lines.write(f'{{"digests":{{"contract":"{B}"}}}}\n'.encode())
    assert in_force.last(layout) == A
