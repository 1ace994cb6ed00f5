"""What an evidence file says of its records: their bodies, tables, documents and approvals.

Steps 6 and 9 of `docs/reference/evidence-format.md`, "Verifying", and what is counted of the records asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from typing import BinaryIO, Final

from audit.approval import Approval, Approved, Ring, judge
from audit.evidence import tables
from audit.evidence.archive import Archive
from audit.evidence.lines import records_of
from audit.evidence.manifest import Manifest, Member
from audit.evidence.members import APPROVALS, BODIES, DOCUMENTS, TABLES
from audit.evidence.tables import Table
from audit.evidence.verdict import bad
from audit.format import body as bodies
from audit.format import kinds, record
from audit.format.body import BodyRef, MalformedBody, Opened
from audit.format.record import Header, Scanned
from audit.secrecy import BodyKeys, open_body

CONTRACT: Final = "contract"
"""The action that a contract's approval is for, and the digest that names the contract."""


Progress = Callable[[int, int], None]
"""So many records of so many were checked with their values, which is what takes long. It must not raise."""

_TOLD_EVERY: Final = 64


class Bodies:
    """The stored bodies of the records asked for, counted. Owned by whoever checks them."""

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress
        self.checked = self.encrypted = self.decrypted = 0
        self._key: tuple[int, bytes | None] = (-1, None)  # of which segment, and its key

    def check(self, archive: Archive, told: Manifest, keys: BodyKeys | None, segment_lines: int) -> None:
        """Step 6. BadKey, OSError: a body key cannot be read."""
        with archive.open(BODIES) as file:
            for number, (_, scanned) in enumerate(records_of(archive), 1):
                if self._progress is not None and (number % _TOLD_EVERY == 0 or number == told.count):
                    self._progress(number, told.count)
                if scanned.body is not None and told.asked.takes(scanned.kind, scanned.t):
                    self._one(scanned, scanned.body, file, keys, segment_lines)
            if file.read(1):
                raise bad(BODIES, "bytes stand behind the last body")

    def _one(self, scanned: Scanned, ref: BodyRef, file: BinaryIO, keys: BodyKeys | None, segment_lines: int) -> None:
        seq = scanned.seq
        if not 0 < ref.len <= bodies.STORED_LIMIT:
            raise bad(BODIES, f"record {seq} speaks of a body of {ref.len} bytes, which none may have", seq)
        stored = file.read(ref.len)
        if len(stored) < ref.len or sha256(stored).hexdigest() != ref.sha256:
            raise bad(BODIES, f"record {seq} has a body that is cut short, or has other bytes than were recorded", seq)
        encrypted = stored[0] == bodies.ENCRYPTED
        key = self._of_segment(seq // segment_lines, keys) if encrypted and keys is not None else None
        opened = open_body(stored, key, scanned.origin, seq)
        if isinstance(opened, MalformedBody):
            raise bad(BODIES, f"record {seq} has a body that {opened.what}", seq)
        if isinstance(opened, Opened):
            if opened.root != ref.root:
                raise bad(BODIES, f"record {seq} has a body whose values are not under its root", seq)
            self.decrypted += encrypted
        self.checked += 1
        self.encrypted += encrypted

    def _of_segment(self, segment: int, keys: BodyKeys) -> bytes | None:
        if self._key[0] != segment:
            self._key = (segment, keys.of(segment))
        return self._key[1]


class Contents:
    """The records asked for against what the file says of them. Owned by whoever checks it."""

    def __init__(self, told: Manifest, ring: Ring | None, approval_of: Callable[[str], Approval | None]) -> None:
        self._told = told
        self._ring = ring
        self._approval_of = approval_of
        self.denied = self.approvals_unchecked = self.not_approved = 0

    def check(self, archive: Archive) -> None:
        """Step 9, and the counts."""
        documents = {each.name.removeprefix(DOCUMENTS) for each in self._under(DOCUMENTS)}
        known = tables.tables(documents, self._approval_of)
        with ExitStack() as stack:
            compared = {
                name: _Compared(stack.enter_context(archive.open(TABLES + name)), table)
                for name, table in known.items()
                if TABLES + name in archive
            }
            for line, scanned in records_of(archive):
                if self._told.asked.takes(scanned.kind, scanned.t):
                    self._see(record.decode(line), compared)
            for member in self._told.members:
                self._check_member(member, compared)

    def _under(self, folder: str) -> Iterator[Member]:
        return (each for each in self._told.members if each.name.startswith(folder))

    def _see(self, header: Header, compared: dict[str, _Compared]) -> None:
        for each in compared.values():
            each.see(header)
        if header.kind == "denied":
            self.denied += header.n
        if header.kind == kinds.CONTRACT_CHANGE and header.decision == "in force":
            self._judge(header)

    def _judge(self, header: Header) -> None:
        if self._ring is None:
            self.approvals_unchecked += 1
            return
        given = self._approval_of(header.digests.get("approval", ""))
        subject = header.digests.get(CONTRACT)
        if given is None or subject is None:
            self.not_approved += 1
        else:
            self.not_approved += not isinstance(judge(given, self._ring, CONTRACT, subject, header.t), Approved)

    def _check_member(self, member: Member, compared: dict[str, _Compared]) -> None:
        for folder in (APPROVALS, DOCUMENTS):
            if member.name.startswith(folder) and member.name.removeprefix(folder) != member.digest:
                raise bad(member.name, f"{member.name} is not named by its digest")
        table = compared.get(member.name.removeprefix(TABLES)) if member.name.startswith(TABLES) else None
        if table is not None and not table.ended_the_same():
            raise bad(member.name, f"{member.name} is not what the records say: rows were hidden, altered or put in")


class _Compared:
    """A table of the file beside what the records make. Owned by `Contents.check`."""

    def __init__(self, file: BinaryIO, table: Table) -> None:
        self._file = file
        self._rows = table.rows
        self._same = self._is_next(tables.line(table.columns))

    def see(self, header: Header) -> None:
        for row in self._rows(header):
            self._same = self._same and self._is_next(tables.line(row))

    def ended_the_same(self) -> bool:
        return self._same and not self._file.read(1)

    def _is_next(self, line: bytes) -> bool:
        return self._file.read(len(line)) == line
