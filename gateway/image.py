"""The point image: what every face shows, in one neutral table, and the only place that calls `Face.show`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.contract import Contract
from gateway.faces import Face, Update


class Image:
    """What masters see now. Owner: the gateway's loop."""

    def __init__(self, contract: Contract, faces: Mapping[str, Face]) -> None:
        """`faces` by outstation."""
        self._face_of = {row.name: faces[row.outstation] for row in contract.points}
        self._face_of |= {row.name: faces[row.outstation] for row in contract.commands}
        self._shown: dict[str, Update] = {}

    @property
    def shown(self) -> Mapping[str, Update]:
        """The last update of each point."""
        return self._shown

    def show(self, updates: Iterable[Update]) -> None:
        """Replace what masters see of these points: each face gets its own in one batch."""
        batches: dict[Face, list[Update]] = {}
        for update in updates:
            batches.setdefault(self._face_of[update.point], []).append(update)
            self._shown[update.point] = update
        for face, batch in batches.items():
            face.show(batch)

    def show_changed(self, updates: Iterable[Update]) -> list[Update]:
        """The same for those whose value or quality is another one than is shown; returns them."""
        changed = [update for update in updates if self._differs(update)]
        self.show(changed)
        return changed

    def _differs(self, update: Update) -> bool:
        before = self._shown.get(update.point)
        return before is None or (before.raw, before.quality) != (update.raw, update.quality)
