"""The named persons of a rehearsal, the ring that knows them, and what they sign. Pure: keys are made of the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import approval
from audit.approval import Approved, Person, Request, Ring
from audit.format.body import Body
from audit.format.kinds import APPROVAL
from audit.format.note import Signature, verifier_key
from audit.format.record import Entry
from simulator.trails.plan import whole_second

AUTHOR: Final = "otto.berg"
APPROVERS: Final = ("ana.lopez", "ben.okafor", "cy.tanaka")
REVIEWER: Final = "dora.weiss"
_ROLES: Final = {
    AUTHOR: "ENGINEER",
    "ana.lopez": "SECAUD",
    "ben.okafor": "SECADM",
    "cy.tanaka": "ENGINEER",
    REVIEWER: "SECAUD",
    "eva.brandt": "OPERATOR",
    "finn.moreau": "SECADM",
}
_LEFT: Final = "finn.moreau"  # revoked on the first day
_YEAR_US: Final = 366 * 86_400 * 1_000_000


def drawn_key(seed: int, name: str) -> Ed25519PrivateKey:
    """A key that anybody can make again who knows the seed: good for a rehearsal and for nothing else."""
    return Ed25519PrivateKey.from_private_bytes(sha256(f"rehearsal/{seed}/{name}".encode()).digest())


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who has a name in the trail."""

    seed: int
    ring: Ring

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(person.name for person in self.ring.persons)

    def role(self, name: str) -> str:
        return next(person.role for person in self.ring.persons if person.name == name)

    def key(self, name: str) -> Ed25519PrivateKey:
        return drawn_key(self.seed, name)

    def signature(self, name: str, text: bytes) -> Signature:
        key = self.key(name)
        return Signature(name, verifier_key(name, key.public_key()).key_id, key.sign(text))

    def approve(self, request: Request, names: Sequence[str]) -> bytes:
        """The approval's bytes."""
        return approval.join(request, [self.signature(name, str(request).encode()) for name in names])


def people(seed: int, begin_us: int) -> People:
    """The persons, valid from a year before the trail begins until four years later."""
    first_day = whole_second(begin_us)
    start = first_day - _YEAR_US
    persons = tuple(
        Person(
            verifier_key(name, drawn_key(seed, name).public_key()),
            role,
            start,
            start + 5 * _YEAR_US,
            first_day if name == _LEFT else None,
        )
        for name, role in _ROLES.items()
    )
    return People(seed, Ring(persons))


def presented(given: bytes, ring: Ring, by: str, at_us: int) -> Entry:
    """The record of an approval that somebody presented at UTC microsecond `at_us`, judged by the ring."""
    read = approval.parse(given)
    request = read.request
    found = approval.judge(read, ring, request.action, request.subject, at_us)
    known = {person.name: person for person in ring.persons}
    signers = [known[name] for name in read.signers]
    body = Body(
        {
            "person": [person.name for person in signers],
            "role": [person.role for person in signers],
            "counted": [approval.does_not_count(person, request.author, at_us) is None for person in signers],
            "author": [request.author],
            "ticket": [request.ticket],
            "effective": [approval.written(request.effective)],
        }
    )
    good = isinstance(found, Approved)
    return Entry(
        APPROVAL,
        peer=by,
        rule=request.action,
        decision="accepted" if good else "refused",
        reason="" if isinstance(found, Approved) else found.why,
        n=len(signers),
        digests={"approval": sha256(given).hexdigest(), "subject": request.subject},
        body=body,
    )
