"""`derms`: one command, a group per role, each loaded only when it is used.

A role that is not installed costs nothing and says which extra it needs. What the product raises on purpose is printed
plainly; anything else is a fault of ours and keeps its traceback.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from daemon.version import version
from dermscore.errors import DermsError, Unreadable

FOUND_WRONG = 1
COULD_NOT_TELL = 2
_INTERRUPTED = 130
_BROKEN_PIPE = 141
_PROGRAM = "derms"


@dataclass(frozen=True, slots=True)
class Role:
    """Where a command lives (`module`, its attribute `name`), which extra carries it, and its line in the help."""

    module: str
    extra: str
    help: str


ROLES: dict[str, Role] = {
    "demo": Role("simulator.cli", "demo", "Show the whole system at work on this machine, kills included."),
    "headend": Role("headend.cli", "headend", "The control plane: agents, dispatch, the HTTP API, gateways."),
    "agent": Role("agent.cli", "agent", "One edge agent, for one asset or one site."),
    "launch": Role("agent.cli", "agent", "A process per asset, for simulated fleets."),
    "gateway": Role("gateway.cli", "gateway", "The OT DMZ's side: aggregates to legacy SCADA, its commands back."),
    "audit": Role("audit.cli", "audit", "Verify and show the trail of all that crossed."),
    "rehearse": Role("simulator.trails.cli", "gateway", "Write a trail of months, to rehearse an audit on."),
    "pki": Role("wire.cli", "agent", "Certificates for headend, gateway and agents."),
    "points": Role("dermscore.cli", "", "Check the sheets: what SCADA may see and ask."),
    "policy": Role("dermscore.cli", "", "Check, list, compare, explain and replay who may do what."),
    "assets": Role("dermscore.cli", "", "Check assets.yaml, or generate a fleet."),
}

_OURS = frozenset({role.module.partition(".")[0] for role in ROLES.values()} | {"daemon"})


class NotInstalled(click.ClickException):
    """A command that this installation does not carry."""

    exit_code = COULD_NOT_TELL


class LazyGroup(click.Group):
    """A group whose commands are modules named by strings; `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(ROLES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        role = ROLES.get(cmd_name)
        return None if role is None else load(cmd_name, role)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, role.help) for name, role in ROLES.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run and, standing alone, end the process: what was raised on purpose in plain words, by its exit code."""
        extra["complete_var"] = complete_var
        if not standalone_mode:
            return super().main(args, prog_name or _PROGRAM, standalone_mode=False, **extra)
        code = self._run(args, prog_name or _PROGRAM, extra)
        sys.exit(code if _all_said() else _BROKEN_PIPE)

    def _run(self, args: Sequence[str] | None, program: str, extra: dict[str, Any]) -> int:
        try:
            result = super().main(args, program, standalone_mode=False, **extra)
            return result if isinstance(result, int) else 0
        except click.ClickException as wrong:
            wrong.show()
            return wrong.exit_code
        except DermsError as wrong:
            click.echo(str(wrong), err=True)
            return COULD_NOT_TELL if isinstance(wrong, Unreadable) else FOUND_WRONG
        except (click.Abort, KeyboardInterrupt):
            return _INTERRUPTED
        except ModuleNotFoundError as missing:
            return _not_installed(missing, sys.argv[1:] if args is None else args)
        except OSError as error:
            return _plain_fault(error)

    def invoke(self, ctx: click.Context) -> Any:
        """As click does, but a reader who has gone away is quiet (click would call that a failure)."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _silence_stdout()
            ctx.exit(_BROKEN_PIPE)


def load(name: str, role: Role) -> click.Command:
    """Import the module of a role and take its command `name`.

    Raises:
        NotInstalled: a package that the role needs is missing, or this build does not carry the role.
    """
    try:
        module = importlib.import_module(role.module)
    except ModuleNotFoundError as missing:
        top = (missing.name or "").partition(".")[0]
        if top in _OURS and missing.name != role.module:
            raise  # a fault of ours, not of the installation
        raise NotInstalled(_how_to_install(name, role, missing.name or "")) from None
    command = getattr(module, name, None)
    if not isinstance(command, click.Command):
        raise NotInstalled(f"this build of derms has no command {name!r}")
    return command


def _how_to_install(name: str, role: Role, missing: str) -> str:
    if missing == role.module or not role.extra:
        return f"{name}: this build of derms does not carry it ({missing} is missing)"
    return (
        f"{name}: this role is not installed ({missing} is missing): install the wheel with its extra, "
        f"derms[{role.extra}], or requirements/{role.extra}.txt"
    )


def _not_installed(missing: ModuleNotFoundError, args: Sequence[str]) -> int:
    """A command met a package that its role needs only when it ran. Raises again what is a fault of ours."""
    name = next((arg for arg in args if arg in ROLES), None)
    if name is None or (missing.name or "").partition(".")[0] in _OURS:
        raise missing
    click.echo(f"Error: {_how_to_install(name, ROLES[name], missing.name or '')}", err=True)
    return COULD_NOT_TELL


def _plain_fault(error: OSError) -> int:
    if error.errno == errno.EPIPE:
        _silence_stdout()
        return _BROKEN_PIPE
    if error.errno == errno.EADDRINUSE:
        click.echo(f"an address that is to be listened on is in use: {error.strerror or error}", err=True)
        return FOUND_WRONG
    if error.filename is not None:
        click.echo(f"{error.filename}: {error.strerror}; choose a place that can be read and written", err=True)
        return FOUND_WRONG
    raise error


def _all_said() -> bool:
    """Write what is still buffered, whatever the command came to; False where its reader has gone away."""
    try:
        if sys.stdout is not None:  # as it is where the shell has closed it
            sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        return False
    return True


def _silence_stdout() -> None:
    """What is still buffered goes nowhere, or the interpreter would complain about the pipe as it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"{_PROGRAM} {version()}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show it, and exit."
)
@click.option(
    "--log",
    "log_format",
    type=click.Choice(["auto", "plain", "json"]),
    envvar="DERMS_LOG",
    default="auto",
    help="How logs are written to stderr. auto: plain on a terminal, else JSON.  [env: DERMS_LOG]",
)
def main(log_format: str) -> None:
    """The boundary between distributed energy resources and the grid operator's legacy SCADA.

    Exit codes: 0 fine, 1 found something wrong, 2 could not tell (or was called wrongly).
    """
    os.environ["DERMS_LOG"] = log_format  # for this process's logs, and those of the processes it starts


if __name__ == "__main__":
    main()
