"""`derms pki`: certificates for one installation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from wire.certificates import Facts

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def pki() -> None:
    """Certificates for headend, gateway and agents: who is who."""


@pki.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option(
    "--assets",
    type=_FILE,
    envvar="ASSETS_PATH",
    show_envvar=True,
    help="The fleet, whose every asset and site gets a certificate; ./assets.yaml where not given, else the one that "
    "comes with derms.",
)
@click.option("--host", "hosts", multiple=True, help="A name or IP address the headend is dialled by; repeat for more.")
@click.option("--days", type=click.IntRange(1, 3650), default=825, show_default=True, help="How long they are valid.")
@click.option("--add", is_flag=True, help="Keep all that is there; only make what new agents lack.")
def init(folder: Path, assets: Path | None, hosts: tuple[str, ...], days: int, add: bool) -> None:
    """Make DIR: a CA, the certificates of headend, gateway and every agent, and the publishing key.

    Nothing is ever overwritten. Keys are readable by their owner only; keep ca.key off the machines that run.
    """
    from dermscore.assets import load_file
    from dermscore.shipped import default_assets
    from wire import pki as authority

    source = assets or default_assets()
    fleet = load_file(source)
    agents = [*fleet.assets, *fleet.sites]
    if add:
        if hosts:
            raise click.UsageError("--host needs a new headend certificate, which --add does not make")
        made = authority.add(folder, agents, days=days)
        new = "1 new agent certificate" if len(made) == 1 else f"{len(made)} new agent certificates"
        click.echo(f"{folder}: {new}, {len(agents) - len(made)} were there ({source})")
        return
    count = authority.init(folder, agents, hosts=hosts, days=days)
    click.echo(
        f"{folder}: a CA, headend, gateway, publishing key, and {count} agents ({len(fleet.sites)} of them sites; "
        f"{source})"
    )


@pki.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--days", type=click.IntRange(1, 3650), default=825, show_default=True, help="How long they are valid.")
def renew(folder: Path, names: tuple[str, ...], days: int) -> None:
    """Replace the certificate and key of each NAME (headend, gateway, or an agent's id) in DIR, where ca.key lies.

    Hosts stay as they were. Carry the new .crt and .key to where the old ones were used, and restart what uses them.
    """
    from wire import pki as authority

    for name in names:
        until = authority.renew(folder, name, days=days)
        click.echo(f"{folder}: {name} has a new key and certificate, valid until {until:%Y-%m-%dT%H:%M:%SZ}")


@pki.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON array.")
def show(folder: Path, as_json: bool) -> int:
    """List the certificates in DIR and what is wrong with them (exit 1 if anything is)."""
    from wire.certificates import survey

    found = survey(folder)
    if as_json:
        click.echo(json.dumps([facts.as_json() for facts in found], indent=2))
    else:
        for facts in found:
            click.echo(_line(facts))
    return 1 if any(facts.wrong for facts in found) else 0


def _line(facts: Facts) -> str:
    who = f"{facts.role}:{facts.id}" if facts.id else facts.role or "?"
    note = "; ".join(facts.wrong) or ("expires soon" if facts.soon else "ok")
    return f"{facts.file:<48} {who:<44} {facts.not_after or '-':<20} {facts.days_left:>5} d  {note}"
