"""Every attack of the corpus gets its verdict, by both verifiers: the kind, the member named, the record named."""

from __future__ import annotations

from pathlib import Path

from attacks import corpus
from case_log import WITNESS
from persons import RING
from trail_helpers import SEGMENT
from two_verifiers import verify_evidence

from audit.evidence.verdict import EvidenceTampered, EvidenceVerified
from audit.secrecy import KeyFolder


def test_every_attack_gets_its_verdict(tmp_path: Path) -> None:
    wrong, names = [], []
    for attacked in corpus(tmp_path):
        verdict = verify_evidence(
            attacked.path,
            attacked.keys,
            ring=RING if attacked.ring else None,
            witness_keys=[WITNESS] if attacked.witness else (),
            body_keys=KeyFolder(attacked.body_keys) if attacked.body_keys else None,
            segment_lines=SEGMENT,
        )
        match verdict:
            case EvidenceVerified():
                found = ("verified", None, None)
            case EvidenceTampered(member, first_bad, _):
                found = ("tampered", member, first_bad)
            case _:
                found = ("could_not_tell", None, None)
        expected = (attacked.verdict, attacked.member, attacked.first_bad)
        names.append(attacked.name)
        if found != expected:
            wrong.append((attacked.name, expected, found, verdict))
    assert not wrong, "\n".join(map(str, wrong))
    assert len(set(names)) == len(names)
