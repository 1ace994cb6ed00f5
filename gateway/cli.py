"""`derms gateway`: the OT DMZ's side."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from daemon.options import one_line
from dermscore.errors import BadInput

if TYPE_CHECKING:
    from gateway.config import Home

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FRESH_MS: Final = 5000
_FOUND_WRONG, _COULD_NOT_TELL = 1, 2


@click.group()
def gateway() -> None:
    """The OT DMZ's side: aggregates to legacy SCADA, its commands back, and a record of all that crosses."""


@gateway.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--pki", type=_FOLDER, help="Where `derms pki init` put the certificates.")
@click.option("--headend", help="host:port of the headend's BoundaryLink.  [default: 127.0.0.1:7451]")
@click.option("--origin", help="The trail's name, for ever.  [default: derms/gateway]")
@click.option("--add", is_flag=True, help="Keep all of an existing DIR; make what it lacks and may be made anew.")
def init(folder: Path, pki: Path | None, headend: str | None, origin: str | None, add: bool) -> None:
    """Make DIR: configuration, contract, audit key, empty trail, empty outbox. Nothing is overwritten.

    With --add, a DIR that lacks its outbox, its documents or the folder of its body keys gets empty ones, and the trail
    says so. A trail, its key and the contract are never made anew: they come back from a backup.
    """
    if add:
        if pki or headend or origin:
            raise click.UsageError("--add keeps gateway.yaml as it is; leave --pki, --headend and --origin out")
        _add(folder)
        return
    if pki is None:
        raise click.UsageError("--pki DIR is needed: where `derms pki init` put the certificates")
    _init(folder, pki, headend or "127.0.0.1:7451", "derms/gateway" if origin is None else origin)


def _add(folder: Path) -> None:
    from audit.errors import AuditError
    from gateway import setup

    try:
        made = setup.add(folder)
    except AuditError as error:
        raise click.ClickException(str(error)) from None
    click.echo(
        "\n".join(f"{path}: made, empty" for path in made) or f"{folder}: nothing is missing that can be made anew"
    )


def _init(folder: Path, pki: Path, headend: str, origin: str) -> None:
    from daemon.config import Address
    from gateway import setup

    try:
        address = Address(headend)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--headend") from None
    setup.init(folder, pki, address, origin)
    click.echo(
        f"{folder}: a gateway for the headend at {address}\n"
        f"  1. what may cross:  edit {folder}/policies/gateway/{{boundary.yaml,points.csv,commands.csv}}\n"
        f"  2. look it over:    derms gateway check {folder}\n"
        f"  3. start it:        derms gateway run {folder}\n"
        f"Keep a copy of {folder}/keys/audit.pub elsewhere: whoever verifies the trail needs it from a trusted place."
    )


@gateway.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
def run(folder: Path) -> None:
    """Run the gateway in DIR until SIGTERM or SIGINT."""
    from daemon import logs
    from daemon.run import run as run_until_stopped
    from gateway.config import Home
    from gateway.service import prepare, serve

    logs.configure()
    home = Home.open(folder)
    prepare(home)  # what is wrong is said before a loop is started
    run_until_stopped(lambda stop: serve(home, stop))


@gateway.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def check(folder: Path, as_json: bool) -> int:
    """Find everything wrong with the gateway in DIR: configuration, contract, certificates, keys, ports."""
    from gateway import setup

    found = setup.problems(folder)
    if as_json:
        problems = [{"where": each.where, "path": each.path, "what": each.what} for each in found]
        click.echo(json.dumps({"ok": not found, "problems": problems}, indent=2))
    elif found:
        click.echo(str(BadInput(found)), err=True)
    else:
        click.echo(_summary(folder))
    return _FOUND_WRONG if found else 0


@gateway.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def status(folder: Path, as_json: bool) -> int:
    """Say how the gateway in DIR does. Exit 0 when all is well, 1 when something is not, 2 when it does not run."""
    from gateway import outbox, report, setup, witness
    from gateway.config import Home

    home = Home.open(folder)
    said = report.read(home.status)
    if said is None or not setup.running(home):
        click.echo(json.dumps({"running": False}) if as_json else f"{folder}: not running")
        return _COULD_NOT_TELL
    age_ms = time.time_ns() // 1_000_000 - int(said["time_ms"])
    commands = [_command(row) for row in outbox.read(home.outbox)]
    answer = {"running": True, "age_ms": age_ms, **said, "commands": commands, "cosigned": witness.cosigned(home)}
    wrong = _wrong(answer)
    click.echo(json.dumps({**answer, "wrong": wrong}, indent=2) if as_json else _words(folder, answer, wrong))
    return _FOUND_WRONG if wrong else 0


@gateway.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--reason", required=True, callback=one_line, help="Why, for whoever finds it closed; one line.")
def isolate(folder: Path, reason: str) -> None:
    """Close the boundary: every published point loses ONLINE, commands are BLOCKED, the headend is not dialled.

    It takes effect at once on a running gateway, and outlives its restarts until `rejoin`.
    """
    from gateway import isolation

    isolation.close(_home(folder), f"{_moment()} {reason}")
    click.echo(f"{folder}: the boundary is closed; `derms gateway rejoin {folder}` opens it again")


@gateway.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--reason", callback=lambda *given: given[-1] and one_line(*given), help="Why, for the trail; one line.")
def rejoin(folder: Path, reason: str | None) -> None:
    """Open the boundary again after `isolate`."""
    from gateway import isolation

    was_closed = isolation.open_again(_home(folder), f"{_moment()} {reason or ''}".strip())
    click.echo(f"{folder}: the boundary is open{'; points come back as they cross' if was_closed else ' already'}")


def _moment() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@gateway.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--master", required=True, help="The master's name in boundary.yaml.")
@click.option("--outstation", help="Its outstation; needed where several have a master of that name.")
@click.option("--reason", required=True, callback=one_line, help="Why, for the trail; one line.")
def takeover(folder: Path, master: str, outstation: str | None, reason: str) -> None:
    """Put another master in control: from now on it may operate, and every other is answered BLOCKED_OTHER_MASTER.

    It takes effect at once on a running gateway, and outlives its restarts until the next takeover.
    """
    from gateway import setup
    from gateway import takeover as takeovers
    from gateway.contract import Contract

    home = _home(folder)
    where, name = takeovers.holder(Contract.load(home.contract), master, outstation)
    takeovers.write(folder, takeovers.Takeover(where, name, reason, time.time_ns() // 1_000_000))
    when = "now" if setup.running(home) else "the gateway's next start (it does not run)"
    click.echo(f"{folder}: {name} on {where} is in control from {when} on")


def _home(folder: Path) -> Home:
    from gateway.config import Home

    return Home.open(folder)


def _summary(folder: Path) -> str:
    from gateway import setup
    from gateway.contract import Contract

    home = _home(folder)
    running = "; this gateway is running" if setup.running(home) else ""
    contract = Contract.load(home.contract)
    listening = ", ".join(f"{each.name} on {each.listen}" for each in contract.boundary.outstations)
    return (
        f"{folder}: fine. {contract.boundary.contract} contract {contract.digest[:16]}: {len(contract.points)} points, "
        f"{len(contract.commands)} commands; {listening}; headend {home.config.headend}{running}"
    )


def _command(row: Any) -> dict[str, Any]:
    return {"id": row.id, "command": row.name, "target_w": row.target_w, "state": row.state, "reason": row.reason}


def _wrong(said: dict[str, Any]) -> list[str]:
    """What a person on duty should look at."""
    found = []
    if said["age_ms"] > _FRESH_MS:
        found.append(f"it has not reported for {said['age_ms'] / 1000:.0f} s")
    if said["isolated"]:
        found.append("the boundary is closed (derms gateway rejoin opens it)")
    if said["headend_link"] != "up" and not said["isolated"]:
        found.append("the headend cannot be reached, or is not believed: see the log")
    if said["audit"] != "ok":
        found.append(f"the trail: {said['audit']}")
    if said.get("witness", "").startswith(("not cosigned", "ALARM")):
        found.append(f"the witness: {said['witness']}; {_not_cosigned(said['cosigned'])}")
    if said["comm_lost"]:
        found.append(f"{said['comm_lost']} of {said['published']} published points are COMM_LOST")
    return found


def _not_cosigned(reach: dict[str, Any] | None) -> str:
    if reach is None:
        return "no record is cosigned: gateway.yaml names no witness"
    if reach["size"] is None:
        return f"no record is cosigned yet, of {reach['records']}"
    return f"cosigned up to {reach['size']} records at {reach['time']}, {reach['not_cosigned']} not yet"


def _in_control(said: dict[str, Any]) -> str:
    holder = said["in_control"]
    return f"{holder['master']} on {holder['outstation']} is in control" if holder else "nobody has operated yet"


def _words(folder: Path, said: dict[str, Any], wrong: list[str]) -> str:
    masters = [f"{name}: {', '.join(each['masters']) or 'no master'}" for name, each in said["outstations"].items()]
    boundary = "closed" if said["isolated"] else "open"
    lines = [
        f"{folder}: {said['contract']} contract {said['contract_digest'][:16]}, process {said['pid']}",
        f"  headend link {said['headend_link']}, trail {said['audit']}, boundary {boundary}",
        f"  witness {said.get('witness', 'unknown')}; {_not_cosigned(said['cosigned'])}",
        f"  {said['good']} of {said['published']} published points good, {said['comm_lost']} COMM_LOST",
        f"  {'; '.join(masters)}; {_in_control(said)}",
        *(f"  command {each['command']}: {each['state']} {each['reason']}".rstrip() for each in said["commands"][:5]),
        *(f"  WRONG: {each}" for each in wrong),
    ]
    return "\n".join(lines)
