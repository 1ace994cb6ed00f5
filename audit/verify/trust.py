"""Whether a checkpoint can be believed: the keys that came from outside, and the keys that the log itself names.

Steps B and F of `docs/reference/audit-format.md`, "Verifying".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from audit.format import checkpoint, note
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.format.note import MalformedNote, Note, VerifierKey
from audit.format.statement import KeyChange
from audit.reading.files import is_there, open_regular
from audit.verify.verdict import CouldNotTell, Stop, Tampered


@dataclass(frozen=True, slots=True)
class Newest:
    """The checkpoint as it was read, once. `signer` is the given key that signed; None: the log may say more (F)."""

    checkpoint: Checkpoint
    signed: Note
    signer: VerifierKey | None


def newest_checkpoint(layout: Layout, keys: Sequence[VerifierKey], data: bytes | None = None) -> Newest:
    """Step B. Stop where the checkpoint cannot be one of a log that these keys are for. `data`: it was read before."""
    if not keys:
        raise Stop(CouldNotTell("no key was given; a log is verified with a key from outside its folder"))
    try:
        newest, signed = checkpoint.parse(_checkpoint_bytes(layout) if data is None else data)
    except MalformedNote as problem:
        raise not_trusted(layout, f"the checkpoint {problem}") from None
    found = note.check(signed, keys)
    if isinstance(found, note.Signed):
        if found.key.name == newest.origin:
            return Newest(newest, signed, found.key)
        what = f"the checkpoint is of {newest.origin} and signed by a key of another name, {found.key.name}"
    elif found.forged:
        what = "the checkpoint's signature is wrong: its text or the signature was altered"
    elif all(key.name != newest.origin for key in keys):
        raise Stop(CouldNotTell(_another_log(newest, keys)))
    elif newest.size > 0 and is_there(layout.seals_folder):
        return Newest(newest, signed, None)
    else:
        what = _not_signed(newest, signed)
    raise not_trusted(layout, what)


def not_trusted(layout: Layout, what: str) -> Stop:
    """A finding of the checkpoint itself."""
    return Stop(Tampered(None, layout.checkpoint, what, 0))


def _checkpoint_bytes(layout: Layout) -> bytes:
    try:
        with open_regular(layout.checkpoint) as file:
            return file.read(note.NOTE_LIMIT + 1)
    except NotADirectoryError:
        pass
    except FileNotFoundError:
        if any(is_there(path) for path in (layout.headers(0), layout.packed(0), layout.hashes(0))):
            what = "the checkpoint is missing; a log has one before it has its first record"
            raise not_trusted(layout, what) from None
    raise Stop(CouldNotTell(f"{layout.folder} holds no audit log: there is no checkpoint in it"))


def _another_log(newest: Checkpoint, keys: Sequence[VerifierKey]) -> str:
    names = ", ".join(sorted({key.name for key in keys}))
    return f"the key given is for {names}, and this is a log of {newest.origin}: give that log's key"


def _not_signed(newest: Checkpoint, signed: Note) -> str:
    lines = ", ".join(f"{line.name}+{line.key_id.hex()}" for line in signed.signatures)
    return (
        f"the checkpoint is not signed by the key given for {newest.origin}; it is signed as {lines}: "
        "the log was made or signed anew with another key, or the key given is not this log's"
    )


class Epochs:
    """The keys that a log names, one after the other. Owned by whoever reads the log."""

    def __init__(self) -> None:
        self._digests: list[str] = []  # of every epoch's key
        self._changed_at: list[int] = []  # the records that changed it
        self._named: dict[str, VerifierKey] = {}  # by digest

    @property
    def begun(self) -> bool:
        """Whether record 0 named a key."""
        return bool(self._digests)

    @property
    def changes(self) -> int:
        return len(self._changed_at)

    def begin(self, digest: str) -> None:
        self._digests.append(digest)

    def change(self, seq: int, change: KeyChange) -> str | None:
        """The next key is in force behind record `seq`; or what is wrong with that."""
        if change.old.digest != self._digests[-1]:
            return "changes the key from one that was not in force"
        if change.new.digest in self._digests:
            return "changes the key to one that was in force before"
        self._digests.append(change.new.digest)
        self._changed_at.append(seq)
        self._named |= {key.digest: key for key in (change.old, change.new)}
        return None

    def signer(self, layout: Layout, newest: Newest, given: Sequence[VerifierKey]) -> VerifierKey:
        """Step F: the key whose checkpoint this has to be, and is. Stop where it is another's."""
        if newest.signer is not None and newest.checkpoint.size == 0:
            return newest.signer
        epoch = sum(seq < newest.checkpoint.size - 1 for seq in self._changed_at)
        trusted = {key.digest: key for key in given}
        key = (self._named | trusted).get(self._digests[epoch])
        if key is None:
            raise not_trusted(layout, _not_signed(newest.checkpoint, newest.signed))
        found = note.check(newest.signed, [key])
        if isinstance(found, note.Unsigned):
            what = f"the checkpoint is not signed by the key that the log had then, {key}, but by another one"
            altered = "the checkpoint's signature is wrong: its text or the signature was altered"
            raise not_trusted(layout, altered if found.forged else what)
        if trusted.keys().isdisjoint(self._digests[: epoch + 1]):
            raise not_trusted(layout, _not_signed(newest.checkpoint, newest.signed))
        return key
