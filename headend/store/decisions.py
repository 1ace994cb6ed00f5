"""The newest decisions, kept whole with what they were taken on, so that they can be taken again.

Lines of a decision log (`dermscore.decision.log`), compressed: of 10,000 assets that hold as many intents one is 8 MB
of JSON, made in 40 ms and packed in another 40, in the store's thread and before its transaction begins.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, delete, select, text

from dermscore.decision.log import decision_line, fleet_line
from dermscore.decision.replay import Past
from dermscore.model import Fleet
from headend.store.tables import decisions, fleets

_LEVEL: Final = 1  # three times as fast as the usual level, for an eighth more of bytes

# The same words in SQLite and PostgreSQL: another headend on this store may have put the fleet there just now.
_ADD_FLEET: Final = text("INSERT INTO fleets (digest, body) VALUES (:digest, :body) ON CONFLICT (digest) DO NOTHING")


@dataclass(frozen=True, slots=True)
class Packed:
    """A decision ready to be stored."""

    at_ms: int
    fleet: str
    fleet_body: bytes
    body: bytes


class DecisionShelf:
    """Holds the newest `most` decisions; 0: none. Owner of `_fleet`: whoever opens the store, then its one thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._fleet: tuple[Fleet, str, bytes] | None = None  # the last one, its digest and its packed line

    def pack(self, past: Past | None) -> Packed | None:
        """None where there is nothing to keep, or nothing is kept."""
        if past is None or not self._most:
            return None
        digest, fleet_body = self._packed_fleet(past.facts.snapshot.fleet)
        return Packed(past.now.utc_ms, digest, fleet_body, zlib.compress(decision_line(past, digest), _LEVEL))

    def expect(self, fleet: Fleet) -> None:
        """Pack the fleet now: the first decision need not wait for that."""
        if self._most:
            self._packed_fleet(fleet)

    def _packed_fleet(self, fleet: Fleet) -> tuple[str, bytes]:
        if self._fleet is None or self._fleet[0] is not fleet:
            digest, line = fleet_line(fleet)
            self._fleet = (fleet, digest, zlib.compress(line))
        return self._fleet[1:]

    def put(self, connection: Connection, dispatch_id: str, packed: Packed | None) -> None:
        """Put a decision on the shelf, in the caller's transaction. The oldest make room, and fleets without any."""
        if packed is not None:
            if connection.execute(select(fleets.c.digest).where(fleets.c.digest == packed.fleet)).first() is None:
                connection.execute(delete(fleets).where(fleets.c.digest.not_in(select(decisions.c.fleet))))
                connection.execute(_ADD_FLEET, {"digest": packed.fleet, "body": packed.fleet_body})
            row = {"dispatch_id": dispatch_id, "at_ms": packed.at_ms, "fleet": packed.fleet, "body": packed.body}
            connection.execute(decisions.insert().values(row))
        newest = select(decisions.c.number).order_by(decisions.c.number.desc())
        last_out = newest.offset(self._most).limit(1).scalar_subquery()
        connection.execute(delete(decisions).where(decisions.c.number <= last_out))


def lines(engine: Engine, since_ms: int = 0) -> Iterator[bytes]:
    """The lines of a decision log, without line breaks: what was decided at `since_ms` (UTC) or later, oldest first.

    One by one, so that however many there are, few are held.
    """
    said: set[str] = set()
    with engine.connect() as connection:
        wanted = select(decisions.c.number).where(decisions.c.at_ms >= since_ms).order_by(decisions.c.number)
        for number in connection.execute(wanted).scalars().all():
            row = connection.execute(select(decisions).where(decisions.c.number == number)).first()
            if row is None:
                continue  # it has made room for a newer one meanwhile
            if row.fleet not in said:
                said.add(row.fleet)
                found = connection.execute(select(fleets.c.body).where(fleets.c.digest == row.fleet)).scalar_one()
                yield zlib.decompress(found)
            yield zlib.decompress(row.body)
