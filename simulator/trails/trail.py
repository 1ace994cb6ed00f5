"""What stands in for the gateway at its trail: it opens and closes it, hands in records, loses them, and counts."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from concurrent.futures import Future
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import approval, keeping
from audit.approval import Request
from audit.disk import write_durable
from audit.format import kinds
from audit.format.layout import Layout
from audit.format.record import Entry
from audit.format.statement import pruning
from audit.keeping import stock
from audit.log import Log, Released
from audit.secrecy import BodyKeys
from gateway import records
from gateway.denials import Denial, Denials
from simulator.trails.host import Clock, FailingDisk
from simulator.trails.people import APPROVERS, AUTHOR, People
from simulator.trails.plan import whole_second
from simulator.trails.truth import Tally

_AT_ONCE: Final = 512
"""Records handed in before the disk is waited for: the log commits what gathers, as under a gateway's load."""


class Trail:
    """An audit log with somebody's hand at it. Owner of every field: the story."""

    def __init__(self, layout: Layout, key: Ed25519PrivateKey, clock: Clock, body_keys: BodyKeys | None) -> None:
        self._layout = layout
        self._key = key
        self._clock = clock
        self._body_keys = body_keys
        self._salts = itertools.count(1)
        self._log: Log | None = None
        self._disk = FailingDisk()
        self._waiting: list[Future[Released]] = []
        self._denials = Denials()
        self._missed: Counter[str] = Counter()  # since the disk is full
        self._torn = False  # the next opening finds what a commit left behind
        self._packed = 0  # full segments that are
        self._last_us = 0  # when anything was handed in
        self.size = 0  # released records, as far as was waited for
        self.tally = Tally()

    @property
    def layout(self) -> Layout:
        return self._layout

    @property
    def takes(self) -> bool:
        """Whether it is open and the disk has room."""
        return self._log is not None and not self._disk.full

    @property
    def silent_us(self) -> int:
        """How long ago anything was handed in."""
        return self._clock.now_us - self._last_us

    def open(self, successor: Ed25519PrivateKey | None = None) -> None:
        """Begin to write, or go on. With `successor` the key is changed to it, and nothing else is done."""
        self._disk = FailingDisk()
        self._log = Log.open(
            self._layout.folder,
            self._key,
            successor=successor,
            body_keys=self._body_keys,
            clock=self._clock,
            disk=self._disk,
            salt=self._salt,
            segment_lines=self._layout.segment_lines,
        )
        self.tally.own(kinds.OPEN if self.tally.kinds else kinds.START)
        self.tally.own(kinds.CUT, int(self._torn))
        self._torn = False
        if successor is not None:
            self._waiting.append(self._log.change_key(successor))
            self._key = successor
            self.tally.own(kinds.KEY)

    def _salt(self) -> bytes:
        """Counted, so that the same seed makes the same bodies. A rehearsal has nothing to hide."""
        return hashlib.sha256(b"rehearsal salt %d" % next(self._salts)).digest()

    def close(self) -> None:
        """In order: what is still counted is told, and the log says that it was closed."""
        self.record(*self._denials.due(self._clock.now(), all_of_them=True))
        self.settle()
        self._end()
        self.tally.own(kinds.CLOSE)

    def crash(self) -> None:
        """As if killed: nothing more is written, and nothing says so."""
        self.settle()
        self._disk.die()
        self._end()

    def cut_power(self, *entries: Entry) -> None:
        """The host goes down while these are being written: they are in the files, and no checkpoint covers them."""
        self.settle()
        self._disk.cut_power()
        assert self._log is not None
        assert self._log.submit(entries).exception() is not None
        self._end()
        self._torn = True
        self.tally.lost += len(entries)

    def _end(self) -> None:
        assert self._log is not None
        self._log.close()
        self._log = None

    def record(self, *entries: Entry) -> None:
        """Hand in; wait only when much is on its way."""
        if not entries:
            return
        assert self._log is not None
        self._last_us = self._clock.now_us
        future = self._log.submit(entries)
        if self._disk.full:
            assert future.exception() is not None
            self._missed.update(entry.kind for entry in entries)
            return
        self.tally.add(entries)
        self._waiting.append(future)
        if len(self._waiting) >= _AT_ONCE:
            self.settle()

    def settle(self) -> None:
        """Wait until all that was handed in is released. NotRecorded where the disk itself fails."""
        for future in self._waiting:
            self.size = future.result().tree_size
        self._waiting.clear()

    def deny(self, denial: Denial) -> None:
        """Refuse somebody: recorded, or counted with those of its kind."""
        self.tally.denials += 1
        entry = self._denials.note(denial, self._clock.now())
        if entry is not None:
            self.record(entry)

    def tell_denials(self) -> None:
        """Those of the minutes that are over."""
        self.record(*self._denials.due(self._clock.now()))

    def fill_disk(self) -> None:
        self.settle()
        self._disk.full = True

    def free_disk(self) -> None:
        """There is room again: the log tells the gap, and the gateway tells it by kinds."""
        self._disk.full = False
        missed, self._missed = self._missed, Counter()
        self.tally.missed += missed
        if missed:
            self.tally.own(kinds.GAP)
            self.record(records.gap(sorted(missed.items()), "No space left on device"))

    def step_clock(self, by_us: int) -> None:
        """Somebody sets the host's UTC; the log says so in front of the next record."""
        self.settle()
        self._clock.step(by_us)
        self.tally.own(kinds.STEP)
        self.record(records.clock_step(by_us // 1000))

    def keep_approval(self, given: bytes) -> None:
        """Make it durable where verifiers look for it."""
        self._layout.approvals_folder.mkdir(mode=0o750, exist_ok=True)
        write_durable(self._layout.approval(hashlib.sha256(given).hexdigest()), given)

    def pack(self) -> None:
        """Pack the segments that have become full, and remove the plain files of those packed a day ago."""
        self.settle()
        assert self._log is not None
        if any(self._layout.headers(segment).exists() for segment in range(self._packed)):
            keeping.drop_plain(self._layout, self.size, self._clock.utc_us)
        if self.size // self._layout.segment_lines > self._packed:
            done = keeping.pack(self._log, self._layout, self.size)
            self._packed += len(done)
            self.size += len(done)
            self.tally.own(kinds.PACKED, len(done))

    def prune(self, people: People, ticket: str) -> None:
        """Take the oldest full segment away, as two persons approve; nothing where none is full."""
        self.settle()
        assert self._log is not None
        segment = next(stock.segments(self._layout, self.size), None)
        if segment is None:
            return
        said = pruning(segment.span.segment, [segment.sealed])
        subject, effective_us = said.subject(self._log.origin), whole_second(self._clock.utc_us)
        request = Request(approval.PRUNE, subject, AUTHOR, ticket, effective_us)
        given = people.approve(request, APPROVERS[:2])
        reason = f"ticket {ticket}; rehearsed, before any rule of retention allows it"
        keeping.prune(self._log, self._layout, [segment], given, reason)
        self.size += 1
        self.tally.own(kinds.PRUNED)
        self.tally.pruned_records += self._layout.segment_lines
