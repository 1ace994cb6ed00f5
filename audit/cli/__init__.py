"""`derms audit`: read, verify and keep the tamper-evident trail. A module per command, or per few that belong together.

Each is imported only when it is used. Of `verify`, exit 1 means tampered and nothing else.
"""

from __future__ import annotations

import importlib
from typing import Final, NamedTuple

import click


class Room(NamedTuple):
    """Where a command lives (`module`, its attribute `name`), and its line in the help."""

    module: str
    name: str
    help: str


COMMANDS: Final[dict[str, Room]] = {
    "verify": Room("audit.cli.verify", "verify_command", "Check a log with a key that you have from elsewhere."),
    "show": Room("audit.cli.show", "show_command", "Print a log's records. It does not verify them."),
    "follow": Room("audit.cli.follow", "follow_command", "Print new records as they are released. The same holds."),
    "search": Room("audit.cli.search", "search_command", "Find a point, a command, a session, a rule in a log."),
    "key": Room("audit.cli.key", "key_command", "Make a log's signing key."),
    "rotate-key": Room("audit.cli.keeping", "rotate_key", "Change a log's signing key."),
    "pack": Room("audit.cli.keeping", "pack", "Compress a log's full segments."),
    "prune": Room("audit.cli.keeping", "prune", "Take away the oldest segments, approved by two persons."),
    "rebase": Room("audit.cli.keeping", "rebase", "Begin a new log after a restore, approved by two persons."),
    "person": Room("audit.cli.people", "person_group", "Named persons and their keys."),
    "ring": Room("audit.cli.people", "ring_group", "The ring: who may approve."),
    "approve": Room("audit.cli.people", "approve_command", "Sign a request or an approval with your own key."),
    "witness": Room("audit.witness.cli", "witness", "Cosign a trail's checkpoints, on another host than the trail's."),
    "evidence": Room("audit.evidence.cli", "evidence_command", "Answer an auditor's request with one file."),
    "review": Room("audit.evidence.cli_review", "review_group", "Sign that evidence was read; see what is due."),
    "page": Room("audit.cli.page", "page", "Write the verifier out as one page for a browser."),
}


class _Lazy(click.Group):
    """A group whose commands are named by strings; `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        room = COMMANDS.get(cmd_name)
        if room is None:
            return None
        command: click.Command = getattr(importlib.import_module(room.module), room.name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, room.help) for name, room in COMMANDS.items()])


@click.group(cls=_Lazy)
def audit() -> None:
    """The tamper-evident trail: verify it, read it, keep it. Exit 0 fine, 1 found wrong, 2 could not tell."""
