"""`derms assets` and `derms points`, what a person runs on a file before it is used; and `derms policy replay`.

Exit 0: fine. 1: something is wrong with it, every problem printed. 2: it could not be told (no such file).
`derms policy replay` is here and not with the rest of `derms policy`, since decisions are made of policies and not they
of decisions.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dermscore.console import COULD_NOT_TELL, WRONG, as_json_option, check, end
from dermscore.errors import BadInput, Problem, together
from dermscore.policy.cli import policy

if TYPE_CHECKING:
    from dermscore.decision.replay import Difference, Replayed
    from dermscore.policy import Policy

_file = click.Path(path_type=Path)


@click.group()
def assets() -> None:
    """Check assets.yaml, or generate a fleet."""


@assets.command("check")
@click.argument("file", type=_file)
@as_json_option
def check_assets(file: Path, as_json: bool) -> None:
    """Check FILE, an assets.yaml, and say what fleet it describes."""
    check(lambda: _describe_assets(file), as_json)


@assets.command("generate")
@click.option("--sites", type=click.IntRange(1, 100_000), required=True, help="How many sites.")
@click.option("--assets-per-site", type=click.IntRange(1, 10_000), required=True, help="How many assets at each.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives another fleet.")
@click.option("--out", type=_file, help="Write to this file, which must not exist; printed where left out.")
def generate_assets(sites: int, assets_per_site: int, seed: int, out: Path | None) -> None:
    """Write an assets.yaml for trials: the same for the same numbers."""
    from dermscore.assets import generate

    text = generate(sites, assets_per_site, seed)
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        with out.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        end([Problem(str(out), "", "exists already; name another file, or remove it")], WRONG)
    except OSError as error:
        end([Problem(str(out), "", f"cannot be written: {error.strerror}")], COULD_NOT_TELL)


@click.group()
def points() -> None:
    """Check the sheets: what SCADA may see and ask."""


@points.command("check")
@click.argument("points_csv", type=_file)
@click.argument("commands_csv", type=_file, required=False)
@as_json_option
def check_points(points_csv: Path, commands_csv: Path | None, as_json: bool) -> None:
    """Check POINTS_CSV and, where given, the COMMANDS_CSV that goes with it."""
    check(lambda: _describe_sheets(points_csv, commands_csv), as_json)


@policy.command("replay")
@click.argument("log", type=_file)
@click.argument("folder", type=_file)
@as_json_option
def replay_decisions(log: Path, folder: Path, as_json: bool) -> None:
    """Say what another policy would have decided.

    Takes every decision of LOG (`derms headend decisions DIR --out LOG`) again under the policy in FOLDER, and prints
    each that comes out otherwise. Exit 0: none does. 1: some do. 2: it could not be told.

    Each is taken on the facts of its own moment. What an earlier difference would have changed afterwards, such as
    powers, charges and who holds what, is not carried on.
    """
    from dermscore.decision.log import load_file
    from dermscore.decision.replay import replay
    from dermscore.policy import load_folder

    try:
        other = load_folder(folder)
        replayed = replay(load_file(log), other)
    except BadInput as bad:
        end(bad.problems, COULD_NOT_TELL, as_json)
    if not replayed.decisions:  # "0 of 0 would be otherwise" reads like a pass
        end([Problem(str(log), "", "holds no decision, so nothing can be told")], COULD_NOT_TELL, as_json)
    _show_replayed(replayed, other, as_json)


def _show_replayed(replayed: Replayed, other: Policy, as_json: bool) -> None:
    differences = replayed.differences
    if as_json:
        listed = [_listed(each) for each in differences]
        click.echo(json.dumps({"decisions": replayed.decisions, "digest": other.digest, "differences": listed}))
    else:
        click.echo("".join(f"{each}\n" for each in differences), nl=False)
        click.echo(f"{len(differences)} of {replayed.decisions} decisions would be otherwise under {other.digest}")
        if len(differences) > 1:
            click.echo("each on the facts of its own moment: what an earlier difference would change is not carried on")
    click.get_current_context().exit(WRONG if differences else 0)


def _listed(difference: Difference) -> dict[str, Any]:
    from dermscore.decision.request import Granted
    from dermscore.times import written

    request, before, after = difference.request, difference.before, difference.after
    return {
        "id": request.id,
        "at": written(difference.at_ms),
        "who": request.who.id,
        "node": request.node,
        "aim": request.aim.value,
        "target_w": request.target_w,
        "program": request.program,
        "decided_under": before.digest,
        "granted_then": isinstance(before, Granted),
        "granted_now": isinstance(after, Granted),
        "words": list(difference.words),
    }


def _describe_assets(file: Path) -> dict[str, Any]:
    from dermscore.assets import load_file

    fleet = load_file(file)
    kinds = [asset.kind.value for asset in fleet.assets.values()]
    return {
        "sites": len(fleet.sites),
        "assets": len(fleet.assets),
        **{kind: kinds.count(kind) for kind in sorted(set(kinds))},
    }


def _describe_sheets(points_csv: Path, commands_csv: Path | None) -> dict[str, Any]:
    from dermscore.files.textfile import read_text
    from dermscore.sheets.reading import read_commands, read_points

    if commands_csv is None:
        return {"points": len(read_points(read_text(points_csv), str(points_csv)))}
    rows, _ = together(
        lambda: read_points(read_text(points_csv), str(points_csv)),
        lambda: read_commands(read_text(commands_csv), str(commands_csv), None),
    )
    commands = read_commands(read_text(commands_csv), str(commands_csv), rows)
    return {"points": len(rows), "commands": len(commands)}
