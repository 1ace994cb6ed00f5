"""`derms audit`: verify a log, and look into it. Exit 0 verified, 1 tampered, 2 could not tell.

Of `verify`, exit 1 means tampered and nothing else: what goes wrong with the verifying itself is exit 2.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import traceback
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

import click

from audit import keys, released
from audit.approval import Ring
from audit.body import Encrypted, MalformedBody, Opened
from audit.cli_keeping import pack, prune, rebase, rotate_key
from audit.cli_page import page
from audit.cli_people import approve_command, person_group, ring_group
from audit.errors import AuditError
from audit.forms import NotOneMember
from audit.layout import Layout
from audit.note import MalformedNote
from audit.record import Header
from audit.secrecy import KeyFolder
from audit.verify import CouldNotTell, Tampered, Verdict, Verified, verify
from audit.witness import attested
from audit.witness.attested import Reach
from audit.witness.cli import witness
from audit.witness.coverage import COSIGNED
from audit.witness.store import load_keys

FOUND_WRONG = 1
COULD_NOT_TELL = 2


class _Undecided(click.ClickException):
    """Neither right nor wrong: the question could not be answered."""

    exit_code = COULD_NOT_TELL

    def show(self, file: IO[Any] | None = None) -> None:
        with contextlib.suppress(OSError):  # nowhere to say it: the exit code still does
            super().show(file)


@click.group()
def audit() -> None:
    """The tamper-evident trail: verify it, look into it, make its key."""


audit.add_command(witness)


for _command in (person_group, ring_group, approve_command, rotate_key, pack, prune, rebase, page):
    audit.add_command(_command)


@audit.command("verify")
@click.argument("log", type=click.Path(path_type=Path))
@click.option(
    "--key", "key_file", required=True, type=click.Path(path_type=Path), help="Verifier key file (audit.pub)."
)
@click.option("--ring", "ring_file", type=click.Path(path_type=Path), help="Ring of persons, to judge approvals by.")
@click.option("--body-keys", type=click.Path(path_type=Path), help="Folder of body keys, to read encrypted bodies.")
@click.option("--witness-key", type=click.Path(path_type=Path), help="Its witness's key (witness.pub).")
@click.option("--cosigned", type=click.Path(path_type=Path), help="The witness's own copy.  [default: LOG/cosigned]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of sentences.")
@click.pass_context
def verify_command(context: click.Context, /, log: Path, key_file: Path, as_json: bool, **given: Path | None) -> None:
    """Check every record of LOG against its signed checkpoint, with a key that you have from elsewhere."""
    if given["cosigned"] is not None and given["witness_key"] is None:
        raise click.UsageError("--cosigned needs --witness-key: who is to have cosigned it?")
    verdict, reach = _judged(log, key_file, **given)
    _say(json.dumps(_as_object(verdict, reach), ensure_ascii=False) if as_json else _in_words(verdict, reach, log))
    context.exit({Verified: 0, Tampered: FOUND_WRONG, CouldNotTell: COULD_NOT_TELL}[type(verdict)])


def _judged(
    log: Path,
    key_file: Path,
    ring_file: Path | None,
    body_keys: Path | None,
    witness_key: Path | None,
    cosigned: Path | None,
) -> tuple[Verdict, Reach | None]:
    try:
        public = keys.load_public(key_file)
        ring: Ring | None = None if ring_file is None else keys.load_ring(ring_file)
        where = cosigned or log / COSIGNED
        word = None if witness_key is None else attested.read_word(where, load_keys(witness_key))
        verdict = verify(log, public, ring=ring, body_keys=None if body_keys is None else KeyFolder(body_keys))
        return (verdict, None) if word is None else attested.attest(log, verdict, word, where)
    except AuditError as problem:
        return CouldNotTell(str(problem)), None
    except OSError as problem:
        return CouldNotTell(f"a file cannot be read: {problem}"), None
    except Exception as fault:  # not exit 1, which would say that the log was tampered with
        traceback.print_exc()
        return CouldNotTell(f"the verifier itself failed ({fault!r}); that says nothing about the log"), None


def _say(text: str) -> None:
    """Print the verdict, in UTF-8; bytes of a path that are no text as escapes, which JSON has, too."""
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "it is closed")
        click.echo(text.encode("utf-8", "backslashreplace"))
    except OSError as problem:
        _silence_stdout()
        raise _Undecided(f"the verdict cannot be written to standard output: {problem.strerror}") from None


def _silence_stdout() -> None:
    """What is still buffered goes nowhere, or the interpreter would try it again as it ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@audit.command("show")
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--kind", multiple=True, help="Only this kind, or `log.*`; may be given several times.")
@click.option("--session", help="Only this session.")
@click.option("--peer", help="Only this peer.")
@click.option("--decision", help="Only this decision.")
@click.option("--since", type=click.DateTime(), help="UTC; from here on.")
@click.option("--until", type=click.DateTime(), help="UTC; before here.")
@click.option("--first", type=click.IntRange(0), default=0, help="First record number.")
@click.option("--limit", type=click.IntRange(1), help="At most so many records.")
@click.option("--bodies", "with_bodies", is_flag=True, help="Show the values, too.")
@click.option("--body-keys", type=click.Path(path_type=Path), help="Folder of body keys, for encrypted values.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of sentences.")
def show_command(
    log: Path, limit: int | None, with_bodies: bool, body_keys: Path | None, as_json: bool, first: int, **asked: Any
) -> None:
    """Print the records of LOG that its checkpoint covers. It does not verify them: `derms audit verify` does."""
    wanted = _Wanted(tuple(asked.pop("kind")), _micros(asked.pop("since")), _micros(asked.pop("until")), first, asked)
    layout, key_folder = Layout(log), None if body_keys is None else KeyFolder(body_keys)
    try:
        shown = (one for one in released.records(layout) if wanted.takes(one.header))
        for placed in islice(shown, limit):
            values = _values(released.body_of(placed, layout, key_folder)) if with_bodies else None
            click.echo(_as_line(placed.header, values) if as_json else _as_sentence(placed.header, values))
    except BrokenPipeError:
        raise  # whoever read it has seen enough; the program ends without a word
    except (OSError, ValueError, MalformedNote, NotOneMember, AuditError) as problem:
        raise _Undecided(f"{log} cannot be shown: {_in_plain_words(problem)}") from None


def _in_plain_words(problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    return str(problem)


@audit.command("key")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--origin", required=True, help="The log's name, such as example.com/gateway-1.")
def key_command(folder: Path, origin: str) -> None:
    """Make a signing key in FOLDER: audit.key (keep it secret) and audit.pub (give it to whoever verifies)."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = keys.write(folder, keys.generate(), origin)
    except (AuditError, OSError) as problem:
        raise click.ClickException(str(problem)) from None
    click.echo(f"{files.private}\n{files.public}")


def _as_object(verdict: Verdict, reach: Reach | None) -> dict[str, Any]:
    match verdict:
        case Verified():
            fields = asdict(verdict) | {"key": str(verdict.key)}
            fields |= {} if reach is None else {"witness": attested.as_object(reach)}
            for name in ("since", "proved_until"):
                fields[name] = None if fields[name] is None else utc(fields[name])
            return {"verdict": "verified"} | fields
        case Tampered():
            return {"verdict": "tampered"} | asdict(verdict) | {"where": str(verdict.where)}
        case CouldNotTell():
            return {"verdict": "could_not_tell", "why": verdict.why}


def _in_words(verdict: Verdict, reach: Reach | None, log: Path) -> str:
    match verdict:
        case Verified():
            return _verified_in_words(verdict, reach, log)
        case Tampered(first_bad, where, what, unbroken):
            stands = f"{_stand(unbroken)} without a break" if unbroken else "Nothing before it stands"
            stands = stands if first_bad is not None else "Without a good checkpoint nothing of the log is proved"
            return f"TAMPERED: {log}\n{what}\nin {where}\n{stands}."
        case CouldNotTell(why):
            return f"COULD NOT TELL: {log}\n{why}"


def _verified_in_words(verdict: Verified, reach: Reach | None, log: Path) -> str:
    until = "none yet" if verdict.proved_until is None else f"complete up to {utc(verdict.proved_until)} by its clock"
    lines = [
        f"VERIFIED: {log}",
        f"{_many(verdict.records, 'record')} of {verdict.origin}, {until}; {_many(verdict.bodies, 'body', 'bodies')}, "
        f"root {verdict.root}",
        f"signed by {verdict.key}",
        attested.in_words(reach, verdict.records),
        f"{_many(verdict.openings, 'opening')}, {_many(verdict.cuts, 'cut')} after a crash, "
        f"{_many(verdict.gaps, 'gap')} for want of disk",
        f"{_unreleased(verdict.unreleased_bytes)} behind the checkpoint are not part of this verdict",
        "Whether newer records once stood behind these, only a witness or an earlier copy of the checkpoint can tell.",
    ]
    if verdict.encrypted_bodies:
        bodies_are = _many(verdict.encrypted_bodies, "body is", "bodies are")
        read = f"the values of {verdict.decrypted_bodies} were read, too" if verdict.decrypted_bodies else ""
        lines.insert(2, f"{bodies_are} encrypted: their bytes are proved, {read or 'their values not read'}")
    lines[2:2] = _explained(verdict)
    return "\n".join(lines)


def _explained(verdict: Verified) -> list[str]:
    """What happened to the log, and a record says so."""
    lines = []
    if verdict.rebased_from is not None:
        old = verdict.rebased_from
        lines.append(
            f"an explained break: begun after a restore, behind {_many(old.size, 'record')} of {old.origin}, "
            f"root {old.root}"
        )
    if verdict.pruned_records:
        lines.append(
            f"{_many(verdict.pruned_records, 'record')} pruned: their hashes are proved, "
            "what they said is gone, and a record says so"
        )
    if verdict.key_changes:
        lines.append(f"{_many(verdict.key_changes, 'change')} of the key, each sealed by the old one")
    if verdict.clock_steps:
        lines.append(f"{_many(verdict.clock_steps, 'step')} of the clock")
    if verdict.approvals_unchecked:
        lines.append(
            f"{_many(verdict.approvals_unchecked, 'approval')} not judged: nobody gave the ring of persons (--ring)"
        )
    return lines


def _unreleased(count: int | None) -> str:
    return "bytes that cannot be counted" if count is None else _many(count, "byte")


def _stand(records: int) -> str:
    return "The one record before it chains" if records == 1 else f"The {records} records before it chain"


def _many(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or one + 's'}"


def utc(micros: int) -> str:
    """UTC microseconds as RFC 3339."""
    seconds, rest = divmod(micros, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:06d}Z"


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1_000_000)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which records `show` shows."""

    kinds: tuple[str, ...]
    since: int | None
    until: int | None
    first: int
    exact: dict[str, str | None]  # session, peer, decision

    def takes(self, header: Header) -> bool:
        return (
            header.seq >= self.first
            and (self.since is None or header.t >= self.since)
            and (self.until is None or header.t < self.until)
            and (not self.kinds or any(_is_kind(header.kind, kind) for kind in self.kinds))
            and all(value is None or getattr(header, name) == value for name, value in self.exact.items())
        )


def _is_kind(kind: str, asked: str) -> bool:
    return kind.startswith(asked[:-1]) if asked.endswith("*") else kind == asked


def _values(found: Opened | Encrypted | MalformedBody | None) -> dict[str, Any] | str | None:
    match found:
        case Opened(columns=columns):
            return dict(columns)
        case Encrypted():
            return "encrypted"
        case MalformedBody(what):
            return f"a body that {what}"
    return None


def _as_line(header: Header, values: dict[str, Any] | str | None) -> str:
    fields = asdict(header) | ({} if values is None else {"values": values})
    return json.dumps(fields, ensure_ascii=False)


def _as_sentence(header: Header, values: dict[str, Any] | str | None) -> str:
    said = [header.dir, header.decision, header.rule, header.reason]
    who = [f"session {header.session}" if header.session else "", f"peer {header.peer}" if header.peer else ""]
    count = [f"n={header.n}"] if header.n else []
    line = "  ".join(part for part in [str(header.seq), utc(header.t), header.kind, *said, *who, *count] if part)
    return line if values is None else f"{line}\n    {json.dumps(values, ensure_ascii=False)}"
