"""What evidence is made with, besides the log and the request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.approval import Ring
from audit.format.note import VerifierKey
from audit.secrecy import BodyKeys
from audit.witness.cosignature import WitnessKey

Tell = Callable[[str, int, int], None]
"""What is being done, and how many records of how many are done."""


def silent(what: str, done: int, of: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class Maker:
    """The person who answers for the file, and their key."""

    name: str
    key: Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Given:
    """What is at hand besides the log.

    `keys`: the log's verifier keys. `documents`: folders with the contracts, configurations and policies that records
    name by digest. `permissions`: sheets (points.csv, commands.csv) that no document at hand has. `mark`: the first
    line of what people read; empty for none.
    """

    keys: Sequence[VerifierKey]
    ring: Ring | None = None
    witness_keys: Sequence[WitnessKey] = ()
    body_keys: BodyKeys | None = None
    documents: tuple[Path, ...] = ()
    permissions: tuple[Path, ...] = ()
    withhold_values: bool = False
    mark: str = ""
