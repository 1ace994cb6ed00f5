"""`derms agent` and `derms launch`. The fleet's file is read here, once, and never in a child."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon import logs
from daemon.config import Address
from daemon.options import Seconds

if TYPE_CHECKING:
    from agent.edge import Spec
    from agent.launcher import Status

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


def _address(_: click.Context, __: click.Parameter, text: str) -> str:
    try:
        return str(Address(text))  # a plain string: the children need not load what reads configuration
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def _common(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of everything that starts an agent."""
    options = (
        click.option(
            "--assets",
            type=_FILE,
            envvar="ASSETS_PATH",
            default=Path("assets.yaml"),
            show_default=True,
            show_envvar=True,
            help="The fleet's file.",
        ),
        click.option(
            "--headend",
            metavar="HOST:PORT",
            callback=_address,
            envvar="HEADEND_GRPC",
            default="127.0.0.1:7450",
            show_default=True,
            show_envvar=True,
            help="Where the headend takes agents.",
        ),
        click.option("--pki", type=_FOLDER, required=True, help="The folder that `derms pki init` made."),
        click.option(
            "--state",
            type=_FOLDER,
            help="Where each asset's state is kept; without it a simulated device starts afresh.",
        ),
        click.option(
            "--redial-cap",
            "redial_cap_s",
            metavar="SECONDS",
            type=Seconds(min=0.5, max=86_400),
            help="The longest wait between two dials (30). A large fleet wants a long one: all of it returns at once.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


_ID = click.option(
    "--id", "agent_id", metavar="ID", required=True, help="The id of an asset, or of a site for all of it."
)


@click.group()
def agent() -> None:
    """One edge agent: it drives an asset or a site, dials the headend, and listens nowhere."""


@agent.command()
@_ID
@_common
def run(agent_id: str, assets: Path, **link: Any) -> None:
    """Drive the asset or site ID until SIGTERM or Ctrl-C. It dials a lost headend again; the loop goes on."""
    from agent import edge
    from daemon.run import run as run_daemon

    logs.configure()
    spec = _spec(agent_id, assets, **link)
    edge.check(spec)
    run_daemon(lambda stop: edge.run(spec, stop))


@agent.command()
@_ID
@_common
def check(agent_id: str, assets: Path, **link: Any) -> None:
    """Say whether `run` with the same options could start. Dials nobody."""
    from agent import edge

    spec = _spec(agent_id, assets, **link)
    edge.check(spec)
    edge.check_unexpired(spec)
    many = "asset" if len(spec.assets) == 1 else "assets"
    click.echo(f"agent {agent_id}: {len(spec.assets)} {many}, certificate fine, headend {spec.headend} (not dialled)")


def _marking(command: Callable[..., None]) -> Callable[..., None]:
    """What all commands that set or clear a mark are given."""
    command = click.argument("asset_id", metavar="ASSET")(command)
    return click.argument("folder", metavar="STATE", type=_FOLDER)(command)


_REASON = click.option("--reason", required=True, metavar="TEXT", help="Why; the headend's people read it too.")


@agent.command()
@_marking
@_REASON
def lock(folder: Path, asset_id: str, reason: str) -> None:
    """Set an interlock on ASSET: its agent takes it to 0 W at once and keeps it there until `unlock`.

    STATE is the folder that the agent was given as --state. It holds through restarts, and without the headend.
    """
    _place(folder, asset_id, "locked", reason, "is locked")


@agent.command()
@_marking
def unlock(folder: Path, asset_id: str) -> None:
    """Take the interlock off ASSET. What was asked before the lock does not come back."""
    _clear(folder, asset_id, "locked", "is unlocked", "was not locked")


@agent.command()
@_marking
@_REASON
def local(folder: Path, asset_id: str, reason: str) -> None:
    """Put ASSET in local mode: its agent writes nothing to the device and takes nothing until `remote`.

    STATE is the folder that the agent was given as --state. It holds through restarts, and without the headend.
    """
    _place(folder, asset_id, "local", reason, "is in local mode")


@agent.command()
@_marking
def remote(folder: Path, asset_id: str) -> None:
    """Give ASSET back to its agent. What was asked before does not come back."""
    _clear(folder, asset_id, "local", "is back with its agent", "was not in local mode")


def _place(folder: Path, asset_id: str, ending: str, reason: str, done: str) -> None:
    from agent import marks

    if not reason.strip():
        raise click.BadParameter("say why", param_hint="--reason")
    _require_known(folder, asset_id)
    try:
        marks.place(folder, asset_id, marks.Mark(ending), reason)
    except OSError as error:
        raise _unwritten(folder, asset_id, error) from None
    click.echo(f"asset {asset_id} {done}: {reason}")


def _clear(folder: Path, asset_id: str, ending: str, done: str, idle: str) -> None:
    from agent import marks

    _require_known(folder, asset_id)
    try:
        cleared = marks.clear(folder, asset_id, marks.Mark(ending))
    except OSError as error:
        raise _unwritten(folder, asset_id, error) from None
    click.echo(f"asset {asset_id} {done if cleared else idle}")


def _require_known(folder: Path, asset_id: str) -> None:
    """Raises BadInput: a mark that no agent looks for would seem to hold an asset, and hold nobody."""
    from agent import marks
    from dermscore.errors import BadInput, Problem

    if not marks.known(folder, asset_id):
        what = "no agent has kept the state of this asset here; STATE is what its agent has as --state, ASSET its id"
        raise BadInput([Problem(str(folder), asset_id, what)])


def _unwritten(folder: Path, asset_id: str, error: OSError) -> Exception:
    from dermscore.errors import BadInput, Problem

    return BadInput([Problem(str(folder), asset_id, f"nothing was changed: {error.strerror}")])


@click.command()
@_common
@click.option("--json", "as_json", is_flag=True, help="Each status line as a JSON object.")
def launch(assets: Path, as_json: bool, **link: Any) -> None:
    """Run one agent process per asset of the fleet; restart what dies; end them all on SIGTERM or Ctrl-C.

    When the launcher itself is killed, its agents end by themselves.
    """
    from agent.edge import Spec, check_all
    from agent.launcher import Launcher
    from daemon.run import run as run_daemon
    from dermscore.assets import load_file

    logs.configure()
    fleet = load_file(assets)
    specs = [Spec(asset.id, (asset,), **_given(link)) for asset in fleet.assets.values()]
    check_all(specs)
    say = _Progress(as_json)
    run_daemon(Launcher(specs, say).run)


def _spec(agent_id: str, assets: Path, **link: Any) -> Spec:
    from agent.edge import Spec, assets_of
    from dermscore.assets import load_file

    return Spec(agent_id, assets_of(load_file(assets), agent_id), **_given(link))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """What was asked for; the rest is the Spec's own default."""
    return {name: value for name, value in options.items() if value is not None}


class _Progress:
    """Prints how many live: every tenth while they start, then every change. Owner: the launcher's loop."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._complete = False

    def __call__(self, status: Status) -> None:
        full = status.alive == status.wanted
        step = max(status.wanted // 10, 1)
        if not (full or self._complete or status.alive % step == 0):
            return
        self._complete = self._complete or full
        if self._as_json:
            click.echo(json.dumps({"started": status.alive, "of": status.wanted, "restarts": status.restarts}))
        else:
            click.echo(f"{status.alive}/{status.wanted} started")
