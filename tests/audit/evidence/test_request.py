"""What can be asked for, and how a sample is drawn."""

from __future__ import annotations

from hashlib import sha256

import pytest
from case_log import FROM, TO
from hypothesis import given
from hypothesis import strategies as st

from audit.evidence.request import Asked, BadRequest, Request, Sampling, are_kinds, asked


def test_a_record_is_asked_for_by_time_and_kind() -> None:
    wanted = asked(FROM, TO, ["log.*", "denied", "denied"])
    assert wanted == Asked(FROM, TO, ("denied", "log.*"))
    assert wanted.takes("denied", FROM)
    assert wanted.takes("log.open", TO - 1)
    assert not wanted.takes("denied", TO)
    assert not wanted.takes("denied", FROM - 1)
    assert not wanted.takes("denied.more", FROM)
    assert not wanted.takes("logs", FROM)


def test_all_kinds() -> None:
    assert asked(FROM, TO) == asked(FROM, TO, ["*", "denied"]) == Asked(FROM, TO, ("*",))
    assert asked(FROM, TO).takes("anything", FROM)


@pytest.mark.parametrize("kinds", [["Denied"], ["a b"], ["a,b"], [""], ["a*b"], ["x" * 65]])
def test_what_is_no_kind(kinds: list[str]) -> None:
    with pytest.raises(BadRequest, match="a kind is such as"):
        asked(FROM, TO, kinds)
    assert not are_kinds(kinds)


@pytest.mark.parametrize(("since", "until"), [(TO, FROM), (FROM, FROM), (FROM + 1, TO), (FROM, TO + 1), (-(10**6), TO)])
def test_what_is_no_period(since: int, until: int) -> None:
    with pytest.raises(BadRequest, match="a period is"):
        asked(since, until)


@pytest.mark.parametrize(
    "request_",
    [Request(asked(FROM, TO), "two words"), Request(asked(FROM, TO), sample=0), Request(asked(FROM, TO), seed="\n")],
)
def test_what_cannot_be_requested(request_: Request) -> None:
    with pytest.raises(BadRequest):
        request_.check()


def test_a_request_that_can_be() -> None:
    Request(asked(FROM, TO), "RFI/7", 3, "dice, 4 of them").check()


@given(st.integers(1, 40), st.sets(st.integers(0, 10_000)), st.text(st.characters(categories=["L"])))
def test_a_sample_is_those_with_the_smallest_hashes(count: int, seqs: set[int], seed: str) -> None:
    sampling = Sampling(count, seed)
    for seq in sorted(seqs):
        sampling.see(seq)
    by_hash = sorted(seqs, key=lambda seq: sha256(f"{seed}\n{seq}\n".encode()).digest())
    assert sampling.chosen() == tuple(sorted(by_hash[:count]))
    assert sampling.population == len(seqs)
