"""What is known of the fleet at this moment: the last measurement of every asset, and whose agent is connected.

Nothing is stored here and nothing invented: an asset that was never heard has no measurement, and after a restart of
the headend that is every asset until its agent is back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from dermscore.intent import Intent
from dermscore.model import Asset, Fleet, Measurement, Now, Snapshot
from dermscore.quality import Cause, Validity


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest measurement of an asset by its source's time, and when we took it by both our clocks."""

    measurement: Measurement
    received: Now


@dataclass(frozen=True, slots=True)
class Connection:
    """One live session of an agent. `deliver` queues an intent on its stream and never waits; `end` ends the stream."""

    session_id: str
    agent_id: str
    peer: str
    asset_ids: tuple[str, ...]
    connected_ms: int
    deliver: Callable[[Intent], None]
    end: Callable[[str], None]


class LiveFleet:
    """The fleet as it is known now. Owner of every field: the event loop of the headend."""

    def __init__(self, fleet: Fleet, fresh_within_ms: int) -> None:
        self.fleet = fleet
        self.fresh_within_ms = fresh_within_ms
        self._latest: dict[str, Latest] = {}
        self._heartbeats: dict[str, int] = {}  # asset to when its agent was last heard, UTC ms
        self._connections: dict[str, Connection] = {}  # by asset
        self._sessions: dict[str, Connection] = {}  # by session id
        self._of_agent: dict[str, str] = {}  # agent id to its session id

    # --- measurements

    def take(self, measurement: Measurement, now: Now) -> bool:
        """Take a measurement in. Returns whether it is the newest of its asset; a back-filled one changes nothing."""
        before = self._latest.get(measurement.asset_id)
        if before is not None and measurement.time_ms <= before.measurement.time_ms:
            return False
        self._latest[measurement.asset_id] = Latest(measurement, now)
        return True

    def latest(self, asset_id: str) -> Latest | None:
        return self._latest.get(asset_id)

    def fresh(self, latest: Latest, now: Now) -> bool:
        """Whether it came lately, by our monotonic clock, and was taken lately, by its source's."""
        limit = self.fresh_within_ms
        return now.mono_ms - latest.received.mono_ms <= limit and abs(now.utc_ms - latest.measurement.time_ms) <= limit

    def measurements(self, now: Now) -> dict[str, Measurement]:
        """The last measurement per asset id. One that is not fresh is INVALID by COMM_LOST: a stale value must not look
        good, and a source whose clock runs ahead must not keep a dead device alive.
        """
        return {asset_id: self._honest(latest, now) for asset_id, latest in self._latest.items()}

    def measurement(self, asset_id: str, now: Now) -> Measurement | None:
        """One asset's, likewise; None where it was never heard."""
        latest = self._latest.get(asset_id)
        return None if latest is None else self._honest(latest, now)

    def snapshot(self, now: Now) -> Snapshot:
        """What a decision is taken on."""
        return Snapshot(self.fleet, self.measurements(now), frozenset(self._connections))

    def _honest(self, latest: Latest, now: Now) -> Measurement:
        taken = latest.measurement
        if self.fresh(latest, now):
            return taken
        return replace(taken, quality=taken.quality.because(Cause.COMM_LOST, Validity.INVALID))

    # --- sessions

    def connect(self, connection: Connection) -> Connection | None:
        """A session has begun. Returns the older session of the same agent, which it replaces, if there is one.

        The caller has made sure that `rival` finds none.
        """
        older = self._sessions.get(self._of_agent.get(connection.agent_id, ""))
        if older is not None:
            self.disconnect(older.session_id)
        self._sessions[connection.session_id] = connection
        self._of_agent[connection.agent_id] = connection.session_id
        self._connections |= dict.fromkeys(connection.asset_ids, connection)
        return older

    def rival(self, agent_id: str, asset_ids: Iterable[str]) -> tuple[str, Connection] | None:
        """An asset among these that another identity's live session speaks for, and that session."""
        for asset_id in asset_ids:
            connection = self._connections.get(asset_id)
            if connection is not None and connection.agent_id != agent_id:
                return asset_id, connection
        return None

    def disconnect(self, session_id: str) -> None:
        """A session is over. What a newer one has taken over stays its own."""
        over = self._sessions.pop(session_id, None)
        if over is None:
            return
        if self._of_agent.get(over.agent_id) == session_id:
            del self._of_agent[over.agent_id]
        for asset_id in over.asset_ids:
            if self._connections.get(asset_id) is over:
                del self._connections[asset_id]

    def connection(self, asset_id: str) -> Connection | None:
        return self._connections.get(asset_id)

    @property
    def agents_connected(self) -> int:
        return len(self._sessions)

    def heartbeat(self, asset_ids: Iterable[str], utc_ms: int) -> None:
        """The agent of these assets was heard."""
        self._heartbeats |= dict.fromkeys(asset_ids, utc_ms)

    def last_heartbeat_ms(self, asset_id: str) -> int | None:
        return self._heartbeats.get(asset_id)


def named(fleet: Fleet) -> Callable[[str], str]:
    """Looks an asset's name up; one that is no longer in the fleet is called by its id."""
    assets: Mapping[str, Asset] = fleet.assets
    return lambda asset_id: assets[asset_id].name if asset_id in assets else asset_id
