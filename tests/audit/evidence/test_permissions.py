"""The table of permissions, out of a contract's document."""

from __future__ import annotations

import csv
import io
import json

import pytest
from case_log import NEW, OLD, contract

from audit.evidence import permissions


def test_every_row_of_both_sheets() -> None:
    sheets = permissions.sheets_of(OLD)
    text = b"".join(permissions.table({"c" * 64: sheets})).decode()
    told = list(csv.DictReader(io.StringIO(text, newline="")))
    assert sorted((row["name"], row["direction"], row["mode or quantity"]) for row in told) == [
        ("F1 power", "out", "power_w"),
        ("F1 target", "in", "target"),
    ]
    by_name = {row["name"]: row for row in told}
    assert by_name["F1 power"]["limits"] == (
        "'-100 to 100 kW; no faster than 5 a second; stale after 10 s; at least 3 members; at least 80 % reporting"
    )
    assert by_name["F1 target"]["limits"] == (
        "'-90 to 90 kW; at most 5000 W a step; control sbo; hold 60; on isolation release; primacy 1"
    )
    assert (by_name["F1 power"]["reason"], by_name["F1 power"]["ticket"]) == ("visibility, F1", "CHG-1001")
    assert by_name["F1 power"]["contract"] == "c" * 64


def test_rows_that_say_little() -> None:
    sheets = {"points.csv": "\ufeffname,path\r\nheartbeat,\r\nshort\r\nlong,a,b,c\r\n"}
    lines = b"".join(permissions.table({"": sheets})).split(b"\r\n")
    assert lines[1:] == [b",heartbeat,out,,,,,,,", b",short,out,,,,,,,", b",long,out,a,,,,,,", b""]


@pytest.mark.parametrize(
    "document", [b"\xff", b"[1]", b"{", b"[" * 100_000, json.dumps({"points.csv": 1}).encode(), b"{}"]
)
def test_what_is_no_contract(document: bytes) -> None:
    assert permissions.sheets_of(document) == {}


def test_a_text_that_is_no_sheet() -> None:
    """A field may be longer than the standard library reads; the other sheet is told all the same."""
    long = f"name,reason\r\nx,{'y' * 200_000}\r\n"
    sheets = permissions.sheets_of(json.dumps({"points.csv": long, "commands.csv": "name\r\nz\r\n"}).encode())
    assert b"".join(permissions.table({"": sheets})).split(b"\r\n")[1:] == [b",z,in,,,,,,,", b""]
    assert permissions.has_bcsi(sheets), "nobody can tell what its other rows say"


def test_rows_that_the_entity_calls_bcsi() -> None:
    assert not permissions.has_bcsi(permissions.sheets_of(NEW))
    assert permissions.has_bcsi(permissions.sheets_of(contract(bcsi="yes")))
