"""`derms headend`: the control plane."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from dermscore.errors import BadInput, Problem

if TYPE_CHECKING:
    from headend.report import Running

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_FOUND_WRONG, _COULD_NOT_TELL = 1, 2
_ASK_S: Final = 5


@click.group()
def headend() -> None:
    """The control plane: agents, dispatch, the HTTP API, gateways."""


@headend.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--pki", type=_FOLDER, help="Where `derms pki init` put the certificates.")
@click.option(
    "--assets",
    "assets_file",
    type=_FILE,
    envvar="ASSETS_PATH",
    show_envvar=True,
    help="The fleet; ./assets.yaml where not given, else the one that comes with derms.",
)
@click.option(
    "--database-url",
    default="sqlite:///history.db",
    show_default=True,
    help="Where history goes: sqlite:///FILE, postgresql://USER@HOST/NAME, or none.",
)
@click.option("--update", is_flag=True, help="Bring an existing DIR in step with this version and with its fleet.")
def init(folder: Path, pki: Path | None, assets_file: Path | None, database_url: str, update: bool) -> None:
    """Make DIR: configuration, fleet, policies, stores with their tables, and which agent may claim which assets.

    Nothing is overwritten. With --update, an existing DIR gets what it lacks: newer tables, the claims of a changed
    fleet (and with --assets, that fleet).
    """
    from dermscore.shipped import default_assets
    from headend import setup

    if update:
        fleet = setup.update(folder, assets_file)
        click.echo(f"{folder}: in step; {len(fleet.assets)} assets at {len(fleet.sites)} sites may be claimed")
        return
    if pki is None:
        raise click.UsageError("--pki DIR is needed: where `derms pki init` put the certificates")
    source = assets_file or default_assets()
    fleet = setup.init(folder, pki, source, database_url)
    click.echo(
        f"{folder}: a headend for {len(fleet.assets)} assets at {len(fleet.sites)} sites ({source})\n"
        f"  1. who may do what:  edit {folder}/policies/headend/{{access.yaml,dispatch.yaml}}\n"
        f"  2. look it over:     derms headend check {folder}\n"
        f"  3. start it:         derms headend run {folder}"
    )


@headend.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
def run(folder: Path) -> None:
    """Run the headend in DIR until SIGTERM or SIGINT. Makes nothing: what is missing stops the start.

    \b
    HEADEND_HTTP_ADDR, HEADEND_GRPC_ADDR, HEADEND_BOUNDARY_ADDR   host:port to listen on
    ASSETS_PATH, DATABASE_URL                                     other than headend.yaml says
    """
    from daemon import logs
    from daemon.run import run as run_until_stopped
    from headend.config import Home
    from headend.service import serve

    logs.configure()
    home = Home.open(folder)
    run_until_stopped(lambda stop: serve(home, stop))


@headend.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(folder: Path, as_json: bool) -> int:
    """Find everything wrong with the headend in DIR: configuration, fleet, policies, certificates, stores, ports."""
    from headend import report, setup

    found = setup.problems(folder, running=report.read(folder) is not None)
    if as_json:
        problems = [{"where": each.where, "path": each.path, "what": each.what} for each in found]
        click.echo(json.dumps({"ok": not found, "problems": problems}, indent=2))
    elif found:
        click.echo(str(BadInput(found)), err=True)
    else:
        click.echo(f"{folder}: fine")
    return _FOUND_WRONG if found else 0


@headend.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(folder: Path, as_json: bool) -> int:
    """Say how the headend in DIR does. Exit 0 when all is well, 1 when something is not, 2 when it does not run."""
    from headend import report
    from headend.config import Home

    Home.open(folder)  # a folder without a headend is an error of its own, not one that is not running
    running = report.read(folder)
    if running is None:
        click.echo(json.dumps({"running": False}) if as_json else f"{folder}: not running")
        return _COULD_NOT_TELL
    answer = _ask(running)
    if answer is None:
        said = {"running": True, "answers": False, "pid": running.pid, "http": running.http}
        click.echo(json.dumps(said) if as_json else f"{folder}: pid {running.pid} does not answer on {running.http}")
        return _COULD_NOT_TELL
    said = _described(folder, running) | answer
    click.echo(json.dumps(said, indent=2) if as_json else _words(folder, said))
    return 0 if answer["status"] == "ok" else _FOUND_WRONG


@headend.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--since", metavar="TIME", help="Only what was decided then or later, such as 2026-12-01T06:00:00Z.")
@click.option("--out", type=_FILE, help="Write to this file, which must not exist; printed where left out.")
def decisions(folder: Path, since: str | None, out: Path | None) -> None:
    """Write out the decisions that the headend in DIR keeps, whole, as JSON lines; it may run meanwhile.

    \b
    derms headend decisions DIR --out LOG
    derms policy replay LOG POLICIES        what another policy would have decided
    """
    from headend import setup
    from headend.config import Home

    since_ms = _moment(since)
    store = setup.open_state(Home.open(folder))
    try:
        count = _write_lines(store.decisions(since_ms), out)
    finally:
        store.close()
    click.echo(f"{folder}: {count} lines" + (f" in {out}" if out else ""), err=True)


def _moment(text: str | None) -> int:
    from dermscore.times import parse

    try:
        return 0 if text is None else parse(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}", param_hint="--since") from None


def _write_lines(lines: Iterable[bytes], out: Path | None) -> int:
    """Write them, one a line, to a new file or to standard output. Returns how many they were."""

    def write(to: IO[bytes]) -> int:
        return sum(1 for line in lines if to.write(line + b"\n"))

    if out is None:
        return write(sys.stdout.buffer)
    try:
        with out.open("xb") as file:
            return write(file)
    except FileExistsError:
        raise BadInput([Problem(str(out), "", "exists already; name another file, or remove it")]) from None


def _ask(running: Running) -> dict[str, Any] | None:
    """What /health says, whatever its code; None where it says nothing."""
    from http.client import HTTPConnection, HTTPException

    host, _, port = running.http.rpartition(":")
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=_ASK_S)
    try:
        connection.request("GET", "/health")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, ValueError, HTTPException):
        return None
    finally:
        connection.close()
    return answer


def _described(folder: Path, running: Running) -> dict[str, Any]:
    from dataclasses import asdict

    from headend import setup

    return {"running": True, "answers": True, **asdict(running), "readings": setup.count_readings(folder)}


def _words(folder: Path, said: dict[str, Any]) -> str:
    readings = "none" if said["readings"] is None else f"{said['readings']} readings"
    lines = [
        f"{folder}: {said['status']} (pid {said['pid']})",
        f"  agents connected  {said['agents_connected']}, for {said['assets']} assets in the fleet",
        f"  history           {said['db']}, {readings}",
        f"  http              http://{said['http']}   (docs at /docs)",
        f"  agents dial       {said['agent_link']}",
        f"  gateways dial     {said['boundary_link']}",
    ]
    return "\n".join([*lines, *(f"  wrong: {reason}" for reason in said["reasons"])])
