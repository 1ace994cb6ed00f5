"""`derms audit verify`: exit 0 verified, 1 tampered, 2 could not tell.

Exit 1 means tampered and nothing else: what goes wrong with the verifying itself is exit 2.
"""

from __future__ import annotations

import json
import os
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click

from audit import keys
from audit.cli.moments import UTC_MOMENT, now_us
from audit.cli.output import COULD_NOT_TELL, Undecided, say
from audit.cli.progress import progress
from audit.disk import write_durable
from audit.errors import AuditError
from audit.evidence.cli import verify_evidence
from audit.format.layout import Layout
from audit.reading.forms import NotOneMember
from audit.secrecy import KeyFolder
from audit.telling import report
from audit.telling.report import Facts
from audit.telling.spoken import as_object, in_words
from audit.telling.tally import Tally, tally
from audit.verify import CouldNotTell, Tampered, Verdict, Verified, verify
from audit.verify.scope import EVERYTHING, Scope
from audit.witness import attested
from audit.witness.attested import Reach
from audit.witness.coverage import COSIGNED
from audit.witness.store import load_keys

TAMPERED: Final = 1
_MOST_WORKERS: Final = 8

_FILE = click.Path(path_type=Path)


@dataclass(frozen=True, slots=True)
class Given:
    """What a log is verified by, all of it from outside the log; but for `cosigned`, where that is not given."""

    key_file: Path
    ring_file: Path | None
    body_keys: Path | None
    witness_key: Path | None
    cosigned: Path | None


@click.command("verify")
@click.argument("log", type=_FILE)
@click.option("--key", "key_file", required=True, type=_FILE, help="Verifier key file (audit.pub).")
@click.option("--ring", "ring_file", type=_FILE, help="Ring of persons, to judge approvals by.")
@click.option("--body-keys", type=_FILE, help="Folder of body keys, to read encrypted bodies.")
@click.option("--witness-key", type=_FILE, help="Its witness's key (witness.pub).")
@click.option("--cosigned", type=_FILE, help="The witness's own copy.  [default: LOG/cosigned]")
@click.option("--since", type=UTC_MOMENT, help="Read the values, and tell of what happened, from here on only.")
@click.option("--until", type=UTC_MOMENT, help="Before here only. Headers are checked over all of the log.")
@click.option(
    "--deep/--headers-only", default=True,
    help="Check every value, too (default), or none: much faster. It says how many were left out.",
)  # fmt: skip
@click.option(
    "--workers", type=click.IntRange(1), default=lambda: _cores(), show_default="one per core, 8 at most",
    help="Processes that check segments at the same time.",
)  # fmt: skip
@click.option("--html", "html_file", type=_FILE, help="Write a report to print, too; the file must not exist.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of sentences.")
@click.pass_context
def verify_command(
    context: click.Context,
    /,
    log: Path,
    since: int | None,
    until: int | None,
    deep: bool,
    workers: int,
    html_file: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Check every record of LOG against its signed checkpoint, with a key that you have from elsewhere.

    LOG is a log's folder, or an evidence file. Exit 0: verified. 1: tampered, and nothing else. 2: could not tell.
    """
    by, scope = Given(**given), Scope(since, until, deep)
    if _is_file(log):
        context.exit(_of_evidence(log, by, scope, html_file, as_json))
    _refuse(by, html_file)
    verdict, reach = _judged(log, by, scope, workers, as_json)
    counted = None
    if html_file is not None and isinstance(verdict, Verified):
        counted = _counted(log, verdict, scope, as_json)
        verdict = counted if isinstance(counted, CouldNotTell) else verdict
    now = now_us()
    say(json.dumps(as_object(verdict, reach)) if as_json else in_words(verdict, reach, log, now))
    code = {Verified: 0, Tampered: TAMPERED, CouldNotTell: COULD_NOT_TELL}[type(verdict)]
    if html_file is not None:
        facts = Facts(str(log), now, scope, verdict, reach, counted if isinstance(counted, Tally) else None)
        code = code if _written(html_file, facts) else code or COULD_NOT_TELL
    context.exit(code)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False  # whoever opens it as a log will say what is wrong


def _of_evidence(path: Path, by: Given, scope: Scope, html_file: Path | None, as_json: bool) -> int:
    """LOG is a file: evidence that was made of a log."""
    if by.cosigned is not None or html_file is not None or scope != EVERYTHING:
        raise click.UsageError(
            "evidence is verified whole, and with what is in it: no --cosigned, --html, --since, ..."
        )
    return verify_evidence(
        path, as_json, key_file=by.key_file, ring_file=by.ring_file, body_keys=by.body_keys, witness_key=by.witness_key
    )


def _cores() -> int:
    return min(os.cpu_count() or 1, _MOST_WORKERS)


def _refuse(by: Given, html_file: Path | None) -> None:
    """What cannot be done, before anything was read."""
    if by.cosigned is not None and by.witness_key is None:
        raise click.UsageError("--cosigned needs --witness-key: who is to have cosigned it?")
    if html_file is not None and os.path.lexists(html_file):
        raise Undecided(f"{html_file} exists; nothing is overwritten, and nothing was verified")


def _judged(log: Path, by: Given, scope: Scope, workers: int, quiet: bool) -> tuple[Verdict, Reach | None]:
    try:
        public = keys.load_public(by.key_file)
        ring = None if by.ring_file is None else keys.load_ring(by.ring_file)
        body_keys = None if by.body_keys is None else KeyFolder(by.body_keys)
        where = by.cosigned or log / COSIGNED
        word = None if by.witness_key is None else attested.read_word(where, load_keys(by.witness_key))
        with progress("verifying", quiet) as bar:
            verdict = verify(
                log, public, ring=ring, body_keys=body_keys, scope=scope, workers=workers, progress=bar.tell
            )
        return (verdict, None) if word is None else attested.attest(log, verdict, word, where)
    except AuditError as problem:
        return CouldNotTell(str(problem)), None
    except OSError as problem:
        return CouldNotTell(f"a file cannot be read: {problem}"), None
    except Exception as fault:  # not exit 1, which would say that the log was tampered with
        traceback.print_exc()
        return CouldNotTell(f"the verifier itself failed ({fault!r}); that says nothing about the log"), None


def _counted(log: Path, verdict: Verified, scope: Scope, quiet: bool) -> Tally | CouldNotTell:
    """What the report counts, from the bytes that were verified; they may be others by now."""
    try:
        with progress("counting", quiet) as bar:
            counted = tally(Layout(log), verdict.records, scope, bar.tell)
    except (OSError, ValueError, NotOneMember) as problem:
        return CouldNotTell(f"the log verified, and could not be read again for the report: {problem}")
    if counted.root != verdict.root:
        return CouldNotTell("the log verified, and was changed while it was read again for the report")
    return counted


def _written(path: Path, facts: Facts) -> bool:
    """Put the report in place, whole or not at all; False where that cannot be: the verdict stands all the same."""
    try:
        write_durable(path, report.page(facts).encode("utf-8", "backslashreplace"))
    except Exception as problem:  # not exit 1 for that, which would say that the log was tampered with
        click.echo(f"Error: the report cannot be written: {problem}", err=True)
        return False
    return True
