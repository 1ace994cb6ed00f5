"""The demo's stages: each proves one promise by looking from outside, or says what it saw instead.

Read top to bottom; `STAGES` is the story that the demo tells.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError

from dermscore.sheets.points import COMMAND_STATE_CODES, CommandRow, Mode, PointKind, PointRow, Quantity
from simulator import picture
from simulator.plant import Plant
from simulator.processes import StoppedEarly, command
from simulator.report import Report

FIRST_VALUE_WITHIN_S = 20.0
PATIENCE_S = 45.0  # generous: machines are shared, and a stage ends as soon as it is proved
STEADY_COMPARISONS = 3
POLL_S = 0.2


class NotProved(Exception):
    """What a stage was to prove did not happen. Says what was seen instead."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`prove` returns one plain sentence of what was shown; raises NotProved otherwise."""

    name: str
    prove: Callable[[Plant, Report], Awaitable[str]]
    needs_storage: bool = False


async def first_value(plant: Plant, report: Report) -> str:
    began = time.monotonic()
    await _until(plant, lambda: _online(plant) > 0, FIRST_VALUE_WITHIN_S, lambda: _scada_words(plant))
    return f"the first value stood at SCADA {time.monotonic() - began:.1f} s after the start"


async def all_connected(plant: Plant, report: Report) -> str:
    wanted = len(plant.fleet.assets)

    async def connected() -> int:
        try:
            agents = await asyncio.to_thread(plant.ask, "/agents")
        except (URLError, OSError):
            return 0
        return sum(1 for agent in agents if agent["connected"])

    deadline = time.monotonic() + PATIENCE_S + wanted * 0.2
    while True:
        report.agents_connected = await connected()
        if report.agents_connected >= wanted:
            return f"{wanted} agents connected, one process per asset"
        if time.monotonic() > deadline:
            raise NotProved(f"{report.agents_connected} of {wanted} agents connected")
        await asyncio.sleep(POLL_S)


async def steady(plant: Plant, report: Report) -> str:
    await _until(plant, lambda: _online(plant) == _telemetry_points(plant), PATIENCE_S, lambda: _scada_words(plant))
    return f"all {_telemetry_points(plant)} points ONLINE; {await _compared_words(plant, report)}"


async def command_followed(plant: Plant, report: Report) -> str:
    row = _command(plant, Mode.TARGET)
    target_w = _believable_target_w(plant, row)
    operated = time.monotonic()
    status = await plant.scada.operate("AO", row.index, row.to_raw(target_w).raw)
    if status != "SUCCESS":
        raise NotProved(f"SCADA's {row.name} was answered {status}")
    await _until(plant, lambda: _state_of(plant, row) == "following", PATIENCE_S, lambda: _state_of(plant, row))
    report.command_round_trip_s = round(time.monotonic() - operated, 3)
    await _until(plant, lambda: _at(plant, row, target_w), PATIENCE_S, lambda: _site_words(plant, row))
    await _compare(plant, report, among=row.path)
    return (
        f"SCADA asked {row.path} for {target_w / 1e6:.1f} MW: SUCCESS, and following was read back at SCADA after "
        f"{report.command_round_trip_s:.1f} s; {_site_words(plant, row)}"
    )


async def comm_lost(plant: Plant, report: Report) -> str:
    stale_after_s = max(row.stale_after_s or 0.0 for row in plant.points)
    held = _Held.now(plant)
    before = plant.sites.ticks()
    await plant.headend.kill()
    killed = time.monotonic()
    await _until(
        plant, lambda: _lost(plant) == _telemetry_points(plant), stale_after_s + 15, lambda: _scada_words(plant)
    )
    report.comm_lost_after_s = round(time.monotonic() - killed, 3)
    if report.comm_lost_after_s > stale_after_s + 2:
        raise NotProved(f"COMM_LOST took {report.comm_lost_after_s:.1f} s; stale after {stale_after_s:g} s plus 2")
    await asyncio.sleep(1.5)  # longer than the agents' state files are apart
    report.agents_ticking = sum(1 for asset, tick in plant.sites.ticks().items() if tick > before.get(asset, tick))
    if report.agents_ticking < len(plant.fleet.assets):
        raise NotProved(f"{report.agents_ticking} of {len(plant.fleet.assets)} agents went on ticking")
    still = held.require(plant, "the sites did not hold on without the headend")
    return (
        f"headend SIGKILLed: every point COMM_LOST at SCADA after {report.comm_lost_after_s:.1f} s; "
        f"{report.agents_ticking} agents went on; {still}"
    )


async def recovered(plant: Plant, report: Report) -> str:
    held = _Held.now(plant)
    restarted = time.monotonic()
    await plant.headend.start()
    await _until(plant, lambda: _online(plant) == _telemetry_points(plant), PATIENCE_S, lambda: _scada_words(plant))
    took = time.monotonic() - restarted
    still = held.require(plant, "the headend's return moved the sites")
    compared = await _compared_words(plant, report)
    return f"headend back: every point ONLINE after {took:.1f} s, and nothing was zeroed: {still}; {compared}"


async def released(plant: Plant, report: Report) -> str:
    row = _command(plant, Mode.RELEASE)
    status = await plant.scada.operate("BO", row.index, 1)
    if status != "SUCCESS":
        raise NotProved(f"SCADA's {row.name} was answered {status}")
    await _until(plant, lambda: _at(plant, row, 0.0), PATIENCE_S, lambda: _site_words(plant, row))
    return f"SCADA released {row.path}: {_site_words(plant, row)}"


async def witnessed(plant: Plant, report: Report) -> str:
    """The trail goes on while it is asked for, so this is about the records that there are now."""
    wanted = max(1, _size(plant.trail / "checkpoint"))
    asked = time.monotonic()
    await _until(
        plant,
        lambda: _size(plant.trail / "cosigned") >= wanted,
        PATIENCE_S,
        lambda: f"{_size(plant.trail / 'cosigned')} of {wanted} records are cosigned",
    )
    took = time.monotonic() - asked
    verdict = await _verify(plant)
    if verdict["verdict"] != "verified" or verdict["witness"]["size"] < wanted:
        raise NotProved(f"derms audit verify --witness-key: {verdict}")
    return f"the witness has cosigned {wanted} records after {took:.1f} s; derms audit verify proves it"


async def verified(plant: Plant, report: Report) -> str:
    """Run last, on a stopped gateway, with the verifier that a compliance analyst would run.

    A trail in which nothing crossed proves nothing, however sound it is.
    """
    log = plant.folder / "logs" / "verify.log"
    try:
        verdict = await _verify(plant)
        shown = await command(["audit", "show", str(plant.trail), "--kind", "crossing.out", "--json"], log)
    except StoppedEarly as error:
        report.verify = "failed"
        raise NotProved(str(error)) from error
    report.verify = verdict["verdict"]
    if report.verify != "verified":
        raise NotProved(f"derms audit verify: {report.verify}")
    report.audit_records, cosigned = verdict["records"], verdict["witness"]["size"]
    report.witness = {"cosigned": cosigned, "not_cosigned": report.audit_records - cosigned}
    crossings = len(shown.splitlines())
    if not crossings:
        raise NotProved(f"derms audit verify: {report.audit_records} records, verified, and not one is of a crossing")
    return (
        f"derms audit verify: {report.audit_records} records, verified; {crossings} are of crossings out; the witness "
        f"has cosigned {cosigned}, and {report.audit_records - cosigned} not yet"
    )


async def evidenced(plant: Plant, report: Report) -> str:
    """What an analyst would hand an auditor of this very run: one file, checked alone, as the auditor would."""
    log, out = plant.folder / "logs" / "evidence.log", plant.folder / "evidence.zip"
    by = ["--key", str(plant.audit_key), "--ring", str(plant.ring), "--witness-key", str(plant.witness_key)]
    period = ["--from", _utc(plant.began_s), "--to", _utc(time.time() + 1)]
    asked = [*period, "--as", str(plant.analyst_key), "--documents", str(plant.documents), "--request-id", "demo"]
    try:
        await command(["audit", "evidence", str(plant.trail), *by, *asked, "--out", str(out)], log)
        verdict = json.loads(await command(["audit", "verify", str(out), *by, "--json"], log))
    except StoppedEarly as error:
        report.evidence = {"file": str(out), "verdict": "failed"}
        raise NotProved(str(error)) from error
    report.evidence = {"file": str(out), "verdict": verdict["verdict"]}
    if verdict["verdict"] != "verified" or verdict["records"] < report.audit_records:
        raise NotProved(f"derms audit verify {out.name}: {verdict}")
    return f"{out} holds all {verdict['records']} records of this run and verifies by itself"


STAGES = (
    Stage("first_value", first_value),
    Stage("agents_connected", all_connected),
    Stage("steady", steady),
    Stage("command", command_followed, needs_storage=True),
    Stage("comm_lost", comm_lost),
    Stage("recovery", recovered),
    Stage("release", released, needs_storage=True),
    Stage("witness", witnessed),
)
VERIFY = Stage("verify", verified)
EVIDENCE = Stage("evidence", evidenced)


async def _verify(plant: Plant) -> Any:
    """What the verifier prints of the trail, by the keys of its log and of its witness. StoppedEarly: not verified."""
    keys = ["--key", str(plant.audit_key), "--witness-key", str(plant.witness_key)]
    log = plant.folder / "logs" / "verify.log"
    return json.loads(await command(["audit", "verify", str(plant.trail), *keys, "--json"], log))


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def _size(checkpoint: Path) -> int:
    """How many records a checkpoint covers: its second line, docs/reference/audit-format.md. 0 where there is none."""
    try:
        return int(checkpoint.read_text().split("\n")[1])
    except FileNotFoundError:
        return 0


async def _until(plant: Plant, met: Callable[[], bool], within_s: float, seen: Callable[[], str]) -> None:
    """Raises NotProved when it is not met in time, StoppedEarly at once when a process ended that should be running."""
    deadline = time.monotonic() + within_s
    while not met():
        plant.require_running()
        if time.monotonic() > deadline:
            raise NotProved(f"not within {within_s:g} s; {seen()}")
        await asyncio.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class _Held:
    """What the batteries under SCADA's command did at one moment; without a command there is none."""

    row: CommandRow | None
    power_w: float | None

    @classmethod
    def now(cls, plant: Plant) -> _Held:
        row = _command(plant, Mode.TARGET) if plant.commands else None
        return cls(row, plant.sites.power_w(row.path, PointKind.BATTERY) if row else None)

    def require(self, plant: Plant, otherwise: str) -> str:
        """What they do now, in words. Raises NotProved where they do something else than before."""
        if self.row is None:
            return "there is no battery that could hold anything"
        if self.power_w is None or not _at(plant, self.row, self.power_w):
            raise NotProved(f"{otherwise}: {_site_words(plant, self.row)}")
        return _site_words(plant, self.row)


async def _compared_words(plant: Plant, report: Report) -> str:
    """Compare, and say how it came out. Sun and load need not stand still: without a battery there may be nothing."""
    if not plant.commands and not picture.steady_errors_w(plant):
        return "no power stood still to be compared, for the fleet has no battery"
    compared = await _compare(plant, report)
    return f"{compared} compared, at most {report.max_error_w:.0f} W off"


async def _compare(plant: Plant, report: Report, among: str = "") -> int:
    """Hold SCADA's picture against the sites' a few times, once a power point of `among` stands still.

    Returns how many points were compared.
    """

    def errors_w() -> dict[str, float]:
        return picture.steady_errors_w(plant, among)

    await _until(
        plant, lambda: bool(errors_w()), PATIENCE_S, lambda: f"no power point of {among or 'the fleet'} stood still"
    )
    compared = 0
    for _ in range(STEADY_COMPARISONS):
        errors = errors_w()
        compared = max(compared, len(errors))
        report.max_error_w = max([report.max_error_w or 0.0, *errors.values()])
        await asyncio.sleep(POLL_S)
    scale_w = _resolution_w(plant)
    if report.max_error_w is not None and report.max_error_w > scale_w:
        raise NotProved(f"SCADA is {report.max_error_w:.0f} W off the sites; a point's scale is {scale_w:.0f} W")
    return compared


def _resolution_w(plant: Plant) -> float:
    return min(abs(p.to_si(1) - p.to_si(0)) for p in plant.points if p.quantity is Quantity.POWER)


def _telemetry_points(plant: Plant) -> int:
    return sum(1 for point in plant.points if not point.quantity.local)


def _online(plant: Plant) -> int:
    return sum(1 for row in picture.telemetry(plant) if row.seen is not None and row.seen.online)


def _lost(plant: Plant) -> int:
    return sum(1 for row in picture.telemetry(plant) if row.seen is not None and row.seen.comm_lost)


def _scada_words(plant: Plant) -> str:
    return (
        f"SCADA {'is connected' if plant.scada.linked else 'has no link'}: {_online(plant)} points ONLINE and "
        f"{_lost(plant)} COMM_LOST of {_telemetry_points(plant)}"
    )


def _command(plant: Plant, mode: Mode) -> CommandRow:
    return next(row for row in plant.commands if row.mode is mode)


def _status_point(plant: Plant, row: CommandRow) -> PointRow:
    return next(point for point in plant.points if point.name == row.status_point)


def _state_of(plant: Plant, row: CommandRow) -> str:
    point = _status_point(plant, row)
    seen = plant.scada.seen.get((point.type.value, point.index))
    code = int(seen.value) if seen else -1
    return next((state for state, number in COMMAND_STATE_CODES.items() if number == code), f"unknown code {code}")


def _believable_target_w(plant: Plant, row: CommandRow) -> float:
    """A quarter of what the site's storage could deliver: far from every bound for minutes."""
    return round(sum(asset.max_w for asset in plant.sites.members(row.path, PointKind.BATTERY)) / 4, -3)


def _at(plant: Plant, row: CommandRow, target_w: float) -> bool:
    """Whether the site's storage is where it should be: by the sites' own account, within a point's scale."""
    measured = plant.sites.power_w(row.path, PointKind.BATTERY)
    return measured is not None and abs(measured - target_w) <= _resolution_w(plant)


def _site_words(plant: Plant, row: CommandRow) -> str:
    measured = plant.sites.power_w(row.path, PointKind.BATTERY)
    return f"its batteries are at {measured / 1e6:.3f} MW" if measured is not None else "its batteries were not heard"
