"""Reviews: their text, and whether one follows the other."""

from __future__ import annotations

import pytest
from case_log import FROM, MADE, ORIGIN, TO
from hypothesis import given
from hypothesis import strategies as st
from persons import RING, key_of

from audit.evidence import review
from audit.evidence.review import DAY_US, Filed, Review
from audit.format import note
from audit.format.note import MalformedNote

REVIEW = Review(ORIGIN, "ab" * 32, FROM, TO, 2, "cd" * 32, MADE, MADE + 15 * DAY_US)


def signed(told: Review, by: str = "ana") -> bytes:
    return note.sign(str(told).encode(), by, key_of(by))


def filed(since_day: int, until_day: int, made_day: int, due_day: int, by: str = "ana", origin: str = ORIGIN) -> Filed:
    since, until, made, due = (MADE + day * DAY_US for day in (since_day, until_day, made_day, due_day))
    told, signature = review.parse(signed(Review(origin, "ab" * 32, since, until, 0, None, made, due), by))
    return Filed(f"review-{made_day}", told, signature)


@given(st.integers(0, 10**9 - 1), st.integers(1, 1000), st.integers(1, 1000))
def test_what_is_written_is_read_again(findings: int, period: int, every: int) -> None:
    digest = "cd" * 32 if findings else None
    told = Review(ORIGIN, "ab" * 32, FROM, FROM + period * DAY_US, findings, digest, MADE, MADE + every * DAY_US)
    assert review.parse(signed(told))[0] == told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("review/1", "review/2"),
        ("2 cdcd", "0 cdcd"),
        ("2 cdcd", "02 cdcd"),
        (f"2 {'cd' * 32}", "2 -"),
        ("2026-02-01T09:00:00Z", "2026-02-30T09:00:00Z"),
        ("2026-02-01T09:00:00Z", "2026-03-01T09:00:00Z"),
        ("2026-01-05T05:30:00Z", "2026-01-06T05:30:00Z"),
    ],
)
def test_no_other_text_is_a_review(old: str, new: str) -> None:
    assert old in str(REVIEW)
    with pytest.raises(MalformedNote):
        review.parse(note.sign(str(REVIEW).replace(old, new, 1).encode(), "ana", key_of("ana")))


def test_reviews_that_follow_each_other() -> None:
    row = [filed(-30, -15, -14, 1), filed(-15, 0, 0, 15), filed(-20, -10, -5, 10)]
    assert list(review.warnings(row, RING, MADE + 14 * DAY_US)) == []
    assert row[0].by(RING) == row[0].by(None) == ("ana",)


def test_a_period_that_nobody_reviewed() -> None:
    (told,) = review.warnings([filed(-15, 0, 0, 15), filed(-30, -16, -14, 1)], RING, MADE)
    assert told == f"{ORIGIN}: no review covers 2026-01-16T09:00:00Z to 2026-01-17T09:00:00Z"


def test_a_review_that_is_overdue_is_so_for_its_log_only() -> None:
    (told,) = review.warnings([filed(-15, 0, 0, 15), filed(-15, 0, 0, 30, origin="a/b")], RING, MADE + 15 * DAY_US)
    assert told.startswith(f"{ORIGIN}: OVERDUE since 2026-02-16T09:00:00Z")


def test_a_signature_that_is_wrong_or_nobodys() -> None:
    by_stranger, forged = filed(-15, 0, 0, 15, by="mallory"), filed(-15, 0, 0, 15)
    (line,) = forged.signed.signatures
    wrong = note.Signature(line.name, line.key_id, bytes(64))
    forged = Filed("forged", forged.review, note.Note(forged.signed.text, (wrong,)))
    too_early = filed(-9000, 0, -8000, 15)
    told = list(review.warnings([by_stranger, forged, too_early], RING, MADE))
    assert told == [
        "review-0: nobody of the ring has signed it",
        "forged: the signature of ana is wrong",
        "review--8000: ana, who signed it, was not valid when it was made",
    ]
    assert list(review.warnings([by_stranger, forged], None, MADE)) == [], "without a ring nobody is judged"
