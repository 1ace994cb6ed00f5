"""`derms audit person | ring | approve`: who may approve, and their word. All of it works offline."""

from __future__ import annotations

from pathlib import Path

import click

from audit import approval, keys
from audit.approval import ROLES, Person, Request, written
from audit.cli.moments import now_us, whole, whole_second
from audit.disk import write_durable
from audit.errors import AuditError, BadKey
from audit.format import note
from audit.format.note import MalformedNote, Signature, verifier_key
from audit.reading.files import open_regular


@click.group("person")
def person_group() -> None:
    """Named persons and their keys."""


@person_group.command("new")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", required=True, help="Such as ana.lopez: letters, digits and . _ / : -")
@click.option("--role", required=True, type=click.Choice(ROLES), help="IEC 62351-8; ENGINEER, SECADM, SECAUD approve.")
@click.option("--from", "valid_from", type=whole, help="Valid from; now unless given.")
@click.option("--to", "valid_to", required=True, type=whole, help="Valid to, such as 2027-12-31T00:00:00Z.")
def person_new(folder: Path, name: str, role: str, valid_from: int | None, valid_to: int) -> None:
    """Make a person's key in FOLDER, and print the line for the ring. The person keeps NAME.key to themselves."""
    try:
        key = keys.generate()
        public = verifier_key(name, key.public_key())
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys.write(folder, key, name, stem=name.replace("/", "_"))
    except (AuditError, OSError) as problem:
        raise click.ClickException(str(problem)) from None
    start = whole_second(now_us()) if valid_from is None else valid_from
    click.echo(str(Person(public, role, start, valid_to)))


@click.group("ring")
def ring_group() -> None:
    """The ring: who may approve."""


@ring_group.command("check")
@click.argument("ring", type=click.Path(path_type=Path))
def ring_check(ring: Path) -> None:
    """Read RING strictly, and say who stands in it and who can approve today. Exit 1: it is not a ring."""
    try:
        persons = keys.load_ring(ring).persons
    except BadKey as problem:
        raise click.ClickException(str(problem)) from None
    for person in persons:
        why_not = approval.does_not_count(person, "", now_us())
        click.echo(f"{person.name}  {person.role}  {'can approve' if why_not is None else why_not}")


@click.command("approve")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path), help="Your private key.")
@click.option("--name", help="Your name as in the ring; that of the key file unless given.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def approve_command(file: Path, key_file: Path, name: str | None, yes: bool) -> None:
    """Sign the request or approval in FILE with your own key; your signature is added to FILE."""
    try:
        request, signatures = _read(file)
        key = keys.load_private(key_file)
        public = verifier_key(name or key_file.stem, key.public_key())
    except (AuditError, OSError, MalformedNote) as problem:
        raise click.ClickException(
            f"{file}: {problem}" if isinstance(problem, MalformedNote) else str(problem)
        ) from None
    click.echo(
        f"{request.action} {request.subject}\nasked by {request.author}, ticket {request.ticket}, "
        f"in effect from {written(request.effective)}"
    )
    if any((line.name, line.key_id) == (public.name, public.key_id) for line in signatures):
        raise click.ClickException(f"{public.name} has signed it already")
    if not yes:
        click.confirm(f"Approve this as {public.name}?", abort=True)
    mine = Signature(public.name, public.key_id, key.sign(str(request).encode()))
    write_durable(file, approval.join(request, [*signatures, mine]))
    click.echo(f"signed by {', '.join(line.name for line in (*signatures, mine))}")


def _read(file: Path) -> tuple[Request, tuple[Signature, ...]]:
    """A request with the signatures under it, none where nobody has signed yet."""
    with open_regular(file) as opened:
        data = opened.read(note.NOTE_LIMIT + 1)
    if b"\n\n" not in data:
        return approval.parse_request(data.decode("ascii", "replace")), ()
    given = approval.parse(data)
    return given.request, given.signed.signatures


def write_request(path: Path, request: Request) -> None:
    """Put a request where persons can sign it. BadKey for texts that no approval may carry."""
    approval.check_request(request)
    write_durable(path, str(request).encode())
