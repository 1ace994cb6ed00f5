"""Canonical JSON: RFC 8785's own examples, and round trips."""

from __future__ import annotations

import enum
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import BadEntry
from audit.format import canonical
from audit.format.canonical import NUMBER_LIMIT


class Colour(enum.IntEnum):
    RED = 1


def double(bits: str) -> float:
    value: float = struct.unpack(">d", bytes.fromhex(bits))[0]
    return value


@pytest.mark.parametrize(
    ("bits", "text"),
    [  # RFC 8785 appendix B, those below 2^53 in magnitude
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("433fffffffffffff", "9007199254740991"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555557", "333333333.33333343"),
        ("bf1a36e2eb1c432d", "-0.0001"),
        ("3f1a36e2eb1c432d", "0.0001"),
        ("3ee4f8b588e368f1", "0.00001"),
        ("3e7ad7f29abcaf48", "1e-7"),
    ],
)
def test_numbers_are_written_as_ecmascript_does(bits: str, text: str) -> None:
    assert canonical.real(double(bits)) == text


@given(st.floats(-(2.0**53), 2.0**53, exclude_min=True, exclude_max=True))
def test_every_number_reads_back(value: float) -> None:
    assert float(canonical.real(value)) == value
    assert "e+" not in canonical.real(value)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_reads_back_and_escapes_no_more_than_it_must(text: str) -> None:
    written = canonical.string(text)
    assert json.loads(written) == text
    assert written == json.dumps(text, ensure_ascii=False)


def test_the_escapes_of_rfc_8785() -> None:
    assert canonical.string('€$\x0f\nA\'B"\\\\"/\x7f') == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f"'


@pytest.mark.parametrize(
    ("value", "text"), [(None, "null"), (True, "true"), (False, "false"), (-7, "-7"), (1.5, "1.5"), ("a", '"a"')]
)
def test_scalars(value: canonical.Scalar, text: str) -> None:
    assert canonical.scalar(value) == text


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (float("nan"), "is not a number that can be recorded"),
        (float("-inf"), "is not a number that can be recorded"),
        (float(NUMBER_LIMIT), "does not fit"),
        (NUMBER_LIMIT, "does not fit"),
        (-NUMBER_LIMIT, "does not fit"),
        ("\ud800", "half a surrogate pair"),
        (Colour.RED, "of type Colour cannot be recorded"),
        ([1], "of type list cannot be recorded"),
    ],
)
def test_what_no_body_may_hold(value: canonical.Scalar, why: str) -> None:
    with pytest.raises(BadEntry, match=why):
        canonical.scalar(value)
