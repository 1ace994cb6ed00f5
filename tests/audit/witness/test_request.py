"""The body of add-checkpoint: the specification's example, a round trip, and whatever else may arrive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.witness import request
from audit.witness.request import REQUEST_LIMIT, MalformedRequest
from tests.audit.witness.stage import ORIGIN, asked, leaves, signed, tip

# The example of c2sp.org/tlog-witness: from 20,852,014 records to 20,852,163, in a proof of four steps.
EXAMPLE = """\
old 20852014
PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=
5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=
/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=

example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— example.com/behind-the-sofa opLqBQsREYCgu6xQkYQwJr9fo45a62DN9EdmHXnZdXNqlcVGlCum2Wks+49/V6267UEjw6QUXTS5Rovnzv++qbSzm9Q=
"""  # noqa: E501
NOTE = signed(leaves(3))


def test_the_published_example() -> None:
    body = EXAMPLE.encode()
    read = request.parse(body)
    assert (read.old, len(read.proof)) == (20_852_014, 4)
    assert (read.checkpoint.origin, read.checkpoint.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert len(read.note.signatures) == 2
    assert request.encode(read.old, read.proof, body.partition(b"\n\n")[2]) == body


@given(st.integers(0, 10**15), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_what_is_written_is_read(old: int, proof: list[bytes]) -> None:
    read = request.parse(request.encode(old, proof, NOTE))
    assert (read.old, read.proof, read.checkpoint) == (old, tuple(proof), tip(leaves(3)))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is not `old <size>`"),
        (b"old 0\n", "is not `old <size>`"),
        (b"new 0\n\n" + NOTE, "is not `old <size>`"),
        (b"old -1\n\n" + NOTE, "is not `old <size>`"),
        (b"old 01\n\n" + NOTE, "is not `old <size>`"),
        (b"old 1e3\n\n" + NOTE, "is not `old <size>`"),
        (b"old  1\n\n" + NOTE, "is not `old <size>`"),
        (b"old 1\r\n\n" + NOTE, "is not `old <size>`"),
        (b"old 99999999999999999\n\n" + NOTE, "is not `old <size>`"),
        ("old \u0663\n\n".encode() + NOTE, "is not `old <size>`"),
        (b"old 0\n\n", "has a checkpoint that"),
        (b"old 0\n\n" + NOTE[:-1], "has a checkpoint that"),
        (b"old 0\n\n\xff" + NOTE, "has a checkpoint that is not UTF-8"),
        (b"old 0\nAAAA\n\n" + NOTE, "not the base64 of 32 bytes"),
        (b"old 0\n" + b"A" * 43 + b"\n\n" + NOTE, "not the base64 of 32 bytes"),
        (b"old 0\n" + b"A" * 42 + b"B=\n\n" + NOTE, "not the base64 of 32 bytes"),
        (b"old 0\n" + b"\xe9" * 44 + b"\n\n" + NOTE, "not the base64 of 32 bytes"),
        (request.encode(0, [bytes(32)] * 64, NOTE), "more than 63 lines"),
        (request.encode(0, [], NOTE) + b"x" * REQUEST_LIMIT, "longer than"),
    ],
)
def test_what_is_no_request_is_refused_in_words(body: bytes, words: str) -> None:
    with pytest.raises(MalformedRequest, match=words):
        request.parse(body)


GOOD = asked(3, leaves(7))
FUZZ = st.one_of(
    st.binary(max_size=400),
    st.tuples(st.integers(0, len(GOOD)), st.integers(0, len(GOOD)), st.binary(max_size=20)).map(
        lambda cut: GOOD[: cut[0]] + cut[2] + GOOD[cut[1] :]
    ),
)


@given(FUZZ)
def test_whatever_arrives_is_read_or_refused(body: bytes) -> None:
    try:
        read = request.parse(body)
    except MalformedRequest:
        return
    steps, note = read.proof, body.partition(b"\n\n")[2]
    assert request.encode(read.old, steps, note) == body  # one spelling
    assert read.checkpoint.origin == ORIGIN or body != GOOD
