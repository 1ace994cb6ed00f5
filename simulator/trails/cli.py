"""`derms rehearse`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from audit.errors import AuditError
from simulator.trails.home import Home
from simulator.trails.plan import LEAST_DAYS, What
from simulator.trails.rehearsal import Wanted, make
from simulator.trails.truth import Truth

_BEGIN: Final = datetime(2026, 1, 1)  # noqa: DTZ001 - click gives naive times, and reads them as such; they are UTC


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.option("--days", type=click.IntRange(LEAST_DAYS), default=90, show_default=True, help="How long it goes on.")
@click.option("--points", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Published points.")
@click.option(
    "--period-s",
    type=click.IntRange(1, 3600),
    default=60,
    show_default=True,
    help="Seconds between publications. A real gateway has 2; fewer records are sooner written.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed, the same story.")
@click.option(
    "--begin", type=click.DateTime(["%Y-%m-%d"]), default=_BEGIN, help="First day, UTC.  [default: 2026-01-01]"
)
@click.option("--without", type=click.Choice([what.value for what in What]), multiple=True, help="Leave these out.")
@click.option("--encrypt", is_flag=True, help="Encrypt bodies; their keys are in DIR/body-keys.")
@click.option("--prune", is_flag=True, help="Prune the oldest full segment at the end, though no retention is over.")
@click.option(
    "--backup-after", type=click.IntRange(0), default=0, help="Copy the trail to DIR/backup after so many days."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was put in as one JSON object.")
def rehearse(folder: Path, begin: datetime, without: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Write a trail of months into DIR to rehearse an audit on, as a gateway would have left it, incidents and all.

    With it come its keys, a ring of persons, the approvals, the documents that it names by digest, a witness, and
    truth.json: what was put in. All keys are made of the seed: they protect nothing.
    """
    begin_us = int(begin.replace(tzinfo=UTC).timestamp()) * 1_000_000
    wanted = Wanted(
        begin_us,
        asked["days"],
        asked["points"],
        asked["period_s"],
        asked["seed"],
        tuple(What(name) for name in without),
        asked["encrypt"],
        asked["prune"],
        asked["backup_after"],
    )
    began_s = time.monotonic()
    try:
        truth = make(folder, wanted, _progress(wanted.days))
    except (FileExistsError, AuditError) as problem:
        raise click.ClickException(str(problem)) from None
    cost = _cost(Home(folder), truth, time.monotonic() - began_s)
    click.echo(json.dumps(truth.as_json() | {"cost": cost.as_json()}) if as_json else _in_words(folder, truth, cost))


def _progress(days: int) -> Callable[[int, int], None]:
    """One line that is written over, where somebody sees it."""

    def tell(day: int, records: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\rday {day} of {days}, {records} records", nl=day == days, err=True)

    return tell


@dataclass(frozen=True, slots=True)
class _Cost:
    """What writing it took: real seconds, and the bytes of header lines and of bodies as they lie there."""

    records: int
    seconds: float
    header_bytes: int
    body_bytes: int

    def as_json(self) -> dict[str, float]:
        return {
            "seconds": round(self.seconds, 1),
            "records_per_s": round(self.records / self.seconds),
            "header_bytes": self.header_bytes,
            "body_bytes": self.body_bytes,
        }


def _cost(home: Home, truth: Truth, seconds: float) -> _Cost:
    return _Cost(truth.records, seconds, _size(home.trail / "headers"), _size(home.trail / "bodies"))


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _in_words(folder: Path, truth: Truth, cost: _Cost) -> str:
    home, tally = Home(folder), truth.tally
    return "\n".join(
        [
            f"{folder}: {truth.days} days, {truth.records} records, {len(truth.incidents)} incidents",
            f"{tally.kinds['crossing.out']} crossings of {truth.points} points, {tally.kinds['command.in']} commands, "
            f"{tally.denials} denials in {tally.kinds['denied']} records",
            f"{cost.header_bytes} bytes of headers and {cost.body_bytes} of bodies, written in {cost.seconds:.0f} s "
            f"({cost.records / cost.seconds:.0f} records/s)",
            f"what was put in, with each incident's time: {home.truth}",
            f"verify it: derms audit verify {home.trail} --key {home.public_keys} --ring {home.ring} "
            f"--witness-key {home.witness / 'witness.pub'}",
        ]
    )
