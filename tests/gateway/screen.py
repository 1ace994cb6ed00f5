"""A face without a protocol: it keeps what it was shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.faces import FaceHealth, Update


@dataclass(eq=False)
class Screen:
    """A face that keeps what it was shown."""

    batches: list[list[Update]] = field(default_factory=list)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def show(self, batch: Sequence[Update]) -> None:
        self.batches.append(list(batch))

    def health(self) -> FaceHealth:
        return FaceHealth(True, (), 0, 0)
