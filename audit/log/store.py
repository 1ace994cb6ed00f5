"""The log's files: how a batch of records becomes durable, and in which order. Owned by the log's writer thread.

The order of one commit, each step durable before the next:

1. bodies, then headers, into their segments (fdatasync; a new file's folder too);
2. the new checkpoint as `checkpoint.next` (fdatasync);
3. `checkpoint.next` takes the name `checkpoint` (rename; fsync of the log's folder).

Before 3 the old checkpoint stands and whatever lies behind it is cut; after 3 the new one covers what is durable.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.disk import Disk, File
from audit.errors import InDoubt
from audit.format import checkpoint, note
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout, segment_named
from audit.format.note import MalformedNote, Note, VerifierKey, verifier_key
from audit.log.chain import Extension, Piece, Position


class Store:
    """One log's files behind `position`, the last state that a checkpoint covers."""

    def __init__(self, disk: Disk, layout: Layout, key: Ed25519PrivateKey, origin: str, position: Position) -> None:
        self._disk = disk
        self._layout = layout
        self._key = key  # writer thread
        self._next_key: Ed25519PrivateKey | None = None  # writer thread: the key was changed, the old one's seal is due
        self.origin = origin
        self.position = position  # writer thread
        self._open: dict[Path, File] = {}  # writer thread
        self._untidy = True  # writer thread: there may be bytes behind `position`

    @property
    def folder(self) -> Path:
        return self._layout.folder

    @property
    def key(self) -> VerifierKey:
        """The key that signs the next checkpoint."""
        return verifier_key(self.origin, (self._next_key or self._key).public_key())

    def change_key(self, key: Ed25519PrivateKey) -> None:
        """`position` ends with the change to `key`. From here on it signs, once the old key's seal is durable."""
        self._next_key = key

    def seal(self) -> None:
        """Make the old key's checkpoint durable as its seal, if the key was changed. OSError: it is still due."""
        if self._next_key is None:
            return
        layout, path = self._layout, self._layout.seal(self.position.size - 1)
        if not self._disk.exists(layout.seals_folder):
            self._disk.make_folder(layout.seals_folder)
        self._disk.sync_folder(layout.folder)
        write_whole(self._disk, path, checkpoint.sign(self._checkpoint(self.position), self._key))
        self._disk.sync_folder(layout.seals_folder)
        self._key, self._next_key = self._next_key, None

    def had(self, key: VerifierKey) -> bool:
        """Whether this is the log's key, or one that it had and left a seal of."""
        if key == self.key:
            return True
        if not self._disk.exists(self._layout.seals_folder):
            return False
        paths = [self._layout.seals_folder / name for name in self._disk.names(self._layout.seals_folder)]
        return any(self._signed(path, key) for path in paths)

    def _signed(self, path: Path, key: VerifierKey) -> bool:
        try:
            return note.check(read_note(self._disk, path), [key]) == note.Signed(key)
        except MalformedNote:
            return False  # a seal that a crash interrupted: its change did not become durable either

    def commit(self, extension: Extension, then: Ed25519PrivateKey | None = None) -> None:
        """Make an extension durable and covered by a checkpoint. OSError: none of it is in the log, `position` stands.

        `then`: the extension ends with the change to this key. InDoubt: `position` is the new one, but the disk did not
        confirm the new checkpoint's name, or the seal of the old key.
        """
        self.seal()
        untidy, self._untidy = self._untidy, True
        written = [file for piece in extension.pieces for file in self._write(piece)]
        if untidy:
            self._trim(extension.pieces)
        for file, new_in in written:
            file.sync()
            if new_in is not None:
                self._disk.sync_folder(new_in)
        self._publish(self._checkpoint(extension.after))
        self.position = extension.after
        self._untidy = False
        self._next_key = then
        try:
            self._close_behind(extension.pieces[-1].segment)
            self._disk.sync_folder(self._layout.folder)
            self.seal()
        except OSError as problem:
            raise InDoubt(f"the checkpoint's new name is not confirmed by the disk: {problem}") from problem

    def _checkpoint(self, position: Position) -> Checkpoint:
        return Checkpoint(self.origin, position.size, position.root())

    def _write(self, piece: Piece) -> list[tuple[File, Path | None]]:
        """The files written, not yet synced, each with the folder whose entry for it is new."""
        layout = self._layout
        written: list[tuple[File, Path | None]] = []
        for path, offset, data in (
            (layout.bodies(piece.segment), piece.body_at, piece.bodies),
            (layout.headers(piece.segment), piece.header_at, piece.headers),
        ):
            if data:
                file = self._file(path)
                file.write_at(offset, data)
                written.append((file, path.parent if offset == 0 else None))
        return written

    def _trim(self, pieces: Sequence[Piece]) -> None:
        """Take away what a failed commit or a crash left behind the pieces just written over it.

        After the writing, not before: at no instant is the old rest gone while nothing in the files speaks of it.
        Before the checkpoint: a full segment must end with its last record.
        """
        layout = self._layout
        ends = {layout.headers(piece.segment): piece.header_at + len(piece.headers) for piece in pieces}
        ends |= {layout.bodies(piece.segment): piece.body_at + len(piece.bodies) for piece in pieces}
        ends |= dict.fromkeys(later_files(self._disk, layout, pieces[-1].segment), 0)
        for path, end in ends.items():
            file = self._file(path)
            if file.size() > end:
                file.truncate(end)
                file.sync()

    def _publish(self, new: Checkpoint) -> None:
        """Steps 2 and 3 up to the rename."""
        write_whole(self._disk, self._layout.next_checkpoint, checkpoint.sign(new, self._key))
        self._disk.replace(self._layout.next_checkpoint, self._layout.checkpoint)

    def _file(self, path: Path) -> File:
        if path not in self._open:
            self._open[path] = self._disk.open(path)
        return self._open[path]

    def _close_behind(self, segment: int) -> None:
        """Close the files of segments that are full."""
        keep = {self._layout.headers(segment), self._layout.bodies(segment)}
        for path in [path for path in self._open if path not in keep]:
            self._open.pop(path).close()

    def close(self) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()


def read_note(disk: Disk, path: Path) -> Note:
    """A note's parts. MalformedNote, OSError."""
    file = disk.open(path)
    try:
        return note.parse(file.read_at(0, note.NOTE_LIMIT + 1))
    finally:
        file.close()


def write_whole(disk: Disk, path: Path, data: bytes) -> None:
    """Make a file's bytes durable, whatever was in it; its name is the caller's to sync."""
    file = disk.open(path)
    try:
        file.truncate(0)
        file.write_at(0, data)
        file.sync()
    finally:
        file.close()


def later_files(disk: Disk, layout: Layout, segment: int) -> list[Path]:
    """The header and body files of segments after `segment`, in order, headers first."""
    found = []
    for known in (layout.headers(segment), layout.bodies(segment)):
        for name in disk.names(known.parent):
            number = segment_named(name, known)
            if number is not None and number > segment:
                found.append(known.with_name(name))
    return found
