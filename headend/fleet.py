"""What is known of the fleet at this moment: the last measurement of every asset, and whose agent is connected.

Nothing is stored here and nothing invented: an asset that was never heard has no measurement, and after a restart of
the headend that is every asset until its agent is back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Final

from dermscore.dispatch.check import unheard
from dermscore.intent import Intent
from dermscore.model import Asset, Fleet, Impairment, Measurement, Now, Snapshot
from dermscore.quality import Cause, Quality, Validity

_CLOCKS_AGREE_MS: Final = 1_000
_JITTER_MS: Final = 50  # of two messages' ways, and of clocks that are read to the millisecond


@dataclass(frozen=True, slots=True)
class Latest:
    """The newest measurement of an asset, and when it was measured by our monotonic clock, as far as its source's
    messages tell. Its own time is its source's, whose clock need not agree with ours.
    """

    measurement: Measurement
    taken_mono_ms: int


@dataclass(frozen=True, slots=True)
class Power:
    """What an asset was last known to deliver, W, with the quality that its age leaves it, and when by our monotonic
    clock.
    """

    power_w: float
    taken_mono_ms: int
    quality: Quality


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
        self._reported: dict[str, tuple[int, float]] = {}  # asset to when (monotonic ms) it reported what power, W
        self._impaired: dict[str, Impairment] = {}  # by asset, as its agent said last
        self._heartbeats: dict[str, int] = {}  # asset to when its agent was last heard, UTC ms
        self._connections: dict[str, Connection] = {}  # by asset
        self._sessions: dict[str, Connection] = {}  # by session id
        self._of_agent: dict[str, str] = {}  # agent id to its session id

    # --- measurements

    def take(self, measurement: Measurement, told: Now) -> bool:
        """Take a measurement in. Returns whether it is news of its asset; a back-filled one changes nothing.

        `told` is the moment at which it is taken in, its UTC by the clock of whoever measured (`SourceTime.at`): how
        old the measurement is, is the difference, and which of two is newer is told by our monotonic clock. One of the
        same moment as the one before is that one told again, and no younger; it may have become worse.
        """
        fresh = Latest(measurement, _taken_mono_ms(measurement.time_ms, told))
        before = self._latest.get(measurement.asset_id)
        if before is not None and before.measurement.time_ms == measurement.time_ms:
            return self._worsen(before, measurement)
        if before is not None and fresh.taken_mono_ms <= before.taken_mono_ms:
            return False
        self._latest[measurement.asset_id] = fresh
        return True

    def _worsen(self, before: Latest, again: Measurement) -> bool:
        if again.quality.validity <= before.measurement.quality.validity:
            return False
        self._latest[again.asset_id] = replace(before, measurement=again)
        return True

    def report(self, asset_id: str, power_w: float, time_ms: int, told: Now) -> None:
        """An agent has seen its device deliver this: newer than its telemetry of up to a period ago, or not."""
        report = (_taken_mono_ms(time_ms, told), power_w)
        before_ms, _ = self._reported.get(asset_id, report)
        if report[0] >= before_ms - _JITTER_MS:  # one that is said again after a reconnect is older than that
            self._reported[asset_id] = report

    def impair(self, asset_ids: Iterable[str], impaired: Mapping[str, Impairment]) -> None:
        """An agent has said what of its assets cannot be asked; whom it does not name can be."""
        for asset_id in asset_ids:
            self._impaired.pop(asset_id, None)
        self._impaired |= impaired

    def latest(self, asset_id: str) -> Latest | None:
        return self._latest.get(asset_id)

    def fresh(self, latest: Latest, now: Now) -> bool:
        """Whether it was measured lately: by its source's clock when it came, by our monotonic one since."""
        return now.mono_ms - latest.taken_mono_ms <= self.fresh_within_ms

    def measurements(self, now: Now) -> dict[str, Measurement]:
        """The last measurement per asset id, its time by *our* wall clock, so that its age may be read from it. One
        that is not fresh is INVALID by COMM_LOST: a stale value must not look good.
        """
        return {
            asset_id: self._ours(latest, self._honest(latest, now), now) for asset_id, latest in self._latest.items()
        }

    def measurement(self, asset_id: str, now: Now) -> Measurement | None:
        """One asset's, with its source's time; None where it was never heard."""
        latest = self._latest.get(asset_id)
        return None if latest is None else self._honest(latest, now)

    def power(self, asset_id: str, now: Now) -> Power | None:
        """What an asset delivers, by its telemetry or by its agent's newer report; None where it was never heard."""
        latest = self._latest.get(asset_id)
        if latest is None:
            return None
        told = (latest.taken_mono_ms, latest.measurement.power_w)
        taken_mono_ms, power_w = max(self._reported.get(asset_id, told), told, key=itemgetter(0))
        known = replace(latest, taken_mono_ms=taken_mono_ms)
        return Power(power_w, taken_mono_ms, self._honest(known, now).quality)

    def askable(self, asset_id: str, now: Now) -> bool:
        """Whether a decision can ask something of an asset: it is here, heard, and not impaired."""
        asset = self.fleet.assets.get(asset_id)
        if asset is None or asset_id not in self._connections or asset_id in self._impaired:
            return False
        return unheard(asset, self.measurement(asset_id, now)) is None

    def heard_within(self, asset_id: str, ms: int, now: Now) -> bool:
        """Whether an asset was measured so lately."""
        latest = self._latest.get(asset_id)
        return latest is not None and now.mono_ms - latest.taken_mono_ms <= ms

    def impaired(self, asset_id: str) -> bool:
        """Whether its agent has said that it cannot be asked."""
        return asset_id in self._impaired

    def snapshot(self, now: Now) -> Snapshot:
        """What a decision is taken on."""
        return Snapshot(self.fleet, self.measurements(now), frozenset(self._connections), dict(self._impaired))

    def _honest(self, latest: Latest, now: Now) -> Measurement:
        taken = latest.measurement
        if self.fresh(latest, now):
            return taken
        return replace(taken, quality=taken.quality.because(Cause.COMM_LOST, Validity.INVALID))

    def _ours(self, latest: Latest, honest: Measurement, now: Now) -> Measurement:
        """With its time by our wall clock. Where that agrees with its source's, which is the rule, that is its own."""
        time_ms = now.utc_ms - (now.mono_ms - latest.taken_mono_ms)
        near = abs(time_ms - honest.time_ms) <= _CLOCKS_AGREE_MS
        same_verdict = abs(now.utc_ms - honest.time_ms) <= self.fresh_within_ms or not self.fresh(latest, now)
        return honest if near and same_verdict else replace(honest, time_ms=max(0, time_ms))

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


def _taken_mono_ms(time_ms: int, told: Now) -> int:
    """When something of `time_ms` was, by our monotonic clock. What seems to come from the future is of this moment."""
    return told.mono_ms - max(0, told.utc_ms - time_ms)


def named(fleet: Fleet) -> Callable[[str], str]:
    """Looks an asset's name up; one that is no longer in the fleet is called by its id."""
    assets: Mapping[str, Asset] = fleet.assets
    return lambda asset_id: assets[asset_id].name if asset_id in assets else asset_id
