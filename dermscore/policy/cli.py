"""`derms policy`: check a policy, list who may do what, say what a change changes, and why a question is answered so.

`derms policy replay` is in `dermscore.cli`; what the exit codes mean, in `dermscore.console`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from dermscore.console import COULD_NOT_TELL, WRONG, as_json_option, check, end
from dermscore.errors import BadInput, together

if TYPE_CHECKING:
    from dermscore.policy import Policy
    from dermscore.policy.difference.change import Change
    from dermscore.policy.rights.explain import Explanation
    from dermscore.policy.rights.matrix import Entry, Span

_folder = click.Path(path_type=Path)


@click.group()
def policy() -> None:
    """Check the policy; list, compare, explain and replay who may do what."""


@policy.command("check")
@click.argument("folder", type=_folder)
@click.option("--assets", "assets_file", type=_folder, help="Also look for every path and programme in this fleet.")
@click.option(
    "--cases",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder of cases.  [default: cases, beside FOLDER]",
)
@as_json_option
def check_policy(folder: Path, assets_file: Path | None, cases: Path | None, as_json: bool) -> None:
    """Check a policy and run its cases.

    FOLDER holds access.yaml and dispatch.yaml. Prints what there is, and the digest.
    """
    check(lambda: _describe(folder, cases, assets_file), as_json)


def _describe(folder: Path, cases: Path | None, assets_file: Path | None) -> dict[str, Any]:
    from dermscore.policy.files import checking

    found = checking.check(folder, cases or checking.cases_of(folder), assets_file)
    return {
        "principals": len(found.policy.members),
        "grants": len(found.policy.grants),
        "forbids": len(found.policy.forbids),
        "programs": len(found.policy.programs),
        "limits": len(found.policy.limits),
        "rebounds": len(found.policy.rebounds),
        "cases": found.cases,
        "digest": found.policy.digest,
    }


@policy.command("matrix")
@click.argument("folder", type=_folder)
@click.option("--by", type=click.Choice(["principal", "role"]), default="principal", show_default=True)
@click.option("--csv", "as_csv", is_flag=True, help="Print a table for a spreadsheet, power in W.")
@as_json_option
def show_matrix(folder: Path, by: str, as_csv: bool, as_json: bool) -> None:
    """List who may do what.

    Every action of everybody, at every path and time: up to what power, and by which rule.
    """
    from dermscore.policy.rights.matrix import matrix, principals, roles

    found = _loaded(folder, as_json)
    entries = matrix(found, principals(found) if by == "principal" else roles())
    if as_json:
        click.echo(json.dumps({"digest": found.digest, "matrix": list(_rows(entries))}))
    else:
        click.echo(_csv(_rows(entries)) if as_csv else _table(entries), nl=False)


@policy.command("diff")
@click.argument("old", type=_folder)
@click.argument("new", type=_folder)
@as_json_option
def show_difference(old: Path, new: Path, as_json: bool) -> None:
    """Say what a change changes.

    OLD and NEW are folders of a policy each. Exit 1 where anything differs.
    """
    from dermscore.policy import load_folder
    from dermscore.policy.difference import difference

    try:
        before, after = together(lambda: load_folder(old), lambda: load_folder(new))
    except BadInput as bad:
        end(bad.problems, COULD_NOT_TELL, as_json)
    changes = difference(before, after)
    if as_json:
        listed = [{"kind": each.kind.value, "loosens": each.kind.loosens, "words": each.words} for each in changes]
        digests = {"old": before.digest, "new": after.digest}
        click.echo(json.dumps({"same": not changes, **digests, "changes": listed}))
    else:
        click.echo("\n".join(_said(changes)) if changes else "the same: nothing changes")
        if changes:
            loosening = sum(each.kind.loosens for each in changes)
            click.echo(f"{loosening} of {len(changes)} allow more or loosen; {before.digest} becomes {after.digest}")
    click.get_current_context().exit(WRONG if changes else 0)


@policy.command("explain")
@click.argument("folder", type=_folder)
@click.argument("who")
@click.argument("action")
@click.argument("path")
@click.argument("w", type=float, required=False)
@click.option("--at", help="When, such as 2026-12-01T06:00:00Z.  [default: now]")
@as_json_option
def show_explanation(
    folder: Path, who: str, action: str, path: str, w: float | None, at: str | None, as_json: bool
) -> None:
    """Answer one question, and say why.

    Whether WHO may do ACTION at PATH ("/" is the whole fleet) with W watts, and what every rule says to it. Exit 1
    where it is denied.

    A negative W comes after "--": derms policy explain FOLDER WHO dispatch PATH -- -5e6
    """
    from dermscore.model import Now
    from dermscore.policy.rights.explain import explain

    now = Now(_moment(at), 0)
    found = _loaded(folder, as_json)
    result = explain(found, found.principal(who), action, "" if path == "/" else path, w, now=now)
    _show_explanation(result, now.utc_ms, as_json)


def _show_explanation(result: Explanation, at_ms: int, as_json: bool) -> None:
    from dermscore.policy import Allowed
    from dermscore.policy.windows import moment

    verdict = result.verdict
    allowed = isinstance(verdict, Allowed)
    reason = f"granted by {verdict.rule}" if isinstance(verdict, Allowed) else verdict.reason
    if as_json:
        looked = [{"rule": each.place, "applies": each.applies, "why": each.why} for each in result.looked]
        facts = {"allowed": allowed, "reason": reason, "rule": verdict.rule, "at": moment(at_ms)}
        click.echo(json.dumps({**facts, "digest": verdict.digest, "looked_at": looked}))
    else:
        click.echo(f"{'allowed' if allowed else 'denied'}: {reason}  (at {moment(at_ms)})")
        for each in result.looked:
            click.echo(f"  {'*' if each.applies else ' '} {each.place} {each.why}")
    click.get_current_context().exit(0 if allowed else WRONG)


def _moment(text: str | None) -> int:
    from dermscore.times import parse

    try:
        return round(datetime.now(UTC).timestamp() * 1000) if text is None else parse(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}", param_hint="--at") from None


def _loaded(folder: Path, as_json: bool) -> Policy:
    """The policy; where it cannot be used the problems are printed, and the exit is 2."""
    from dermscore.policy import load_folder

    try:
        return load_folder(folder)
    except BadInput as bad:
        end(bad.problems, COULD_NOT_TELL, as_json)


def _said(changes: Iterable[Change]) -> Iterator[str]:
    """The changes by kind, each kind under a heading."""
    from dermscore.policy.difference.change import Kind

    every = list(changes)
    for kind in Kind:
        of_kind = [f"  {change.words}" for change in every if change.kind is kind]
        yield from [f"{kind}:", *of_kind] if of_kind else []


# --- the matrix as rows ----------------------------------------------------------------------------------------------

_COLUMNS: Final = ("who", "roles", "action", "where", "allowed", "max_w", "from", "until", "rules")


def _rows(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    from dermscore.policy.windows import moment

    for entry in entries:
        for span in entry.spans:
            yield {
                "who": entry.subject.name,
                "roles": sorted(entry.subject.roles),
                "action": entry.action.value,
                "where": str(entry.region),
                "allowed": span.most_w is not None,
                "max_w": None if _boundless(span) else span.most_w,
                "from": None if span.from_ms is None else moment(span.from_ms),
                "until": None if span.until_ms is None else moment(span.until_ms),
                "rules": list(span.rules),
            }


def _boundless(span: Span) -> bool:
    return span.most_w is None or math.isinf(span.most_w)


def _csv(rows: Iterable[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "roles": " ".join(row["roles"]), "rules": " ".join(row["rules"])} for row in rows)
    return out.getvalue()


def _table(entries: Iterable[Entry]) -> str:
    from dermscore.dispatch.words import power
    from dermscore.policy.windows import stretch

    lines: list[str] = []
    for who, theirs in groupby(entries, key=lambda entry: entry.subject):
        lines.append(f"{who.name} ({', '.join(sorted(who.roles))})" if who.roles != {who.name} else who.name)
        for entry in theirs:
            for span in entry.spans:
                verdict = "denied" if span.most_w is None else "allowed"
                bound = "" if span.most_w is None or _boundless(span) else f" up to {power(span.most_w)}"
                where = f"{entry.region}{stretch(span.from_ms, span.until_ms)}"
                by = ", ".join(span.rules) or "no grant"
                lines.append(f"  {entry.action.value:<10} {verdict + bound:<22} {where}  [{by}]")
    return "".join(f"{line}\n" for line in lines)
