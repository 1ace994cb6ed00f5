"""The gateway's way to the trail: what may not happen unrecorded waits for it, all else is handed in and goes on.

What the trail did not take is counted by kind, and told in one `gap` record as soon as it takes something again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from audit.errors import AuditError
from audit.format.record import Entry
from audit.log import Health, Released
from daemon import logs
from dermscore.model import Now
from gateway import records
from gateway.denials import Denial, Denials

Submit = Callable[[Sequence[Entry]], Future[Released]]

STALLED_MS: Final = 2000
"""How long a record may be on its way before the trail counts as unhealthy."""

SPARED: Final = "the disk was full, and its last space kept for what crosses"

log = logs.get(__name__)


class Recorder:
    """Hands entries to the trail's writer. Owner: the gateway's loop."""

    def __init__(self, submit: Submit, health: Callable[[], Health], now: Callable[[], Now]) -> None:
        self._submit = submit
        self._health = health
        self._now = now
        self._on_the_way: dict[Future[Released], int] = {}  # when each was handed in
        self._missed: Counter[str] = Counter()
        self._why = ""
        self._refusing = False  # whether the trail did not take what was handed in last
        self._gap_on_the_way = False
        self._handed_in_ms = now().mono_ms  # when anything was
        self._denials = Denials()
        self._spared: Counter[str] = Counter()  # denials that were not recorded for want of space
        self.sparing: Callable[[], bool] = lambda: False
        """Whether space is short, so that denials are counted instead of recorded."""
        self.changed: Callable[[], None] = lambda: None
        """Whom to tell at once that the trail was not written, or is again."""

    @property
    def trouble(self) -> str:
        """Why the trail is not healthy; empty while it is."""
        health = self._health()
        if not health.ok:
            return health.reason or "the trail cannot be written"
        oldest = next(iter(self._on_the_way.values()), None)
        if oldest is not None and self._now().mono_ms - oldest >= STALLED_MS:
            return f"the disk has not taken a record for {(self._now().mono_ms - oldest) / 1000:.0f} s"
        return f"{self._missed.total()} records were missed and the gap is not told yet" if self._missed else ""

    @property
    def ok(self) -> bool:
        return not self.trouble

    @property
    def silent_ms(self) -> int:
        """How long ago anything was handed in."""
        return self._now().mono_ms - self._handed_in_ms

    def note(self, *entries: Entry) -> None:
        """Record what has happened already; nobody waits."""
        self._hand_in(entries)

    def deny(self, denial: Denial) -> None:
        """Record a refusal, or count it with those of its kind."""
        entry = self._denials.note(denial, self._now())
        if entry is not None:
            self._hand_in_denials([entry])

    def missed(self, kind: str, count: int = 1) -> None:
        """Something is not going to be recorded at all."""
        self._missed[kind] += count

    async def commit(self, entries: Sequence[Entry], tried_again: Sequence[Entry] = ()) -> bool:
        """Record what must not happen before; whether it is durable.

        Where it is not, `tried_again` are those of `entries` that the caller brings once more: they are not missed.
        """
        future = self._hand_in(entries, tried_again)
        try:
            await asyncio.wrap_future(future)
        except AuditError:
            return False
        return True

    def commit_within(self, entry: Entry, seconds: float) -> bool:
        """The same for a master that is timing the answer: blocks this thread, `seconds` at most.

        A record that comes too late may still become durable: whoever gave up on it must record that too.
        """
        future = self._hand_in([entry])
        try:
            future.result(seconds)
        except (AuditError, TimeoutError):
            future.cancel()
            return False
        return True

    def tick(self) -> None:
        """Tell what is due: coalesced denials, and the gap once the trail is written again."""
        self._hand_in_denials(self._denials.due(self._now()))
        if self._spared and not self.sparing():
            self._why = SPARED
            self._missed += self._spared
            self._spared.clear()
        if self._missed and not self._gap_on_the_way and self._health().ok and not self._on_the_way:
            counts = sorted(self._missed.items())
            self._gap_on_the_way = True
            future = self._hand_in([records.gap(counts, self._why or "not taken in time")])
            asyncio.wrap_future(future).add_done_callback(lambda told: self._gap_told(told, Counter(dict(counts))))

    def flush(self) -> None:
        """At the end: the denials still being counted."""
        self._hand_in_denials(self._denials.due(self._now(), all_of_them=True))
        if self._spared:
            self._hand_in([records.gap(sorted(self._spared.items()), SPARED)])

    def _hand_in_denials(self, entries: Sequence[Entry]) -> None:
        if self.sparing():
            self._spared[records.DENIED] += sum(entry.n for entry in entries)
        elif entries:
            self._hand_in(entries)

    def _hand_in(self, entries: Sequence[Entry], tried_again: Sequence[Entry] = ()) -> Future[Released]:
        future = self._submit(entries)
        self._handed_in_ms = self._on_the_way[future] = self._now().mono_ms
        missed = Counter(each.kind for each in entries if each not in tried_again and each.kind != records.GAP)
        kinds = ",".join(each.kind for each in entries)
        asyncio.wrap_future(future).add_done_callback(lambda done: self._settled(future, done, kinds, missed))
        return future

    def _settled(
        self, future: Future[Released], done: asyncio.Future[Released], kinds: str, missed: Counter[str]
    ) -> None:
        """The log hears that the trail refuses, and that it takes again; what was missed between stands in the gap."""
        self._on_the_way.pop(future, None)
        error = None if done.cancelled() else done.exception()
        if error is None:
            if self._refusing and not done.cancelled():
                self._refusing = False
                log.warning("the trail takes records again")
            return
        self._why = str(error)
        self._missed += missed
        if not self._refusing:
            log.error("not recorded", kinds=kinds, reason=self._why)
        self._refusing = True
        self.changed()

    def _gap_told(self, told: asyncio.Future[Released], counts: Counter[str]) -> None:
        self._gap_on_the_way = False
        if not told.cancelled() and told.exception() is None:
            self._missed -= counts
            log.warning("the gap in the trail is told", missed=counts.total())
            self.changed()
