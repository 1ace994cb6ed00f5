"""The tables: what a spreadsheet reads out of them is what was put in, and never a formula."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st
from persons import approved, request

from audit import approval
from audit.evidence import tables
from audit.format.record import Entry, Header, Reading, header

TIME = 1_760_000_000_000_000


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=2, max_size=5))
def test_a_spreadsheet_reads_what_was_written_and_no_formula(row: list[str]) -> None:
    (read,) = csv.reader(io.StringIO(tables.line(row).decode(), newline=""))
    assert not any(field.startswith(("=", "+", "-", "@", "\t", "\r")) for field in read)
    guarded = [f"'{field}" if field[:1] in ("=", "+", "-", "@", "\t", "\r") and field else field for field in row]
    assert read == guarded


def test_what_is_quoted() -> None:
    assert tables.line(["a b", "a,b", 'a"b', "a\nb", "a\rb", "", "'x", "=1,2"]) == (
        b'a b,"a,b","a""b","a\nb","a\rb",,\'x,"\'=1,2"\r\n'
    )


def record_of(seq: int, entry: Entry) -> Header:
    return header(entry, Reading(TIME + seq, 0, "b", "c"), "o", seq, None, "0" * 64)


def rows(name: str, *entries: Entry, documents: tuple[str, ...] = (), given: bytes = b"") -> list[list[str]]:
    known = approval.parse(given) if given else None
    table = tables.tables(documents, lambda digest: known if digest == "aa" * 32 else None)[name]
    records = [record_of(seq, entry) for seq, entry in enumerate(entries)]
    return [list(row) for each in records for row in table.rows(each)]


def test_which_records_a_table_takes() -> None:
    entries = [
        Entry("denied", dir="out"), Entry("link"), Entry("face", dir="in"), Entry("isolation"), Entry("log.x"),
        Entry("gateway"), Entry("gateways"),
    ]  # fmt: skip
    taken = {name: [row[0] for row in rows(name, *entries)] for name in tables.NAMES}
    assert taken == {
        "records.csv": list("0123456"),
        "denials.csv": ["0"],
        "crossings.csv": ["0", "2"],
        "sessions.csv": ["1", "2"],
        "isolation.csv": ["3"],
        "restarts.csv": ["4", "5"],
        "configuration.csv": [],
        "changes.csv": [],
    }
    assert tuple(tables.tables((), lambda digest: None)) == tables.NAMES


def test_configuration_tells_of_what_changed() -> None:
    one, two = "11" * 32, "22" * 32
    entries = [
        Entry("x", digests={"config": one, "policy": one, "approval": one}),
        Entry("x", digests={"config": one}),
        Entry("x", digests={"config": two, "policy": one}),
        Entry("x", digests={"config": one, "old": two}),
    ]
    told = [(row[0], row[3], row[4], row[5]) for row in rows("configuration.csv", *entries, documents=(one,))]
    assert told == [
        ("0", "config", one, "yes"),
        ("0", "policy", one, "yes"),
        ("2", "config", two, "no"),
        ("3", "config", one, "yes"),
    ]


def test_changes_with_and_without_an_approval() -> None:
    given = approved(request("contract", "bb" * 32))
    digests = {"contract": "bb" * 32, "approval": "aa" * 32}
    with_it = Entry("contract.change", decision="in force", rule="its own", digests=digests)
    without = Entry("contract.change", decision="refused", rule="CHG-9")
    first, second = rows("changes.csv", with_it, without, given=given)
    assert first[2:] == ["in force", "bb" * 32, "", "CHG-1", "otto", "2025-01-01T00:00:00Z", "ana ben"]
    assert second[2:] == ["refused", "", "", "CHG-9", "", "", ""]
