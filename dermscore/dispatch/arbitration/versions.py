"""What a log of events says in the end, in whatever order and however often it says it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dermscore.dispatch.arbitration.events import Event


def merged(events: Iterable[Event]) -> tuple[list[Event], list[Event]]:
    """One event for each id, of the events of one node; and the versions that change more than they may.

    IEEE Std 2030.5-2018 10.2.3.3, rule c: editing events is not allowed, except for their status. So of several
    versions the first known stands, cancelled when the first of those that only cancel it says so.
    """
    kept: dict[str, Event] = {}
    several: dict[str, list[Event]] = {}
    for event in events:
        first = kept.setdefault(event.id, event)
        if first is not event and first != event:
            several.setdefault(event.id, [first]).append(event)
    edited: list[Event] = []
    for key, versions in several.items():
        kept[key] = _joined(versions, edited)
    return list(kept.values()), edited


def _joined(versions: list[Event], edited: list[Event]) -> Event:
    first = min(versions, key=lambda event: (event.heard_ms, event.issued_ms, repr(_plain(event))))
    same = [event for event in versions if _plain(event) == _plain(first)]
    edited += [event for number, event in enumerate(versions) if event not in same and event not in versions[:number]]
    cancelled = [(event.cancelled_ms, event.cancel_randomized) for event in same if event.cancelled_ms is not None]
    cancelled_ms, randomized = min(cancelled, default=(None, False))
    return replace(_plain(first), cancelled_ms=cancelled_ms, cancel_randomized=randomized, known_ms=first.heard_ms)


def _plain(event: Event) -> Event:
    """The event without its status and without when it was heard of."""
    return replace(event, cancelled_ms=None, cancel_randomized=False, known_ms=None)
