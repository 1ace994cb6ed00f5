"""Approvals by named persons, and the ring that says who they are. Pure.

An approval is a signed note (`audit.format.note`) over a digest, with action, author, ticket and effective time; each
person adds a signature line, offline and in any order. Whether it is good is judged at a moment, against a ring that
comes from outside the log: two persons, neither of them the author, each with a role that may and valid then.
`docs/reference/audit-format.md`, "Approvals".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from audit.errors import BadKey
from audit.format import note
from audit.format.note import NAME, MalformedNote, Note, Signature, VerifierKey, parse_vkey

PRUNE: Final = "prune"
REBASE: Final = "rebase"

ROLES: Final = ("VIEWER", "OPERATOR", "ENGINEER", "INSTALLER", "SECADM", "SECAUD", "RBACMNT")
"""IEC 62351-8's pre-defined roles."""
APPROVING: Final = frozenset({"ENGINEER", "SECADM", "SECAUD"})
"""Roles whose word counts."""
PERSONS_NEEDED: Final = 2

_LINE = r"([A-Za-z0-9._/:-]{1,128})\n"
_TEXT = re.compile(rf"derms\.approval/1\n{_LINE}([0-9a-f]{{64}})\n{_LINE}{_LINE}([0-9TZ:-]{{20}})\n")


class BadRing(BadKey):
    """A ring's text is not a ring."""


def moment(text: str) -> int | None:
    """`2026-11-23T12:00:00Z` in microseconds since 1970; None for any other spelling, or a time that does not exist."""
    try:
        read = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    micros = int(read.timestamp()) * 1_000_000
    return micros if micros >= 0 and written(micros) == text else None


def written(micros: int) -> str:
    """Microseconds since 1970 as `moment` reads them; what is below a second is cut off."""
    return f"{datetime.fromtimestamp(micros // 1_000_000, UTC):%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True, slots=True)
class Person:
    """One line of a ring: whose key this is, in which role, and when. UTC microseconds; `revoked` None: never."""

    key: VerifierKey
    role: str
    valid_from: int
    valid_to: int
    revoked: int | None = None

    @property
    def name(self) -> str:
        return self.key.name

    def __str__(self) -> str:
        revoked = "" if self.revoked is None else f" revoked:{written(self.revoked)}"
        return f"{self.key} {self.role} {written(self.valid_from)} {written(self.valid_to)}{revoked}"


@dataclass(frozen=True, slots=True)
class Ring:
    """The named persons. Nobody's public key stands in it twice, under whatever name."""

    persons: tuple[Person, ...]


def parse_ring(text: str) -> Ring:
    """A ring out of its text. BadRing says which line is wrong, and how."""
    persons = [_person(number, line) for number, line in enumerate(text.split("\n"), 1) if _counts(line)]
    keys = [person.key.raw for person in persons]
    for person in persons:
        if keys.count(person.key.raw) > 1:
            raise BadRing(f"the key of {person.name} stands in two lines: one key is one line, and one person's")
    if not persons:
        raise BadRing("it names nobody; expected lines <verifier key> <role> <valid from> <valid to>")
    return Ring(tuple(persons))


def _counts(line: str) -> bool:
    text = line.strip(" \t\r")
    return bool(text) and not text.startswith("#")


def _person(number: int, line: str) -> Person:
    parts = re.split(r"[ \t]+", line.strip(" \t\r"))
    if len(parts) not in (4, 5) or parts[1] not in ROLES:
        raise BadRing(
            f"line {number}: expected <verifier key> <role> <valid from> <valid to> [revoked:<since>], "
            f"the role one of {', '.join(ROLES)}"
        )
    revoked = parts[4].removeprefix("revoked:") if len(parts) == 5 else None
    times = [moment(text) for text in (*parts[2:4], *([] if revoked is None else [revoked]))]
    if None in times or revoked == parts[-1]:
        raise BadRing(f"line {number}: a time is written 2026-11-23T12:00:00Z, and revocation revoked:<time>")
    start, end, *rest = [time for time in times if time is not None]
    if start >= end:
        raise BadRing(f"line {number}: valid from {parts[2]} is not before valid to {parts[3]}")
    try:
        return Person(parse_vkey(parts[0]), parts[1], start, end, rest[0] if rest else None)
    except BadKey as problem:
        raise BadRing(f"line {number}: {problem}") from None


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be approved: `subject` is the digest, 64 hexadecimal digits; `effective` in UTC microseconds, whole
    seconds. `str()` is the text that persons sign."""

    action: str
    subject: str
    author: str
    ticket: str
    effective: int

    def __str__(self) -> str:
        lines = (self.action, self.subject, self.author, self.ticket, written(self.effective))
        return "derms.approval/1\n" + "".join(f"{line}\n" for line in lines)


def parse_request(text: str) -> Request:
    """MalformedNote for any text that `str(Request)` does not write."""
    match = _TEXT.fullmatch(text)
    effective = moment(match[5]) if match else None
    if match is None or effective is None:
        raise MalformedNote(
            "is not an approval: derms.approval/1, action, subject, author, ticket and effective time, one line each; "
            "names and tickets of A-Z a-z 0-9 . _ / : -"
        )
    return Request(match[1], match[2], match[3], match[4], effective)


@dataclass(frozen=True, slots=True)
class Approval:
    """A request and the signatures under it; nothing is trusted before `judge`."""

    request: Request
    signed: Note

    @property
    def signers(self) -> tuple[str, ...]:
        """Who says to have signed, each once, in order."""
        return tuple(dict.fromkeys(line.name for line in self.signed.signatures))


def parse(data: bytes) -> Approval:
    """Take an approval apart, strictly; MalformedNote says what is wrong."""
    signed = note.parse(data)
    return Approval(parse_request(signed.text.decode()), signed)


def join(request: Request, signatures: Sequence[Signature]) -> bytes:
    """The approval's bytes; at least one signature."""
    return str(request).encode() + b"\n" + b"".join(note.signature_line(line) for line in signatures)


@dataclass(frozen=True, slots=True)
class Approved:
    """Good, by these persons."""

    persons: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class NotApproved:
    """Not good, and every reason found."""

    reasons: tuple[str, ...]

    @property
    def why(self) -> str:
        return "; ".join(self.reasons)


def mismatch(approval: Approval, action: str, subject: str, at: int) -> str | None:
    """Why an approval is not one of this action and subject at this time, whoever signed it; None where it is."""
    request = approval.request
    if request.action != action:
        return f"is an approval to {request.action}, not to {action}"
    if request.subject != subject:
        return f"approves something else: {request.subject}, not {subject}"
    if request.effective > at:
        return f"is in effect from {written(request.effective)} only"
    return None


def judge(approval: Approval, ring: Ring, action: str, subject: str, at: int) -> Approved | NotApproved:
    """Whether an approval is good for this action and subject (a digest) at UTC microsecond `at`."""
    wrong = mismatch(approval, action, subject, at)
    if wrong is not None:
        return NotApproved((f"it {wrong}",))
    known = {(person.name, person.key.key_id): person for person in ring.persons}
    counted: dict[str, Person] = {}
    reasons: list[str] = []
    for line in approval.signed.signatures:
        person = known.get((line.name, line.key_id))
        if person is None:
            reasons.append(f"{line.name} is not in the ring with this key")
            continue
        if not person.key.verifies(line.signature, approval.signed.text):
            return NotApproved((f"the signature of {line.name} is wrong",))
        why_not = does_not_count(person, approval.request.author, at)
        if why_not is None:
            counted.setdefault(person.name, person)
        else:
            reasons.append(f"{person.name} {why_not}")
    if len(counted) >= PERSONS_NEEDED:
        return Approved(tuple(counted.values()))
    have = f"by {next(iter(counted))} only" if counted else "by nobody who counts"
    return NotApproved((f"it is approved {have}, and {PERSONS_NEEDED} different persons are needed", *reasons))


def does_not_count(person: Person, author: str, at: int) -> str | None:
    if person.name == author:
        return "is its author"
    if person.role not in APPROVING:
        return f"has the role {person.role}, which approves nothing"
    if not person.valid_from <= at < person.valid_to:
        return f"is valid from {written(person.valid_from)} to {written(person.valid_to)} only"
    if person.revoked is not None and person.revoked <= at:
        return f"was revoked as of {written(person.revoked)}"
    return None


def check_request(request: Request) -> None:
    """BadKey where a text of the request could not be read again."""
    for what, text in (("action", request.action), ("author", request.author), ("ticket", request.ticket)):
        if not NAME.fullmatch(text):
            raise BadKey(f"{text!r} cannot be the {what} of an approval: 1 to 128 letters, digits and . _ / : -")
