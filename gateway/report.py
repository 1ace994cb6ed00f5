"""What a running gateway says of itself: `status.json`, which `derms gateway status` reads."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from dermscore.model import Now
from dermscore.quality import Cause, Validity
from gateway.contract import Contract
from gateway.desk import Desk
from gateway.door import Door
from gateway.faces import Face
from gateway.image import Image
from gateway.recorder import Recorder

LOW: Final = "low on space: denials are counted, not recorded; make room"


def now(
    contract: Contract,
    image: Image,
    faces: Mapping[str, Face],
    door: Door,
    desk: Desk,
    recorder: Recorder,
    witness: str,
    began: Now,
    at: Now,
) -> dict[str, Any]:
    """The whole of it, as JSON values. Times are UTC milliseconds."""
    return {
        "time_ms": at.utc_ms,
        "started_ms": began.utc_ms,
        "pid": os.getpid(),
        "contract": "live" if contract.live else "rehearsal",
        "contract_digest": contract.digest,
        "isolated": door.isolated,
        "headend_link": "up" if door.link_up else "down",
        "audit": recorder.trouble or (LOW if recorder.sparing() else "ok"),
        "witness": witness,
        "points": len(contract.points),
        "published": len(contract.published),
        "good": _good(contract, image),
        "comm_lost": sum(1 for row in contract.published if image.shown[row.name].quality.causes & Cause.COMM_LOST),
        "commands_under_way": len(desk.outstanding.under_way),
        "in_control": _holder(desk.outstanding.in_control),
        "outstations": {name: _face(face) for name, face in faces.items()},
    }


def in_short(contract: Contract, image: Image, door: Door, witness: str) -> str:
    """How it does, in few words, for the trail."""
    link, boundary = "up" if door.link_up else "down", "closed" if door.isolated else "open"
    good = f"{_good(contract, image)} of {len(contract.published)} published points good"
    return f"headend link {link}, boundary {boundary}, {good}, witness {witness}"


def write(path: Path, values: Mapping[str, Any]) -> None:
    """Replace the file whole. A disk that has no room keeps the old one: it grows stale, which says as much."""
    fresh = path.with_suffix(".new")
    try:
        fresh.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
        fresh.replace(path)
    except OSError:
        return


def read(path: Path) -> dict[str, Any] | None:
    """What was written last; None where nothing (readable) is there."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _good(contract: Contract, image: Image) -> int:
    return sum(1 for row in contract.published if image.shown[row.name].quality.validity is Validity.GOOD)


def _holder(holder: tuple[str, str] | None) -> dict[str, str] | None:
    """Who operates: the master that did so first, or that a takeover named; None before either."""
    return None if holder is None else {"outstation": holder[0], "master": holder[1]}


def _face(face: Face) -> dict[str, Any]:
    health = face.health()
    return {
        "listening": health.listening,
        "masters": list(health.masters),
        "events_waiting": health.events_waiting,
        "events_lost": health.events_lost,
    }
