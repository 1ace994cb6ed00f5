"""The witness of a rehearsed trail: a witness's own store, handed the newest checkpoint as a gateway would."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import keys
from audit.disk import PosixDisk
from audit.format.layout import Layout
from audit.format.note import VerifierKey
from audit.keys import KeyFiles
from audit.witness import request
from audit.witness.cosignature import witness_key
from audit.witness.coverage import COSIGNED
from audit.witness.prover import Tree, newest, prove
from audit.witness.rules import Refused
from audit.witness.store import WitnessStore, put


class Witness:
    """Cosigns one trail. Owner of every field: the story."""

    def __init__(self, folder: Path, name: str, key: Ed25519PrivateKey, layout: Layout) -> None:
        """Make its store in `folder`, which must not be there; its key is given, so that a seed makes it again."""
        folder.mkdir(mode=0o750)
        files = KeyFiles(folder / "witness.key", folder / "witness.pub")
        keys.write_both(files, key, str(witness_key(name, key.public_key())))
        (folder / "logs.pub").write_text("# The log of this rehearsal.\n", encoding="ascii")
        for part in ("seen", "forks"):
            (folder / part).mkdir(mode=0o750)
        self._store = WitnessStore.open(folder)
        self._layout = layout
        self._known = Tree()

    def trust(self, key: VerifierKey) -> None:
        self._store.trust([key])

    def cosign(self, utc_us: int) -> None:
        """Have the newest checkpoint cosigned at this time, and put the cosignature beside the trail."""
        new, signed = newest(self._layout)
        proved = prove(self._layout, self._known.size, new, self._known)
        answer = self._store.add(request.encode(proved.old.size, proved.proof, signed), lambda: utc_us // 1_000_000)
        if isinstance(answer, Refused):
            raise RuntimeError(f"the witness refused a genuine checkpoint: {answer.why}")
        self._known = proved.new
        put(PosixDisk(), self._layout.folder / COSIGNED, answer)
