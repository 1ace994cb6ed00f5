"""What the headend must hear of intents and events, kept across sessions of the link.

A stream may break between a report and the headend's store, and nothing acknowledges a report; so the last one of
each recent intent of every asset is said again at the start of every session. The headend's states only move forward:
a repeat changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from wire.convert import AssetEvent, Report

KEPT_INTENTS = 16  # of each asset: a busy one pushes out no other's
KEPT_EVENTS = 64

Say = Callable[[Report | AssetEvent], bool]


class Reports:
    """The reports of one agent. Never waits and never raises. Owner: the agent's event loop."""

    def __init__(self, kept_intents: int = KEPT_INTENTS, kept_events: int = KEPT_EVENTS) -> None:
        # By asset, then (epoch, revision): the newest report of each intent, oldest intent first.
        self._last: dict[str, dict[tuple[str, int], Report]] = {}
        self._kept_intents = kept_intents
        self._unsaid: deque[AssetEvent] = deque(maxlen=kept_events)
        self._say: Say | None = None

    def report(self, report: Report) -> None:
        """Say how far an intent has come, now if a session is up and again at the start of each later one."""
        last = self._last.setdefault(report.asset_id, {})
        last[report.epoch, report.revision] = report
        if len(last) > self._kept_intents:
            del last[next(iter(last))]
        if self._say is not None:
            self._say(report)

    def event(self, event: AssetEvent) -> None:
        """Say an event once: now, or at the start of the next session."""
        if self._say is None or not self._say(event):
            self._unsaid.append(event)

    def attach(self, say: Say) -> None:
        """A session is up: say what it should know, and from now on all there is."""
        self._say = say
        for last in self._last.values():
            for report in last.values():
                say(report)
        while self._unsaid and say(self._unsaid[0]):
            self._unsaid.popleft()

    def detach(self) -> None:
        """The session is over."""
        self._say = None
