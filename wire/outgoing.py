"""What one stream still has to say: in order what may not be lost, and of what ages only the latest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from typing import Generic, TypeVar

from dermscore.errors import DermsError

T = TypeVar("T")

QUEUE = 1024


class Overflow(DermsError):
    """The reader is too slow for what may not be lost. The stream must end: after a reconnect both sides reconcile."""


class Outgoing(Generic[T]):
    """The messages waiting for one stream's single writer, who drains it with `async for`.

    `put` keeps order and loses nothing, up to `limit` waiting messages; one more, and the writer meets Overflow.
    `offer` keeps the latest of each key: a newer one takes the older's place in the queue. Neither ever waits, so a
    producer is never held up by a peer that does not read. After `close` what is waiting is still drained, then the
    iteration ends.

    Owner: the event loop of its writer. Not thread-safe.
    """

    def __init__(self, limit: int = QUEUE) -> None:
        self._limit = limit
        self._waiting: dict[tuple[bool, Hashable], T] = {}  # insertion order is the order of sending
        self._ordered = 0
        self._count = 0
        self._overflowed = False
        self._closed = False
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        return self._closed

    def put(self, message: T) -> bool:
        """Queue `message` behind all that is waiting. False where it was not taken: closed, or full (the end)."""
        if self._closed:
            return False
        if self._ordered >= self._limit:
            self._overflowed = True
            self.close()
            return False
        self._ordered += 1
        self._count += 1
        self._waiting[(True, self._count)] = message
        self._changed.set()
        return True

    def offer(self, key: Hashable, message: T) -> bool:
        """Queue `message` as the latest of `key`. False where the stream is closed."""
        if self._closed:
            return False
        self._waiting[(False, key)] = message
        self._changed.set()
        return True

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True
        self._changed.set()

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        while True:
            if self._overflowed:
                raise Overflow(f"more than {self._limit} messages were waiting")
            if self._waiting:
                return self._take()
            if self._closed:
                raise StopAsyncIteration
            self._changed.clear()
            await self._changed.wait()

    def _take(self) -> T:
        key = next(iter(self._waiting))
        if key[0]:
            self._ordered -= 1
        return self._waiting.pop(key)
