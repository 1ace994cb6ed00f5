"""Verdicts in words, where the commands' own tests do not come by."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.format.note import VerifierKey
from audit.telling.spoken import in_words, to_explain, what_stands
from audit.verify.timeline import Listed, Silence, Timeline
from audit.verify.verdict import CouldNotTell, Tampered, Verified


def verdict(public: VerifierKey, **more: object) -> Verified:
    counts = dict.fromkeys(
        ("key_changes", "records", "pruned_records", "packed_segments", "bodies", "encrypted_bodies",
         "decrypted_bodies", "openings", "cuts", "gaps", "clock_steps", "approvals_unchecked", "unreleased_bytes"), 0,
    )  # fmt: skip
    given = {"origin": "o", "key": public, "root": "00", "rebased_from": None, "since": None, "proved_until": None}
    return Verified(**counts | given | more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first_bad", "unbroken", "words"),
    [(None, 0, "Without a good checkpoint"), (0, 0, "Nothing before it"), (1, 1, "The one record before it chains"),
     (9, 9, "The 9 records before it chain")],
)  # fmt: skip
def test_what_stands(first_bad: int | None, unbroken: int, words: str) -> None:
    assert what_stands(Tampered(first_bad, Path(), "", unbroken)).startswith(words)


def test_what_has_to_be_explained(public: VerifierKey) -> None:
    told = Timeline(
        unclosed=Listed(1), denials=7, denied_records=2, silence_count=2, silences=(Silence(3, 0, 90_000_000),)
    )
    found = to_explain(
        verdict(
            public, bodies_unread=1, encrypted_bodies=2, decrypted_bodies=1, approvals_unchecked=1, pruned_records=8,
            key_changes=2, openings=3, cuts=1, gaps=2, clock_steps=1, timeline=told,
        )
    )  # fmt: skip
    assert found == [
        "1 body was left out: of them only what the headers say is proved",
        "2 bodies are encrypted: their bytes are proved, the values of 1 were read, too",
        "1 approval not judged: nobody gave the ring of persons (--ring)",
        "8 records pruned: their hashes are proved, what they said is gone, and a record says so",
        "2 changes of the key, each sealed by the old one",
        "2 restarts",
        "1 cut after a crash",
        "2 gaps for want of disk",
        "1 step of the clock",
        "1 restart after an end without closing",
        "7 denials in 2 records",
        "silent 2 times for more than 1 min, the longest 1 min 30 s behind record 3 at 1970-01-01T00:00:00.000000Z",
    ]
    assert to_explain(verdict(public, openings=1)) == []


def test_what_a_log_says_does_nothing_to_a_terminal() -> None:
    for found in (Tampered(1, Path("x"), "is \x1b[2J", 1), CouldNotTell("is \x1b[2J")):
        assert "is \\x1b[2J" in in_words(found, None, Path("t"), 0)


def test_bytes_that_cannot_be_counted(public: VerifierKey) -> None:
    assert "\nbytes that cannot be counted behind" in in_words(
        verdict(public, unreleased_bytes=None), None, Path("t"), 0
    )
