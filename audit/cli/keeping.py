"""`derms audit rotate-key | pack | prune | rebase`: what is done to a whole log, offline, with the writer stopped.

Exit 0 done, 1 refused: nothing was changed, unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import approval, keeping, keys
from audit.approval import NotApproved, Request, Ring
from audit.cli.moments import now_us, whole, whole_second
from audit.cli.people import write_request
from audit.errors import AuditError, BadKey
from audit.format import checkpoint, note
from audit.format.layout import SEGMENT_LINES, Layout
from audit.format.note import MalformedNote, verifier_key
from audit.format.statement import Pruning, Rebase, pruning
from audit.keeping import retention, stock
from audit.keeping.stock import Segment
from audit.log import Log
from audit.reading.files import open_regular
from audit.reading.forms import NotOneMember
from audit.verify import Verified, verify

_FILE = click.Path(path_type=Path)
_LINES = SEGMENT_LINES  # tests have fewer


@contextmanager
def _in_words() -> Iterator[None]:
    """What goes wrong with files, keys and the log, in one sentence and without a traceback."""
    try:
        yield
    except (AuditError, OSError, MalformedNote, NotOneMember) as problem:
        raise click.ClickException(str(problem) or type(problem).__name__) from None


@click.command("rotate-key")
@click.argument("log", type=_FILE)
@click.option("--key", "old_file", required=True, type=_FILE, help="The signing key now (audit.key).")
@click.option("--new", "new_file", required=True, type=_FILE, help="The new signing key, made with `derms audit key`.")
def rotate_key(log: Path, old_file: Path, new_file: Path) -> None:
    """Change the signing key of LOG. Its writer must be stopped. A change that was interrupted is finished."""
    with _in_words():
        old, new = keys.load_private(old_file), keys.load_private(new_file)
        with Log.open(log, old, successor=new, segment_lines=_LINES) as opened:
            public = verifier_key(opened.origin, new.public_key())
            if opened.key != public:
                opened.change_key(new).result()
        click.echo(f"the key is now {public}\nGive its verifier key file to whoever verifies, and destroy {old_file}.")


@click.command("pack")
@click.argument("log", type=_FILE)
@click.option("--key", "key_file", required=True, type=_FILE, help="The log's signing key (audit.key).")
def pack(log: Path, key_file: Path) -> None:
    """Compress the full segments of LOG; plain files go when this runs again a day later. Stop its writer first."""
    with _in_words():
        key = keys.load_private(key_file)
        layout, size = Layout(log, _LINES), _verified(log, key, None)
        dropped = keeping.drop_plain(layout, size, now_us())
        with Log.open(log, key, segment_lines=_LINES) as opened:
            packed = keeping.pack(opened, layout, size)
    click.echo(f"{len(packed)} segments packed, {len(dropped)} plain files of segments packed before removed")


def _request_options(command: Any) -> Any:
    """How an approval is asked for, and given."""
    for option in (
        click.option("--approval", "approval_file", type=_FILE, help="The request, once two persons have signed it."),
        click.option("--effective", type=whole, help="With --request: from when on; now unless given."),
        click.option("--ticket", help="With --request: where it is written down."),
        click.option("--author", help="With --request: who asks; cannot approve."),
        click.option("--request", "request_file", type=_FILE, help="Write the request that persons have to sign."),
        click.option("--ring", "ring_file", required=True, type=_FILE, help="Ring of persons."),
    ):
        command = option(command)
    return command


@click.command("prune")
@click.argument("log", type=_FILE)
@click.option("--key", "key_file", required=True, type=_FILE, help="The log's signing key (audit.key).")
@click.option("--holds", "holds_file", type=_FILE, help="Legal holds and open audits.")
@_request_options
def prune(log: Path, key_file: Path, holds_file: Path | None, ring_file: Path, **asked: Any) -> None:
    """Take the oldest segments of LOG away that no rule keeps. Its writer must be stopped.

    First with --request, which writes what two persons have to sign; then with --approval.
    """
    with _in_words():
        key, ring = keys.load_private(key_file), keys.load_ring(ring_file)
        layout, size = Layout(log, _LINES), _verified(log, key, ring)
        run = _oldest(layout, size, holds_file)
        if not run:
            click.echo("nothing to prune: every full segment has to be kept")
            return
        origin = _origin(layout)
        if asked["approval_file"] is None:
            said = pruning(run[0].span.segment, [segment.sealed for segment in run])
            _ask(asked, approval.PRUNE, said.subject(origin), f"segments {said.rule}")
            return
        given = _content(asked["approval_file"])
        chosen = _approved_part(given, origin, run)
        _judge(given, ring, approval.PRUNE, chosen.subject(origin))
        with Log.open(log, key, segment_lines=_LINES) as opened:
            reason = f"ticket {approval.parse(given).request.ticket}"
            keeping.prune(opened, layout, run[: chosen.last - chosen.first + 1], given, reason)
    click.echo(f"segments {chosen.rule} are pruned")


@click.command("rebase")
@click.argument("new_log", type=_FILE)
@click.option("--key", "key_file", required=True, type=_FILE, help="The new log's signing key.")
@click.option("--origin", required=True, help="The new log's name, such as example.com/gateway-1/2.")
@click.option(
    "--old-checkpoint", required=True, type=_FILE, help="The old log's last checkpoint that is known elsewhere."
)
@click.option("--old-key", required=True, type=_FILE, help="The old log's verifier key file.")
@_request_options
def rebase(
    new_log: Path, key_file: Path, origin: str, old_checkpoint: Path, old_key: Path, ring_file: Path, **asked: Any
) -> None:
    """Begin NEW_LOG after a restore: it names the old log's last witnessed checkpoint, approved by two persons."""
    with _in_words():
        key, ring = keys.load_private(key_file), keys.load_ring(ring_file)
        old = _witnessed(old_checkpoint, old_key)
        if old.origin == origin:
            raise BadKey(f"the new log needs another origin than {origin}, which is the old one's")
        subject = old.subject(origin, verifier_key(origin, key.public_key()).digest)
        if asked["approval_file"] is None:
            _ask(asked, approval.REBASE, subject, f"{old.size} records of {old.origin}")
            return
        given = _content(asked["approval_file"])
        _judge(given, ring, approval.REBASE, subject)
        keeping.rebase(new_log, key, origin, old, given)
    click.echo(f"{new_log} carries on after {old.size} records of {old.origin}")


def _verified(log: Path, key: Ed25519PrivateKey, ring: Ring | None) -> int:
    """How many records the log has, once they were all verified."""
    origin = _origin(Layout(log))
    verdict = verify(log, [verifier_key(origin, key.public_key())], ring=ring, segment_lines=_LINES)
    if not isinstance(verdict, Verified):
        raise click.ClickException(f"{log} does not verify, and nothing was changed: see `derms audit verify`")
    return verdict.records


def _origin(layout: Layout) -> str:
    return checkpoint.parse(_content(layout.checkpoint))[0].origin


def _content(path: Path) -> bytes:
    with open_regular(path) as file:
        return file.read(note.NOTE_LIMIT + 1)


def _oldest(layout: Layout, size: int, holds_file: Path | None) -> list[Segment]:
    """The oldest segments that may go, one behind the other."""
    holds = () if holds_file is None else retention.parse_holds(_content(holds_file).decode("utf-8", "replace"))
    found = list(stock.segments(layout, size))
    run = retention.oldest_run([segment.span for segment in found], holds, now_us())
    return [segment for segment in found if segment.span in run]


def _approved_part(given: bytes, origin: str, run: Sequence[Segment]) -> Pruning:
    """As much of the run as the approval is for: time may have added segments since it was asked for."""
    subject = approval.parse(given).request.subject
    for count in range(1, len(run) + 1):
        said = pruning(run[0].span.segment, [segment.sealed for segment in run[:count]])
        if said.subject(origin) == subject:
            return said
    raise BadKey("the approval is for other segments than the oldest ones that may be pruned")


def _judge(given: bytes, ring: Ring, action: str, subject: str) -> None:
    found = approval.judge(approval.parse(given), ring, action, subject, now_us())
    if isinstance(found, NotApproved):
        raise BadKey(f"the approval is not good: {found.why}")


def _ask(asked: dict[str, Any], action: str, subject: str, what: str) -> None:
    if None in (asked["request_file"], asked["author"], asked["ticket"]):
        raise BadKey("give --approval; or --request with --author and --ticket, to ask for one")
    effective = whole_second(now_us()) if asked["effective"] is None else asked["effective"]
    write_request(asked["request_file"], Request(action, subject, asked["author"], asked["ticket"], effective))
    click.echo(f"{action} {what}: let two persons sign {asked['request_file']} with `derms audit approve`")


def _witnessed(path: Path, key_file: Path) -> Rebase:
    """The old log's last checkpoint that somebody else kept."""
    known, signed = checkpoint.parse(_content(path))
    if not isinstance(note.check(signed, keys.load_public(key_file)), note.Signed):
        raise BadKey(f"{path} is not signed by the key in {key_file}")
    return Rebase(known.origin, known.size, known.root.hex())
