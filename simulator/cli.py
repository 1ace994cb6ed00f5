"""`derms demo`."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import click

from daemon.options import Seconds
from simulator.table import LiveScreen, PlainScreen, Screen


@click.command()
@click.option("--seconds", type=Seconds(min=0), help="Run at least this long, then stop. Without: until Ctrl-C.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object last, on stdout; the story goes to stderr."
)
@click.option(
    "--assets",
    "assets_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The fleet to simulate. Without: the packaged demo fleet.",
)
@click.option("--dir", "folder", type=click.Path(file_okay=False, path_type=Path), help="Where everything is written.")
def demo(seconds: float | None, as_json: bool, assets_file: Path | None, folder: Path | None) -> None:
    """The whole system on this machine: sites, headend, gateway, and an independent DNP3 master as SCADA.

    SCADA's command is operated and the sites follow; the headend is killed and SCADA shows COMM_LOST while the sites go
    on; the trail of all that crossed is verified at the end. The stages are always finished, whatever --seconds says.
    """
    from simulator.demo import run, write_report
    from simulator.plant import Plant

    _require_roles()
    where = folder or Path(tempfile.mkdtemp(prefix="derms-demo-"))
    try:
        plant = Plant.prepare(where.resolve(), assets_file)
    except FileExistsError as error:
        raise click.ClickException(str(error)) from error
    screen = _screen(as_json)
    try:
        report = asyncio.run(run(plant, screen, seconds))
    finally:
        screen.close()
    write_report(report, plant.folder)
    if as_json:
        print(json.dumps(report.as_json()))
    raise SystemExit(1 if report.failed_stages else 0)


def _require_roles() -> None:
    """Before anything is written. Raises ModuleNotFoundError; the command line says which extra to install."""
    for module in ("grpc", "sqlalchemy", "fastapi", "py1815", "opendnp3"):
        if importlib.util.find_spec(module) is None:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)


def _screen(as_json: bool) -> Screen:
    if as_json:
        return PlainScreen(sys.stderr)
    return LiveScreen() if sys.stdout.isatty() else PlainScreen(sys.stdout)
