"""STATE/<asset_id>.json: what an asset was doing, so that a simulated device outlives its agent and a person can look.

The file is replaced whole (a reader never sees half of one), once a second and not synced to disk: it must survive the
death of its process, not of the machine. What cannot be read is a fresh start with a warning, never a crash.
"""

from __future__ import annotations

import fcntl
import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from dermscore.errors import BadInput, Problem
from dermscore.guard import Fallback
from dermscore.intent import Intent, IntentState, Step
from dermscore.model import Now

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Held:
    """An intent in force, when it ends by this boot's monotonic clock, how far it had come, and its schedule's step."""

    intent: Intent
    deadline_mono_ms: int
    reached: IntentState = IntentState.RECEIVED
    steps_begun: int = 0


@dataclass(frozen=True, slots=True)
class Saved:
    """One asset's state at `time_ms` (UTC) and `mono_ms` (monotonic, of the boot named `boot`).

    `setpoint_w` is what the device said it follows and `setpoint_age_s` how long ago it was last written.
    `reported_w` and `reported_ms` are the last telemetry handed to the link: what the headend may know.
    `fallback` is how the asset goes back, as the headend said last; None where none ever said.
    """

    asset_id: str
    time_ms: int
    mono_ms: int
    boot: str
    tick: int
    power_w: float
    soc_wh: float | None
    setpoint_w: float | None
    setpoint_age_s: float
    guard: str
    link: str
    pid: int
    reported_w: float | None = None
    reported_ms: int | None = None
    held: Held | None = None
    fallback: Fallback | None = None

    def elapsed_s(self, now: Now, boot: str) -> float:
        """How long ago this was saved: by the monotonic clock within one boot, else by the wall clock."""
        passed_ms = now.mono_ms - self.mono_ms if boot and boot == self.boot else now.utc_ms - self.time_ms
        return max(passed_ms, 0) / 1000


class Unreadable(Exception):
    """A state file is there and cannot be used; the text says why."""


def boot_id() -> str:
    """Names this boot of the machine; empty where the system does not say, and then no two are the same."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def path_of(folder: Path, asset_id: str) -> Path:
    return folder / f"{asset_id}.json"


def load(path: Path, asset_id: str) -> Saved | None:
    """What was saved for this asset; None where nothing was.

    Raises:
        Unreadable: the file is not a state of this asset.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    try:
        saved = _saved(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unreadable(f"is not a state file: {type(error).__name__}: {error}") from None
    if saved.asset_id != asset_id:
        raise Unreadable(f"is the state of {saved.asset_id!r}")
    return saved


def save(path: Path, saved: Saved) -> None:
    """Replace the file. Raises OSError (a full or missing disk); the asset goes on without."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps(asdict(saved), separators=(",", ":"), allow_nan=False) + "\n", encoding="utf-8")
    new.replace(path)


Claimed = IO[bytes]
"""An asset held for this process, until it is closed or the process dies."""


def claim(folder: Path, asset_id: str) -> Claimed:
    """Hold the asset for this process.

    Raises:
        BlockingIOError: another live process holds it. Two agents writing one device would fight over it.
        BadInput: the folder cannot be written.
    """
    path = folder / f"{asset_id}.lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = path.open("wb")
    except OSError as error:
        raise BadInput([Problem(str(path), "", f"cannot be written: {error.strerror}; choose --state DIR")]) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise
    return lock


def _saved(raw: dict[str, Any]) -> Saved:
    held, fallback = raw.get("held"), raw.get("fallback")
    return Saved(
        asset_id=_text(raw["asset_id"]),
        time_ms=_whole(raw["time_ms"]),
        mono_ms=_whole(raw["mono_ms"]),
        boot=_text(raw["boot"]),
        tick=_whole(raw["tick"]),
        power_w=_number(raw["power_w"]),
        soc_wh=_optional(raw["soc_wh"]),
        setpoint_w=_optional(raw["setpoint_w"]),
        setpoint_age_s=_number(raw["setpoint_age_s"]),
        guard=_text(raw["guard"]),
        link=_text(raw["link"]),
        pid=_whole(raw["pid"]),
        held=None if held is None else _held(held),
        fallback=None if fallback is None else _fallback(fallback),
    )


def _fallback(raw: dict[str, Any]) -> Fallback:
    found = Fallback(
        _whole(raw["delay_ms"]), _number(raw["ramp_w_per_s"]), _optional(raw["most_w"]), _optional(raw["least_w"])
    )
    most_w, least_w = found.most_w or 0.0, found.least_w or 0.0
    if found.delay_ms < 0 or found.ramp_w_per_s < 0 or most_w < 0 or least_w > 0:
        raise ValueError(f"{found} is no way back")
    return found


def _held(raw: dict[str, Any]) -> Held:
    return Held(
        _intent(raw["intent"]),
        _whole(raw["deadline_mono_ms"]),
        IntentState(_text(raw["reached"])),
        _whole(raw.get("steps_begun", 0)),  # before there were schedules, none had begun
    )


def _intent(raw: dict[str, Any]) -> Intent:
    return Intent(
        asset_id=_text(raw["asset_id"]),
        epoch=_text(raw["epoch"]),
        revision=_whole(raw["revision"]),
        dispatch_id=_text(raw["dispatch_id"]),
        setpoint_w=_optional(raw["setpoint_w"]),
        reversion_w=_optional(raw["reversion_w"]),
        issued_ms=_whole(raw["issued_ms"]),
        expires_ms=_whole(raw["expires_ms"]),
        program=_text(raw["program"]),
        primacy=_whole(raw["primacy"]),
        schedule=tuple(Step(_whole(from_ms), _number(w)) for from_ms, w in raw.get("schedule", ())),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is not a whole number")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise TypeError(f"{value!r} is not a finite number")
    return float(value)


def _optional(value: Any) -> float | None:
    return None if value is None else _number(value)
