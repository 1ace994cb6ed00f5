"""Rings, requests and approvals: their one spelling, and who counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from persons import BEGIN, END, RING, approved, at, person, request

from audit import approval
from audit.approval import Approved, BadRing, NotApproved, Request, Ring, moment, parse_request, parse_ring, written
from audit.errors import BadKey
from audit.format.note import MalformedNote

DIGEST = "ab" * 32
GOOD = request("x.do", DIGEST)
names = st.from_regex(r"[A-Za-z0-9._/:-]{1,20}", fullmatch=True)


@given(st.integers(0, at("9999-12-31T23:59:59Z") // 10**6))
def test_a_moment_round_trips(seconds: int) -> None:
    assert moment(written(seconds * 10**6)) == seconds * 10**6


@pytest.mark.parametrize(
    "text",
    ["", "2026-11-23", "2026-11-23T12:00:00", "2026-11-23T12:00:00+00:00", "2026-2-3T12:00:00Z", "2026-02-30T12:00:00Z",
     "2026-11-23T12:00:60Z", "1969-12-31T23:59:59Z", "2026-11-23T12:00:00z"],
)  # fmt: skip
def test_no_moment(text: str) -> None:
    assert moment(text) is None


@given(names, names, names, st.integers(0, 10**9))
def test_a_request_round_trips(action: str, author: str, ticket: str, seconds: int) -> None:
    made = Request(action, DIGEST, author, ticket, seconds * 10**6)
    approval.check_request(made)
    assert parse_request(str(made)) == made


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("approval/1", "approval/2"),
        (DIGEST, DIGEST.upper()),
        ("x.do", "x do"),
        ("Z\n", "\n"),
        ("00Z", "61Z"),
        ("Z\n", "Z"),
    ],
)
def test_what_is_no_request(old: str, new: str) -> None:
    with pytest.raises(MalformedNote, match="is not an approval"):
        parse_request(str(GOOD).replace(old, new))


def test_a_request_that_could_not_be_read_again_is_refused() -> None:
    for bad in (
        Request("a b", DIGEST, "o", "t", 0),
        Request("a", DIGEST, "", "t", 0),
        Request("a", DIGEST, "o", "a\n", 0),
    ):
        with pytest.raises(BadKey, match="cannot be the"):
            approval.check_request(bad)


def test_a_ring_round_trips() -> None:
    people = (person("ana"), person("ben", "VIEWER", revoked=BEGIN))
    text = f"# who\r\n\n {people[0]}\t\n{str(people[1]).replace(' ', '  ')}"
    assert parse_ring(text) == Ring(people)
    assert people[0].name == "ana"


ANA = str(person("ana"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it names nobody"),
        ("# nobody\n", "it names nobody"),
        (f"{ANA}\n{ANA}", "the key of ana stands in two lines"),
        (ANA.replace("SECAUD", "BOSS"), "line 1: expected"),
        (f"\n{ANA} more more", "line 2: expected"),
        (f"{ANA} more", "line 1: a time is written"),
        (f"{ANA} revoked:today", "line 1: a time is written"),
        (ANA.replace("2024-01-01T00:00:00Z", "2024"), "line 1: a time is written"),
        (ANA.replace("2024", "2036"), "is not before valid to"),
        (ANA.replace("ana+", "bob+"), "altered or mistyped"),
    ],
)
def test_what_is_no_ring(text: str, words: str) -> None:
    with pytest.raises(BadRing, match=words):
        parse_ring(text)


def test_one_key_under_two_names_is_no_ring() -> None:
    ana, bob = person("ana"), person("bob")
    double = type(bob.key)("bob", ana.key.raw)
    with pytest.raises(BadRing, match="stands in two lines"):
        parse_ring(f"{ana}\n{double} SECAUD 2024-01-01T00:00:00Z 2035-01-01T00:00:00Z")


def judged(given_bytes: bytes, ring: Ring = RING, now: int = END - 1) -> Approved | NotApproved:
    return approval.judge(approval.parse(given_bytes), ring, "x.do", DIGEST, now)


def test_two_persons_approve() -> None:
    found = judged(approved(GOOD, "ana", "vi", "ben", "ana"))
    assert isinstance(found, Approved)
    assert [one.name for one in found.persons] == ["ana", "ben"]
    assert approval.parse(approved(GOOD, "ana", "vi", "ana")).signers == ("ana", "vi")


def test_nobody_approves() -> None:
    found = judged(approved(GOOD, "vi"))
    assert isinstance(found, NotApproved)
    assert found.why == (
        "it is approved by nobody who counts, and 2 different persons are needed; "
        "vi has the role VIEWER, which approves nothing"
    )


def test_somebody_with_two_keys_is_one_person() -> None:
    second = type(person("ana").key)("ana", person("zoe").key.raw)
    ring = Ring((person("ana"), approval.Person(second, "SECAUD", BEGIN, END)))
    from persons import key_of

    from audit.format.note import Signature

    other = Signature("ana", second.key_id, key_of("zoe").sign(str(GOOD).encode()))
    data = approved(GOOD, "ana") + approval.join(GOOD, [other]).rpartition(b"\n\n")[2]
    assert isinstance(judged(data, ring), NotApproved)
