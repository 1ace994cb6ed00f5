"""What a witness cosigns, case by case in the specification's order, and what it never does whoever asks."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from audit.format import checkpoint, proof, tree
from audit.format.checkpoint import Checkpoint
from audit.format.note import Note, VerifierKey
from audit.witness import request, rules
from audit.witness.request import Request
from audit.witness.rules import Cosign, Refused, Status, judge, of_its_epoch
from tests.audit.witness.stage import KEY, OTHER, asked, forked, leaves, log_key, signed, tip


def told(body: bytes, latest: Checkpoint | None, *trusted: VerifierKey) -> rules.Verdict:
    return judge(request.parse(body), trusted or (log_key(),), latest)


@pytest.mark.parametrize(
    ("old", "size", "latest"), [(0, 0, None), (0, 5, None), (0, 5, 0), (0, 0, 0), (3, 8, 3), (8, 8, 8), (5, 6, 5)]
)
def test_a_log_that_goes_on_is_cosigned(old: int, size: int, latest: int | None) -> None:
    verdict = told(asked(old, leaves(size)), None if latest is None else tip(leaves(latest)))
    assert isinstance(verdict, Cosign)
    assert verdict.note.text == signed(leaves(size)).partition(b"\n\n")[0] + b"\n"


def test_only_the_lines_of_keys_that_are_trusted_are_kept() -> None:
    body = asked(0, leaves(2)) + signed(leaves(2), OTHER).partition(b"\n\n")[2]
    verdict = told(body, None)
    assert isinstance(verdict, Cosign)
    assert [line.key_id for line in verdict.note.signatures] == [log_key().key_id]
    both = told(body, None, log_key(), log_key(OTHER))
    assert isinstance(both, Cosign)
    assert len(both.note.signatures) == 2


def test_after_a_change_of_keys_both_are_taken() -> None:
    keys = (log_key(), log_key(OTHER))
    assert isinstance(told(asked(0, leaves(2)), None, *keys), Cosign)
    assert isinstance(told(asked(2, leaves(4), OTHER), tip(leaves(2)), *keys), Cosign)


def test_a_key_that_was_changed_signs_nothing_any_more() -> None:
    old, new = log_key(), log_key(OTHER)
    by_old, by_new = (checkpoint.parse(signed(leaves(2), key))[1] for key in (KEY, OTHER))
    assert of_its_epoch((old, new), None) == (old, new)
    assert of_its_epoch((old, new), by_old) == (old, new)
    assert of_its_epoch((old, new), by_new) == (new,)
    assert of_its_epoch((old,), by_new) == (old,)  # one that is trusted no more: those that are


def wrong(body: bytes, latest: int | None, *trusted: VerifierKey) -> Refused:
    verdict = told(body, None if latest is None else tip(leaves(latest)), *trusted)
    assert isinstance(verdict, Refused)
    return verdict


def test_a_log_that_it_does_not_know() -> None:
    verdict = judge(request.parse(asked(0, leaves(2))), (), None)
    assert isinstance(verdict, Refused)
    assert verdict.status is Status.UNKNOWN_LOG


def test_a_checkpoint_that_the_log_has_not_signed() -> None:
    assert wrong(asked(0, leaves(2), OTHER), None).status is Status.NOT_SIGNED
    altered = asked(0, leaves(2)).replace(b"\n2\n", b"\n3\n")
    assert wrong(altered, None).status is Status.NOT_SIGNED


def test_an_old_size_above_the_new_one() -> None:
    assert wrong(request.encode(5, (), signed(leaves(3))), 5).status is Status.MALFORMED


@pytest.mark.parametrize(("old", "latest"), [(0, 3), (2, 3), (4, 3), (1, 0), (1, None)])
def test_an_old_size_that_is_not_the_latest(old: int, latest: int | None) -> None:
    verdict = wrong(asked(old, leaves(8)), latest)
    assert (verdict.status, verdict.size, verdict.fork) == (Status.CONFLICT, latest or 0, False)


def test_a_log_that_went_back() -> None:
    verdict = wrong(asked(3, leaves(5)), 8)
    assert (verdict.status, verdict.size) == (Status.CONFLICT, 8)


def test_two_trees_of_one_size() -> None:
    verdict = wrong(asked(8, forked(8, at=5)), 8)
    assert (verdict.status, verdict.size, verdict.fork) == (Status.CONFLICT, 8, True)


def test_an_empty_tree_of_another_root() -> None:
    strange = Checkpoint(tip([]).origin, 0, b"x" * 32)
    empty = request.parse(asked(0, []))
    verdict = judge(Request(0, (), strange, empty.note), (log_key(),), None)
    assert isinstance(verdict, Refused)
    assert verdict.fork


@pytest.mark.parametrize(
    "steps",
    [
        proof.roots(proof.consistency(3, 8), forked(8, at=2)),
        proof.roots(proof.consistency(3, 8), leaves(8))[:-1],
        (),
    ],
)
def test_a_proof_that_does_not_lead_there(steps: Sequence[bytes]) -> None:
    assert wrong(request.encode(3, steps, signed(leaves(8))), 3).status is Status.NOT_PROVED


def test_a_proof_where_none_is_needed() -> None:
    assert wrong(request.encode(0, [bytes(32)], signed(leaves(8))), None).status is Status.NOT_PROVED
    assert wrong(request.encode(8, [bytes(32)], signed(leaves(8))), 8).status is Status.NOT_PROVED


@given(st.integers(0, 40), st.integers(0, 40), st.data())
def test_no_rewritten_log_passes_whatever_its_proof(before: int, after: int, data: st.DataObject) -> None:
    """Whoever has the log's key rewrites it from some record on, and proves as well as can be done."""
    at = data.draw(st.integers(0, max(before - 1, 0)))
    held = forked(after, at)
    old = data.draw(st.sampled_from([before, min(before, after)]))
    kinds = [proof.roots(proof.consistency(min(old, after), after), each) for each in (held, leaves(after))]
    verdict = told(request.encode(old, data.draw(st.sampled_from(kinds)), signed(held)), tip(leaves(before)))
    if before and (after <= before or at < before):
        assert isinstance(verdict, Refused) or (before == after and tip(held) == tip(leaves(before)))


class AnyLogs(RuleBasedStateMachine):
    """Two views of one log and any order of requests: what is cosigned is always one growing log."""

    def __init__(self) -> None:
        super().__init__()
        self.cosigned: list[Checkpoint] = []
        self.view: str | None = None  # which of the two the witness has committed itself to

    @rule(old=st.integers(0, 20), size=st.integers(0, 20), view=st.sampled_from(["left", "right"]))
    def ask(self, old: int, size: int, view: str) -> None:
        held = leaves(size, view)
        steps = proof.roots(proof.consistency(old, size), held) if old <= size else ()
        latest = self.cosigned[-1] if self.cosigned else None
        verdict = judge(request.parse(request.encode(old, steps, signed(held))), (log_key(),), latest)
        if isinstance(verdict, Cosign):
            assert isinstance(verdict.note, Note)
            self.cosigned.append(tip(held))
            if size:
                self.view = self.view or view

    @invariant()
    def it_only_grows_and_is_one(self) -> None:
        sizes = [each.size for each in self.cosigned]
        assert sizes == sorted(sizes)
        for each in self.cosigned:
            assert each.root == tree.root_of(leaves(each.size, self.view or ""))


TestAnyLogs = AnyLogs.TestCase
