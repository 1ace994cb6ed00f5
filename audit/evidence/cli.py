"""`derms audit evidence`: answer an auditor's request with one file. Exit 0 made and verified; 1 the log is tampered
with, so that no evidence is made of it; 2 there is none for another reason."""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import click

from audit import keys
from audit.cli.moments import UTC_MOMENT, now_us
from audit.cli.output import COULD_NOT_TELL, say
from audit.cli.progress import Progress, progress
from audit.errors import AuditError
from audit.evidence import words
from audit.evidence.contents import Progress as Tell
from audit.evidence.given import Given, Maker
from audit.evidence.make import Made, Refused, make
from audit.evidence.people import BCSI
from audit.evidence.request import Request, asked
from audit.evidence.undecided import or_undecided
from audit.evidence.verdict import EvidenceTampered, EvidenceVerdict, EvidenceVerified
from audit.evidence.verify import verify
from audit.secrecy import KeyFolder
from audit.verify.verdict import CouldNotTell, Tampered
from audit.witness.store import load_keys
from audit.words import printable

TAMPERED: Final = 1
_MOST_WORKERS: Final = 8
_File: Final = click.Path(path_type=Path, dir_okay=False)
_Folder: Final = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command("evidence")
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--key", "key_file", required=True, type=_File, help="Verifier key file (audit.pub).")
@click.option("--from", "since", required=True, type=UTC_MOMENT, help="Begin of the period, included.")
@click.option("--to", "until", required=True, type=UTC_MOMENT, help="End of the period, not included.")
@click.option("--as", "person", required=True, type=_File, help="Your private key: you sign the manifest.")
@click.option("--name", help="Your name as in the ring; that of the key file unless given.")
@click.option("--out", required=True, type=_File, help="File to write.")
@click.option("--request-id", default="-", help="The auditor's name of the request.")
@click.option("--kind", "kinds", multiple=True, help="Only this kind, or `log.*`; may be given several times.")
@click.option("--sample", type=click.IntRange(1), help="Only so many records, chosen by the seed.")
@click.option("--seed", default="", help="What the auditor gives to choose by; the log's root unless given.")
@click.option("--ring", "ring_file", type=_File, help="Ring of persons, to judge approvals by.")
@click.option("--witness-key", type=_File, help="The witness's key (witness.pub).")
@click.option("--documents", multiple=True, type=_Folder, help="Folder with contracts and policies.")
@click.option("--permissions", multiple=True, type=_File, help="points.csv or commands.csv, if in no document.")
@click.option("--body-keys", type=_Folder, help="Folder of body keys, to check encrypted values.")
@click.option("--withhold-values", is_flag=True, help="Leave the values out; their digests stay.")
@click.option("--bcsi", "mark", is_flag=False, flag_value=BCSI, default="", help="Mark it, with these words if any.")
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of sentences.")
@click.pass_context
def evidence_command(context: click.Context, /, log: Path, out: Path, as_json: bool, **options: Any) -> None:
    """Answer a request about LOG and a period with one file that can be checked alone."""
    with or_undecided("no evidence was made"):
        made = _made(log, out, as_json, **options)
    say(json.dumps(_as_object(made)) if as_json else _in_words(made, log))
    if isinstance(made, Refused):
        context.exit(COULD_NOT_TELL if isinstance(made.verdict, CouldNotTell) else TAMPERED)


def _made(
    log: Path,
    out: Path,
    quiet: bool,
    *,
    key_file: Path,
    since: int,
    until: int,
    person: Path,
    name: str | None,
    request_id: str,
    kinds: tuple[str, ...],
    sample: int | None,
    seed: str,
    force: bool,
    **given: Any,
) -> Made | Refused:
    request = Request(asked(since, until, kinds), request_id, sample, seed)
    maker = Maker(name or person.stem, keys.load_private(person))
    workers = min(os.cpu_count() or 1, _MOST_WORKERS)
    with _stages(quiet) as tell:
        by = _given(key_file, **given)
        return make(log, request, out, maker, by, now=now_us(), replace=force, workers=workers, tell=tell)


def _given(
    key_file: Path,
    *,
    ring_file: Path | None,
    witness_key: Path | None,
    body_keys: Path | None,
    **others: Any,
) -> Given:
    return Given(
        keys.load_public(key_file),
        ring=None if ring_file is None else keys.load_ring(ring_file),
        witness_keys=() if witness_key is None else load_keys(witness_key),
        body_keys=None if body_keys is None else KeyFolder(body_keys),
        **others,
    )


class _Stages:
    """A bar for what is being done at the moment. Owned by the command."""

    def __init__(self, stack: ExitStack, quiet: bool) -> None:
        self._outer = stack
        self._quiet = quiet
        self._what = ""
        self._bar: Progress | None = None

    def __call__(self, what: str, done: int, of: int) -> None:
        if what != self._what or self._bar is None:
            self._outer.close()
            self._what, self._bar = what, self._outer.enter_context(progress(what, self._quiet))
        self._bar.tell(done, of)


@contextmanager
def _stages(quiet: bool) -> Iterator[_Stages]:
    with ExitStack() as stack:
        yield _Stages(stack, quiet)


def _as_object(made: Made | Refused) -> dict[str, Any]:
    if isinstance(made, Made):
        told = {"file": str(made.path), "sha256": made.digest, "bytes": made.length, "mark": made.mark}
        missing = {"documents_missing": dict(made.missing), "approvals_missing": list(made.approvals_missing)}
        return words.as_object(made.verdict) | told | missing
    verdict = made.verdict
    if isinstance(verdict, Tampered):
        told = {"first_bad": verdict.first_bad, "where": str(verdict.where), "what": verdict.what}
        return {"verdict": "tampered", "evidence": False} | told
    return words.as_object(verdict)


def _in_words(made: Made | Refused, log: Path) -> str:
    if isinstance(made, Refused):
        return f"{_refused_in_words(made, log)}\nNo evidence was made."
    return "\n".join((words.in_words(made.verdict, made.path), *_warnings(made), f"sha256 {made.digest}  {made.path}"))


def _refused_in_words(refused: Refused, log: Path) -> str:
    verdict = refused.verdict
    if isinstance(verdict, Tampered):
        return f"TAMPERED: {log}\n{printable(verdict.what)}\nin {verdict.where}"
    return words.in_words(verdict, log)


def _warnings(made: Made) -> Iterator[str]:
    for digest, name in made.missing.items():
        yield f"WARNING: {name} {digest} is named by a record and was not found (--documents)"
    for digest in made.approvals_missing:
        yield f"WARNING: the approval {digest} is named by a record, and the log has not got it"
    if made.mark and "BCSI" not in made.path.name.upper():
        yield f"WARNING: it is marked ({made.mark}), and its name does not say so"


def verify_evidence(path: Path, as_json: bool, **given: Path | None) -> int:
    """`derms audit verify` of an evidence file: print the verdict; the exit code. `given`: the files of keys."""
    with progress("verifying", as_json) as bar:
        verdict = _judged(path, bar.tell, **given)  # type: ignore[arg-type]
    say(json.dumps(words.as_object(verdict)) if as_json else words.in_words(verdict, path))
    return {EvidenceVerified: 0, EvidenceTampered: TAMPERED, CouldNotTell: COULD_NOT_TELL}[type(verdict)]


def _judged(
    path: Path, tell: Tell, key_file: Path, ring_file: Path | None, body_keys: Path | None, witness_key: Path | None
) -> EvidenceVerdict:
    try:
        return verify(
            path,
            keys.load_public(key_file),
            ring=None if ring_file is None else keys.load_ring(ring_file),
            witness_keys=() if witness_key is None else load_keys(witness_key),
            body_keys=None if body_keys is None else KeyFolder(body_keys),
            progress=tell,
        )
    except AuditError as problem:
        return CouldNotTell(str(problem))
    except Exception as fault:  # not exit 1, which would say that the file was tampered with
        traceback.print_exc()
        return CouldNotTell(f"the verifier itself failed ({fault!r}); that says nothing about the evidence")
