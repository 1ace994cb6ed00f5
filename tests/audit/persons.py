"""Named persons for tests: keys that everybody knows, a ring, and approvals that they signed."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import approval
from audit.approval import Person, Request, Ring, moment
from audit.format.note import Signature, verifier_key


def at(text: str) -> int:
    micros = moment(text)
    assert micros is not None
    return micros


EFFECTIVE = at("2025-01-01T00:00:00Z")
BEGIN, END = at("2024-01-01T00:00:00Z"), at("2035-01-01T00:00:00Z")


def key_of(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32, b"\0"))


def person(name: str, role: str = "SECAUD", revoked: int | None = None, start: int = BEGIN, end: int = END) -> Person:
    return Person(verifier_key(name, key_of(name).public_key()), role, start, end, revoked)


RING = Ring((person("ana"), person("ben", "ENGINEER"), person("cy", "SECADM"), person("vi", "VIEWER")))


def request(action: str, subject: str, author: str = "otto", effective: int = EFFECTIVE) -> Request:
    return Request(action, subject, author, "CHG-1", effective)


def signature(name: str, over: Request, key: Ed25519PrivateKey | None = None) -> Signature:
    public = verifier_key(name, key_of(name).public_key())
    return Signature(name, public.key_id, (key or key_of(name)).sign(str(over).encode()))


def approved(over: Request, *names: str) -> bytes:
    return approval.join(over, [signature(name, over) for name in names or ("ana", "ben")])
