"""`derms audit review`: sign that evidence was read, and see whether reviews follow each other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import click

from audit import keys
from audit.approval import Ring
from audit.cli.moments import now_us, whole_second
from audit.cli.output import Undecided, say
from audit.disk import write_durable
from audit.evidence import manifest, review, words
from audit.evidence.archive import Archive, Unreadable
from audit.evidence.gathering import digest_of
from audit.evidence.manifest import Manifest
from audit.evidence.members import MANIFEST
from audit.evidence.review import DAY_US, EVERY_DAYS, MAGIC, Filed, Review
from audit.evidence.signers import NotSigned
from audit.evidence.undecided import or_undecided
from audit.evidence.verdict import EvidenceTampered
from audit.evidence.verify import verify
from audit.format import note
from audit.format.note import NOTE_LIMIT, MalformedNote
from audit.reading.files import open_regular
from audit.verify.verdict import CouldNotTell
from audit.words import many, printable

_File: Final = click.Path(path_type=Path, dir_okay=False)


class _OrNew(click.Group):
    """A group that takes what is no command of its own as arguments of `new`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        own = not args or args[0] in self.commands or args == ["--help"]
        return super().parse_args(ctx, args if own else ["new", *args])


class Days(click.ParamType[int]):
    """`15d`; days."""

    name = "DAYS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = str(value).removesuffix("d")
        if not (number.isascii() and number.isdigit() and 0 < int(number) < 10_000):
            self.fail(f"{value!r} is no number of days such as 15d", param, ctx)
        return int(number)


@click.group("review", cls=_OrNew)
def review_group() -> None:
    """Sign that you have read evidence: review EVIDENCE.zip --as PERSON.key ...; or `review status DIR`."""


@review_group.command("new")
@click.argument("evidence", type=_File)
@click.option("--as", "person", required=True, type=_File, help="Your private key.")
@click.option("--name", help="Your name as in the ring; that of the key file unless given.")
@click.option("--nothing-found", is_flag=True, help="There is nothing to follow up.")
@click.option("--findings", type=_File, help="What there is to follow up: a text, one finding a line.")
@click.option("--every", type=Days(), default=f"{EVERY_DAYS}d", show_default=True, help="The next one is due then.")
@click.option("--key", "key_file", type=_File, help="The log's verifier key: verify the evidence first.")
@click.option("--out", required=True, type=_File, help="File to write; it must not exist.")
def new_command(
    evidence: Path,
    person: Path,
    name: str | None,
    nothing_found: bool,
    findings: Path | None,
    every: int,
    key_file: Path | None,
    out: Path,
) -> None:
    """Sign that you have read EVIDENCE, and what you found."""
    if nothing_found == (findings is not None):
        raise click.UsageError("say either --nothing-found or --findings FILE")
    with or_undecided("no review was written"):
        if out.exists():
            raise Undecided(f"{out} exists; nothing is overwritten. Name another file")
        told, verified = _told(evidence, key_file)
        count, digest = (0, None) if findings is None else _found(findings)
        made = whole_second(now_us())
        with open_regular(evidence) as file:
            asked = told.asked
            written = Review(
                told.origin, digest_of(file), asked.since, asked.until, count, digest, made, made + every * DAY_US
            )
        signed = note.sign(str(written).encode(), name or person.stem, keys.load_private(person))
        write_durable(out, signed)
    say(f"{_in_words(Filed(out.name, *review.parse(signed)), None)}\n{verified}")


def _told(evidence: Path, key_file: Path | None) -> tuple[Manifest, str]:
    """What the evidence is about, verified if a key was given; exit 1 where it was tampered with."""
    if key_file is not None:
        verdict = verify(evidence, keys.load_public(key_file))
        if isinstance(verdict, CouldNotTell):
            raise Undecided(f"no review was written: {verdict.why}")
        if isinstance(verdict, EvidenceTampered):
            raise click.ClickException(f"no review was written: {words.in_words(verdict, evidence)}")
        return verdict.manifest, "The evidence was verified."
    with Archive(evidence) as archive:
        data = archive.read(MANIFEST, manifest.LIMIT)
    if data is None:
        raise Unreadable("there is no manifest in it")
    return manifest.parse(data)[0], "The evidence was NOT verified: no key was given (--key)."


def _found(findings: Path) -> tuple[int, str]:
    """How many findings the file has, a line each, and its SHA-256."""
    with open_regular(findings) as file:
        count = sum(bool(line.strip()) for line in file)
        file.seek(0)
        digest = digest_of(file)
    if not count:
        raise click.UsageError(f"{findings} has no finding in it: say --nothing-found")
    return count, digest


@review_group.command("status")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--ring", "ring_file", type=_File, help="Ring of persons, to judge the signatures by.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of sentences.")
@click.pass_context
def status_command(context: click.Context, folder: Path, ring_file: Path | None, as_json: bool) -> None:
    """List the reviews in FOLDER. Exit 1: a signature is wrong, a period is not covered, or the next is overdue."""
    with or_undecided("the reviews cannot be told"):
        ring = None if ring_file is None else keys.load_ring(ring_file)
        filed, wrong = _filed(folder)
        if not filed and not wrong:
            raise Undecided(f"there is no review in {folder}")
    told = [*wrong, *review.warnings(filed, ring, now_us())]
    if as_json:
        reviews = [_as_object(each, ring) for each in filed]
        say(json.dumps({"reviews": reviews, "warnings": told}))
    else:
        judged = (
            [] if ring is not None else ["The signatures were not judged: nobody gave the ring of persons (--ring)"]
        )
        listed = (_in_words(each, ring) for each in filed)
        say("\n".join([*listed, *(f"WARNING: {printable(each)}" for each in told), *judged]))
    context.exit(1 if told else 0)


def _filed(folder: Path) -> tuple[list[Filed], list[str]]:
    """The reviews in a folder, by the time that they were made; and which files say to be one and are none."""
    filed, wrong = [], []
    for path in sorted(folder.iterdir()):
        if path.is_file():
            with open_regular(path) as file:
                data = file.read(NOTE_LIMIT + 1)
            if data.startswith(MAGIC):
                try:
                    filed.append(Filed(path.name, *review.parse(data)))
                except MalformedNote as problem:
                    wrong.append(f"{path.name} {problem}")
    return sorted(filed, key=lambda each: each.review.made), wrong


def _in_words(filed: Filed, ring: Ring | None) -> str:
    told = _as_object(filed, ring)
    found = "nothing found" if not filed.review.findings else many(filed.review.findings, "finding")
    by = ", ".join(told["by"]) or "nobody of the ring"
    return (
        f"{told['made']}  {told['origin']}, {told['from']} to {told['to']}: {found}, by {by}; "
        f"next by {told['next_due']}  ({printable(filed.name)})"
    )


def _as_object(filed: Filed, ring: Ring | None) -> dict[str, Any]:
    by = filed.by(ring)
    lines = str(filed.review).split("\n")
    since, _, until = lines[3].partition(" ")
    made, _, due = lines[5].partition(" ")
    return {
        "file": filed.name,
        "origin": filed.review.origin,
        "evidence": filed.review.evidence,
        "from": since,
        "to": until,
        "findings": filed.review.findings,
        "findings_digest": filed.review.findings_digest,
        "made": made,
        "next_due": due,
        "by": [] if isinstance(by, NotSigned) else list(by),
    }
