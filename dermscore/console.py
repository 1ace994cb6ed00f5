"""What every command that looks at files has in common: its exit codes, `--json`, and how it tells what is wrong.

Exit 0: fine, the same, allowed. 1: something is wrong, differs, is denied. 2: it could not be told.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final, NoReturn

import click

from dermscore.errors import BadInput, Problem, Unreadable

WRONG: Final = 1
COULD_NOT_TELL: Final = 2

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for scripts.")


def check(describe: Callable[[], dict[str, Any]], as_json: bool) -> None:
    """Say what a good file holds, or everything that is wrong with it, and end with the exit code that says which."""
    try:
        facts = describe()
    except BadInput as bad:
        end(bad.problems, COULD_NOT_TELL if isinstance(bad, Unreadable) else WRONG, as_json)
    words = ", ".join(f"{name} {value}" for name, value in facts.items())
    click.echo(json.dumps({"ok": True, **facts, "problems": []}) if as_json else f"fine: {words}")


def end(problems: Iterable[Problem], code: int, as_json: bool = False) -> NoReturn:
    """Tell the problems, and end with an exit code."""
    if as_json:
        found = [{"where": each.where, "path": each.path, "what": each.what} for each in problems]
        click.echo(json.dumps({"ok": False, "problems": found}))
    else:
        click.echo("\n".join(map(str, problems)), err=True)
    click.get_current_context().exit(code)
