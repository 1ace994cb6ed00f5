"""A trail that implements the real interface and can lie: slow, full, or simply gone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from audit.errors import BadEntry, NotRecorded
from audit.format.record import Entry
from audit.log import Health, Released


@dataclass
class LyingTrail:
    """Records at once (`mood` "well"), never (`full`, `wrong`), or when the test says so (`slow`)."""

    mood: str = "well"
    entries: list[Entry] = field(default_factory=list)
    held: list[tuple[Sequence[Entry], Future[Released]]] = field(default_factory=list)
    tries: int = 0

    def submit(self, entries: Sequence[Entry]) -> Future[Released]:
        self.tries += 1
        future: Future[Released] = Future()
        if self.mood == "slow":
            self.held.append((entries, future))
        elif self.mood == "well":
            self._take(entries, future)
        else:
            error = NotRecorded("no space left on device") if self.mood == "full" else BadEntry("never")
            future.set_exception(error)
        return future

    def health(self) -> Health:
        return Health(self.mood != "full", "no space left on device" if self.mood == "full" else "", len(self.held))

    def catch_up(self) -> None:
        """The disk takes what it held up, and is well from now on."""
        self.mood = "well"
        held, self.held = self.held, []
        for entries, future in held:
            if future.set_running_or_notify_cancel():
                self._take(entries, future)

    def fail(self) -> None:
        """What was held up is lost, and the disk is full from now on."""
        self.mood = "full"
        held, self.held = self.held, []
        for _, future in held:
            if future.set_running_or_notify_cancel():
                future.set_exception(NotRecorded("no space left on device"))

    def kinds(self) -> list[str]:
        return [entry.kind for entry in self.entries]

    def of(self, kind: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind == kind]

    def _take(self, entries: Sequence[Entry], future: Future[Released]) -> None:
        self.entries += entries
        future.set_result(Released(0, 0, len(self.entries)))
