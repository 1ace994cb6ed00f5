"""A verification of less than everything: what it still finds, and what it says that it left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from trail_helpers import SEGMENT, headers_of

from audit.format.note import VerifierKey
from audit.verify import Tampered, Verdict, Verified, verify
from audit.verify.scope import EVERYTHING, Scope

HEADERS_ONLY = Scope(bodies=False)


def judge(trail: Path, public: VerifierKey, scope: Scope) -> Verdict:
    return verify(trail, [public], scope=scope, segment_lines=SEGMENT)


def spoil(trail: Path, seq: int) -> int:
    """Alter the last byte of a record's body; the record's time."""
    headers = headers_of(trail)
    segment = headers[seq].seq // SEGMENT
    end = sum(one.body.len for one in headers[segment * SEGMENT : seq + 1] if one.body)
    path = trail / "bodies" / f"{segment:08d}.bin"
    data = bytearray(path.read_bytes())
    data[end - 1] ^= 1
    path.write_bytes(data)
    return headers[seq].t


@pytest.mark.parametrize(
    ("scope", "inside"),
    [
        (EVERYTHING, [0, 5, 9]),
        (Scope(since=5), [5, 9]),
        (Scope(until=5), [0]),
        (Scope(since=5, until=6), [5]),
        (Scope(since=5, bodies=False), []),
    ],
)
def test_which_bodies_are_read(scope: Scope, inside: list[int]) -> None:
    assert [t for t in (0, 5, 9) if scope.reads_body(t)] == inside
    assert [t for t in (0, 5, 9) if scope.covers(t)] == (inside if scope.bodies else [5, 9])


def test_bodies_outside_of_the_period_are_not_read_and_counted(trail: Path, public: VerifierKey) -> None:
    with_body = [header for header in headers_of(trail) if header.body]
    outside, t = with_body[3], spoil(trail, with_body[3].seq)
    for scope in (Scope(until=t), Scope(since=t + 1)):
        verdict = judge(trail, public, scope)
        assert isinstance(verdict, Verified)
        read = [header for header in with_body if scope.covers(header.t)]
        assert (verdict.bodies, verdict.bodies_unread) == (len(with_body), len(with_body) - len(read))
        assert verdict.members()["bodies_unread"] == verdict.bodies_unread
    for scope in (EVERYTHING, Scope(since=t), Scope(until=t + 1), Scope(since=t, until=t + 1)):
        verdict = judge(trail, public, scope)
        assert isinstance(verdict, Tampered)
        assert verdict.first_bad == outside.seq


def test_headers_only_needs_no_bodies(trail: Path, public: VerifierKey) -> None:
    whole = judge(trail, public, EVERYTHING)
    shutil.rmtree(trail / "bodies")
    verdict = judge(trail, public, HEADERS_ONLY)
    assert isinstance(whole, Verified)
    assert isinstance(verdict, Verified)
    assert verdict.members() == whole.members() | {"bodies_unread": whole.bodies}
    assert "bodies_unread" not in whole.members()
    assert isinstance(judge(trail, public, EVERYTHING), Tampered)


def test_nobody_asks_how_a_body_file_ends_of_which_bodies_were_left_out(trail: Path, public: VerifierKey) -> None:
    with (trail / "bodies" / "00000000.bin").open("ab") as file:
        file.write(b"more")
    last = headers_of(trail)[SEGMENT - 1].t
    assert isinstance(judge(trail, public, HEADERS_ONLY), Verified)
    assert isinstance(judge(trail, public, Scope(since=last + 1)), Verified)
    assert isinstance(judge(trail, public, Scope(until=last + 1)), Tampered)


@pytest.mark.parametrize("scope", [HEADERS_ONLY, Scope(since=1), Scope(until=1), Scope(since=2**60)])
@pytest.mark.parametrize("seq", [0, 7, 8, 20])
def test_headers_are_checked_over_all_of_the_log_whatever_the_scope(
    trail: Path, public: VerifierKey, scope: Scope, seq: int
) -> None:
    path = trail / "headers" / f"{seq // SEGMENT:08d}.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[seq % SEGMENT] = lines[seq % SEGMENT].replace(b'"clock":"synchronised"', b'"clock":"unknown"')
    path.write_bytes(b"\n".join(lines))
    verdict = judge(trail, public, scope)
    assert isinstance(verdict, Tampered)
    assert verdict.first_bad == seq
