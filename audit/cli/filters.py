"""What `show`, `follow` and `search` can be asked to keep to: options that they share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from audit.cli.moments import UTC_MOMENT
from audit.telling.search import Wanted

_OPTIONS = (
    click.option("--kind", "kinds", multiple=True, help="Only this kind, or `log.*`; may be given several times."),
    click.option("--session", help="Only this session."),
    click.option("--peer", help="Only this peer."),
    click.option("--decision", help="Only this decision."),
)
_IN_TIME = (
    click.option("--since", type=UTC_MOMENT, help="From here on, such as 2026-11-23 or 2026-11-23T12:00:00Z."),
    click.option("--until", type=UTC_MOMENT, help="Before here."),
)


def by_header(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options that become the members of `Wanted` of the same names."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def in_time(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--since` and `--until`, likewise."""
    for option in reversed(_IN_TIME):
        command = option(command)
    return command


def wanted(asked: dict[str, Any]) -> Wanted:
    return Wanted(**asked)
