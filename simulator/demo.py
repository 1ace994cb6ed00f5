"""`derms demo`: start everything, tell the story of `simulator.stages`, stop everything, and say what was proved."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import time
from pathlib import Path

from simulator import picture, stages
from simulator.plant import Plant
from simulator.processes import StoppedEarly, command
from simulator.report import Report
from simulator.stages import NotProved, Stage
from simulator.station import Key, Seen
from simulator.table import Screen

LOOK_EVERY_S = 0.5


async def run(plant: Plant, screen: Screen, seconds: float | None) -> Report:
    """Run the whole demo in `plant`. Returns what was proved; a stage that was not is in `failed_stages`.

    `seconds` is how long it runs at least: the stages are always finished. None runs until SIGINT or SIGTERM.
    Everything that was started is stopped, whatever happens.
    """
    report = Report(http=plant.http, audit_dir=str(plant.trail), audit_key=str(plant.audit_key))
    began = time.monotonic()
    stop = _stop_on_signal()
    try:
        await _perform(plant, screen, report, stop, None if seconds is None else began + seconds)
    finally:
        screen.say("stopping everything")
        await plant.stop()
    if not report.failed_stages or await asyncio.to_thread(plant.trail.is_dir):
        await _conclude(plant, screen, report)
    return report


async def _conclude(plant: Plant, screen: Screen, report: Report) -> None:
    """What is left: a trail that verifies, and evidence made of it."""
    if await _prove(stages.VERIFY, plant, screen, report):
        await _prove(stages.EVIDENCE, plant, screen, report)


def _stop_on_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _perform(plant: Plant, screen: Screen, report: Report, stop: asyncio.Event, until: float | None) -> None:
    screen.say(f"everything is written under {plant.folder}")
    try:
        await plant.set_up()
        await plant.start()
    except StoppedEarly as error:
        screen.say(str(error))
        report.failed_stages.append("start")
        return
    screen.say(f"headend's HTTP API: {plant.http} (try {plant.http}/docs)")
    _measure_latency(plant, report)
    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(plant.scada.listen()), tasks.create_task(_look(plant, screen))]
        story = tasks.create_task(_tell(plant, screen, report))
        await _either(story, stop)
        if story.done() and not stop.is_set():
            await _linger(screen, stop, until)
        await _count(plant, report)
        for task in (*watching, story):
            task.cancel()


async def _tell(plant: Plant, screen: Screen, report: Report) -> None:
    for stage in stages.STAGES:
        if stage.needs_storage and not plant.commands:
            report.not_applicable.append(stage.name)
            screen.say(f"[not applicable] {stage.name}: the fleet has no battery")
        elif not await _prove(stage, plant, screen, report):
            return


async def _prove(stage: Stage, plant: Plant, screen: Screen, report: Report) -> bool:
    try:
        sentence = await stage.prove(plant, report)
    except (NotProved, StoppedEarly, TimeoutError) as error:
        report.failed_stages.append(stage.name)
        screen.say(f"[FAILED] {stage.name}: {error or 'no answer in time'}")
        return False
    screen.say(f"[ok] {stage.name}: {sentence}")
    return True


async def _either(story: asyncio.Task[None], stop: asyncio.Event) -> None:
    """Until the story is told or somebody wants to stop. A story cut short has not been proved to its end."""
    async with asyncio.TaskGroup() as tasks:
        stopped = tasks.create_task(stop.wait())
        await asyncio.wait((story, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()


async def _linger(screen: Screen, stop: asyncio.Event, until: float | None) -> None:
    if until is None:
        screen.say("the system goes on; Ctrl-C ends it")
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), None if until is None else max(0.0, until - time.monotonic()))


async def _look(plant: Plant, screen: Screen) -> None:
    while True:
        now = time.monotonic()
        plant.sites.look(now)
        screen.show(picture.rows(plant), now)
        await asyncio.sleep(LOOK_EVERY_S)


def _measure_latency(plant: Plant, report: Report) -> None:
    telemetry = {(point.type.value, point.index) for point in plant.points if not point.quantity.local}

    def arrived(key: Key, seen: Seen) -> None:
        if key in telemetry and seen.online and seen.event_ms is not None:
            report.latencies_ms.append(seen.at_ms - seen.event_ms)

    plant.scada.on_event = arrived


async def _count(plant: Plant, report: Report) -> None:
    """The figures that are read at the end, while everything still runs."""
    report.scada_polls = plant.scada.scans
    report.points_published = len(plant.scada.seen)
    with contextlib.suppress(StoppedEarly):
        status = await command(
            ["headend", "status", str(plant.folder / "headend"), "--json"], plant.folder / "logs" / "status.log"
        )
        report.readings = json.loads(status)["readings"]


def write_report(report: Report, folder: Path) -> None:
    (folder / "report.json").write_text(json.dumps(report.as_json(), indent=2) + "\n")
