"""The folder of a rehearsal: the trail, and what people need to judge it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import keys
from audit.format.note import VerifierKey
from gateway import documents
from simulator.trails.people import People

ORIGIN: Final = "rehearsal.example/gateway-1"
WITNESS: Final = "rehearsal.example/witness-1"


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything of one rehearsal is. Laid out as a gateway's folder is."""

    folder: Path

    @property
    def trail(self) -> Path:
        return self.folder / "trail"

    @property
    def backup(self) -> Path:
        """A copy of the trail as it was after some of the days, where one was asked for."""
        return self.folder / "backup"

    @property
    def witness(self) -> Path:
        """The witness's own store; in earnest it is on another host."""
        return self.folder / "witness"

    @property
    def ring(self) -> Path:
        return self.folder / "ring.txt"

    @property
    def public_keys(self) -> Path:
        """The verifier keys of all epochs, the newest last."""
        return self.folder / "keys" / "audit.pub"

    @property
    def body_keys(self) -> Path:
        return self.folder / "body-keys"

    @property
    def documents(self) -> Path:
        return self.folder / "documents"

    @property
    def truth(self) -> Path:
        return self.folder / "truth.json"

    def make(self, people: People) -> None:
        """Begin it, with its persons and the ring. FileExistsError where anything is there already; OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            raise FileExistsError(f"{self.folder} is not empty; a rehearsal begins in a folder of its own")
        for part in ("keys", "persons", "documents"):
            (self.folder / part).mkdir(mode=0o700)
        for name in people.names:
            keys.write(self.folder / "persons", people.key(name), name, stem=name)
        self.ring.write_text("".join(f"{person}\n" for person in people.ring.persons), encoding="ascii")

    def keep(self, document: bytes) -> None:
        """What the trail names by digest."""
        documents.keep(self.documents, document)

    def hand_over(self, key: Ed25519PrivateKey, epochs: Sequence[VerifierKey], truth: dict[str, Any]) -> None:
        """At the end: the signing key as it is now, every epoch's verifier key, and the truth."""
        files = keys.KeyFiles(self.folder / "keys" / "audit.key", self.public_keys)
        keys.write_both(files, key, "\n".join(map(str, epochs)))
        self.truth.write_text(json.dumps(truth, indent=2) + "\n", encoding="utf-8")
