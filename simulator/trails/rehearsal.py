"""A rehearsal, made: a folder with a trail of months, and the truth of what was put into it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from audit.format.layout import SEGMENT_LINES, Layout
from audit.log import Log
from audit.secrecy import KeyFolder
from simulator.trails import plan, site
from simulator.trails.home import ORIGIN, WITNESS, Home
from simulator.trails.host import Clock
from simulator.trails.people import drawn_key, people
from simulator.trails.plan import What
from simulator.trails.standin import StandIn
from simulator.trails.story import Story
from simulator.trails.trail import Trail
from simulator.trails.truth import Truth
from simulator.trails.witness import Witness


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to rehearse. `begin_us`: UTC microseconds, a whole second; `without`: incidents that do not happen;
    `backup_after`: days after which the trail's folder is copied, 0 never.
    """

    begin_us: int
    days: int
    points: int
    period_s: int
    seed: int
    without: Sequence[What] = ()
    encrypted: bool = False
    prune: bool = False
    backup_after: int = 0


def make(
    folder: Path,
    wanted: Wanted,
    day_is_over: Callable[[int, int], None] = lambda days, records: None,
    *,
    segment_lines: int = SEGMENT_LINES,
) -> Truth:
    """Write a rehearsal into `folder`, which must not be there or be empty; `day_is_over` hears of each day, with the
    records so far. The same arguments make the same truth; the bytes differ, for the log names the process.

    Raises:
        ValueError: too few days.
        FileExistsError, OSError, AuditError: the folder is not empty, or the disk fails.
    """
    planned = plan.plan(wanted.days, wanted.seed, wanted.without)
    everybody, files = people(wanted.seed, wanted.begin_us), site.files(wanted.points, wanted.period_s, wanted.seed)
    home, layout = Home(folder), Layout(Home(folder).trail, segment_lines)
    home.make(everybody)
    key = drawn_key(wanted.seed, "log 0")
    Log.init(home.trail, key, ORIGIN, segment_lines=segment_lines)
    if wanted.encrypted:
        home.body_keys.mkdir(mode=0o700)
    clock = Clock(wanted.begin_us, wanted.seed)
    trail = Trail(layout, key, clock, KeyFolder(home.body_keys) if wanted.encrypted else None)
    witness = Witness(home.witness, WITNESS, drawn_key(wanted.seed, "witness"), layout)
    gateway = StandIn(home, everybody, files, trail, witness, clock)
    story = Story(planned, wanted.seed, files, gateway, trail, clock, wanted.period_s * 1_000_000)

    def over(days: int) -> None:
        if days == wanted.backup_after:
            trail.settle()
            shutil.copytree(home.trail, home.backup)
        day_is_over(days, trail.tally.kinds.total())

    story.tell(over)
    if wanted.prune:
        trail.prune(everybody, gateway.ticket())
    gateway.stop("the rehearsal is over")
    truth = Truth(
        ORIGIN,
        wanted.seed,
        wanted.begin_us,
        wanted.begin_us + planned.end_us,
        wanted.days,
        wanted.points,
        wanted.period_s,
        planned.incidents,
        trail.tally,
    )
    home.hand_over(drawn_key(wanted.seed, f"log {len(gateway.epochs) - 1}"), gateway.epochs, truth.as_json())
    return truth
