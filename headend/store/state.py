"""The state store: dispatches, intents with their revisions, claims, and the epoch. Synchronous; runs in one thread.

Every write is one transaction. What `keep` has returned is durable: an intent is never sent before.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, func, select, text, tuple_, update
from sqlalchemy.exc import IntegrityError

from dermscore.decision.replay import Past
from dermscore.decision.request import Aim, Part
from dermscore.errors import DermsError, NotSetUp
from dermscore.intent import TERMINAL, Intent, IntentState
from dermscore.model import Fleet
from headend.records import Dispatch, Kept, Placed, joined
from headend.store import tables
from headend.store.decisions import DecisionShelf, lines

_LIVING = [state.value for state in IntentState if state not in TERMINAL]
# The same words in SQLite (3.35 and later) and PostgreSQL; the row is locked until the transaction ends.
_NEXT_REVISION = text(
    "INSERT INTO asset_revisions (asset_id, revision) VALUES (:asset_id, 1) "
    "ON CONFLICT (asset_id) DO UPDATE SET revision = asset_revisions.revision + 1 RETURNING revision"
)
_RAISE_REVISION = text(
    "INSERT INTO asset_revisions (asset_id, revision) VALUES (:asset_id, :revision) "
    "ON CONFLICT (asset_id) DO UPDATE SET revision = excluded.revision "
    "WHERE asset_revisions.revision < excluded.revision"
)


class IdTaken(DermsError):
    """There is a dispatch of this id already."""


class StateStore:
    """Reads and writes the state tables; the engine is safe between threads.

    `decisions_kept` is how many decisions stay on record whole, 0: none.
    """

    def __init__(self, engine: Engine, decisions_kept: int = 0) -> None:
        self._engine = engine
        self._shelf = DecisionShelf(decisions_kept)

    def close(self) -> None:
        self._engine.dispose()

    # --- made once, by init

    def make_identity(self, now_ms: int) -> str:
        """Give a new store its epoch; an old one keeps its own. Returns the epoch."""
        with self._engine.begin() as connection:
            found = connection.execute(select(tables.identity.c.epoch)).scalar_one_or_none()
            if found is None:
                found = uuid.uuid4().hex
                connection.execute(tables.identity.insert().values(id=1, epoch=found, made_ms=now_ms))
        return str(found)

    def set_claims(self, claims: Mapping[str, Iterable[str]]) -> None:
        """Make `claims` (agent id to asset ids) the whole table."""
        rows = [{"agent_id": agent, "asset_id": asset} for agent, assets in claims.items() for asset in sorted(assets)]
        with self._engine.begin() as connection:
            connection.execute(tables.claims.delete())
            if rows:
                connection.execute(tables.claims.insert(), rows)

    # --- read at start

    def epoch(self) -> str:
        """Raises NotSetUp: the store was never given one."""
        with self._engine.connect() as connection:
            found = connection.execute(select(tables.identity.c.epoch)).scalar_one_or_none()
        if found is None:
            raise NotSetUp("the state store has no epoch; `derms headend init DIR --update` gives it one")
        return str(found)

    def claims(self) -> dict[str, frozenset[str]]:
        """Agent id to the ids of the assets that it may speak for."""
        found: dict[str, set[str]] = defaultdict(set)
        with self._engine.connect() as connection:
            for row in connection.execute(select(tables.claims.c.agent_id, tables.claims.c.asset_id)):
                found[row.agent_id].add(row.asset_id)
        return {agent: frozenset(assets) for agent, assets in found.items()}

    def revisions(self) -> dict[str, int]:
        """The last revision given, by asset id."""
        table = tables.asset_revisions
        with self._engine.connect() as connection:
            return {
                row.asset_id: row.revision for row in connection.execute(select(table.c.asset_id, table.c.revision))
            }

    def alive(self) -> list[Kept]:
        """Every dispatch that is not over, or has an intent that is not, oldest first."""
        living = select(tables.intents.c.dispatch_id).where(tables.intents.c.state.in_(_LIVING))
        wanted = tables.dispatches.c.state.in_(_LIVING) | tables.dispatches.c.id.in_(living)
        return self._kept(select(tables.dispatches).where(wanted).order_by(tables.dispatches.c.submitted_ms))

    # --- dispatches

    def keep(
        self, dispatch: Dispatch, parts: Sequence[Part], past: Past | None = None, changed: Iterable[Placed] = ()
    ) -> tuple[Placed, ...]:
        """Store a dispatch and its intents in one transaction, which gives each intent its revision.

        `past` is the decision that made it, kept with it for as long as there is room; None where none was taken.
        `changed` are older intents that are not as they were because of it.

        Raises:
            IdTaken: there is a dispatch of this id already; nothing was stored.
        """
        packed = self._shelf.pack(past)
        try:
            with self._engine.begin() as connection:
                connection.execute(tables.dispatches.insert().values(_dispatch_row(dispatch)))
                placed = _place(connection, dispatch, parts)
                _record_intents(connection, changed)
                self._shelf.put(connection, dispatch.id, packed)
        except IntegrityError as error:
            if self.find(dispatch.id) is None:
                raise
            raise IdTaken(f"there is a dispatch {dispatch.id} already") from error
        return placed

    def take_up(
        self, dispatch: Dispatch, parts: Sequence[Part], past: Past, changed: Iterable[Placed]
    ) -> tuple[Placed, ...]:
        """Store that a dispatch which is there was decided anew, and its new intents, in one transaction.

        `changed` are its older intents that are over by that.
        """
        packed = self._shelf.pack(past)
        with self._engine.begin() as connection:
            fresh = _progress_of(dispatch) | {"expires_ms": dispatch.expires_ms, "policy": dispatch.policy}
            connection.execute(update(tables.dispatches).where(tables.dispatches.c.id == dispatch.id).values(fresh))
            _record_intents(connection, changed)
            placed = _place(connection, dispatch, parts)
            self._shelf.put(connection, dispatch.id, packed)
        return placed

    def record(self, dispatches: Iterable[Dispatch], intents: Iterable[Placed]) -> None:
        """Store how far dispatches and intents have come."""
        with self._engine.begin() as connection:
            for dispatch in dispatches:
                where = tables.dispatches.c.id == dispatch.id
                connection.execute(update(tables.dispatches).where(where).values(_progress_of(dispatch)))
            _record_intents(connection, intents)

    def expect(self, fleet: Fleet) -> None:
        """Decisions will be taken on this fleet: make ready what the first of them would wait for."""
        self._shelf.expect(fleet)

    def decisions(self, since_ms: int = 0) -> Iterator[bytes]:
        """The lines of a decision log: what was decided at `since_ms` (UTC) or later and is kept, oldest first."""
        return lines(self._engine, since_ms)

    def find(self, dispatch_id: str) -> Kept | None:
        """A dispatch of any age, by its id."""
        found = self._kept(select(tables.dispatches).where(tables.dispatches.c.id == dispatch_id))
        return found[0] if found else None

    def newest(self, limit: int) -> list[Kept]:
        """The newest dispatches, newest first, refused ones too."""
        return self._kept(
            select(tables.dispatches)
            .order_by(tables.dispatches.c.submitted_ms.desc(), tables.dispatches.c.id)
            .limit(limit)
        )

    def newest_intents(self) -> dict[str, Intent]:
        """The last intent of every asset that ever had one, by asset id, over or not."""
        table = tables.intents
        last = select(table.c.asset_id, func.max(table.c.revision)).group_by(table.c.asset_id)
        query = select(table).where(tuple_(table.c.asset_id, table.c.revision).in_(last))
        with self._engine.connect() as connection:
            return {row["asset_id"]: _read_placed(row).intent for row in connection.execute(query).mappings()}

    def raise_revision(self, asset_id: str, revision: int) -> None:
        """An agent holds a newer revision than this store ever gave (it was restored): count on from there."""
        with self._engine.begin() as connection:
            connection.execute(_RAISE_REVISION, {"asset_id": asset_id, "revision": revision})

    def _kept(self, query: Any) -> list[Kept]:
        with self._engine.connect() as connection:
            dispatches = [_dispatch(row) for row in connection.execute(query).mappings()]
            by_dispatch: dict[str, dict[str, Placed]] = defaultdict(dict)
            ids = [dispatch.id for dispatch in dispatches]
            for start in range(0, len(ids), 500):  # below any limit on bound parameters
                some = tables.intents.c.dispatch_id.in_(ids[start : start + 500])
                key = (tables.intents.c.asset_id, tables.intents.c.revision)
                for row in connection.execute(select(tables.intents).where(some).order_by(*key)).mappings():
                    by_dispatch[row["dispatch_id"]][row["asset_id"]] = _read_placed(row)  # the newest of each asset
        return [Kept(dispatch, tuple(by_dispatch[dispatch.id].values())) for dispatch in dispatches]


def _in_lock_order(parts: Iterable[Part]) -> list[Part]:
    """By asset id: two headends that lock the same rows in the same order cannot deadlock."""
    return sorted(parts, key=lambda part: part.asset_id)


def _place(connection: Connection, dispatch: Dispatch, parts: Sequence[Part]) -> tuple[Placed, ...]:
    """Give the parts their revisions and store them as intents, in the order of the parts."""
    epoch = connection.execute(select(tables.identity.c.epoch)).scalar_one()
    placed = {each.asset_id: _placed(connection, epoch, dispatch, each) for each in _in_lock_order(parts)}
    if placed:
        connection.execute(tables.intents.insert(), [_intent_row(one) for one in placed.values()])
    return tuple(placed[part.asset_id] for part in parts)


def _record_intents(connection: Connection, intents: Iterable[Placed]) -> None:
    """How far these intents have come."""
    for placed in intents:
        key = (tables.intents.c.asset_id == placed.asset_id) & (tables.intents.c.revision == placed.intent.revision)
        connection.execute(update(tables.intents).where(key).values(_progress_of_intent(placed)))


def _placed(connection: Connection, epoch: str, dispatch: Dispatch, part: Part) -> Placed:
    revision = connection.execute(_NEXT_REVISION, {"asset_id": part.asset_id}).scalar_one()
    intent = Intent(
        asset_id=part.asset_id,
        epoch=epoch,
        revision=revision,
        dispatch_id=dispatch.id,
        setpoint_w=part.setpoint_w,
        reversion_w=part.reversion_w,
        issued_ms=dispatch.updated_ms,  # when it was decided; what orders it may run ahead of the clock
        expires_ms=dispatch.expires_ms,
        program=dispatch.program,
        primacy=dispatch.primacy,
    )
    return Placed(intent, part.raw_w, part.clamped, part.cause, IntentState.SUBMITTED)


# --- rows and records ------------------------------------------------------------------------------------------------


def _dispatch_row(dispatch: Dispatch) -> dict[str, Any]:
    row = {name: getattr(dispatch, name) for name in Dispatch.__slots__}
    return row | {"aim": dispatch.aim.value, "state": dispatch.state.value, "causes": joined(dispatch.causes)}


def _dispatch(row: RowMapping) -> Dispatch:
    fields = dict(row)
    fields["aim"], fields["state"] = Aim(row["aim"]), IntentState(row["state"])
    fields["causes"] = tuple(row["causes"].split("\n")) if row["causes"] else ()
    return Dispatch(**fields)


def _progress_of(dispatch: Dispatch) -> dict[str, Any]:
    row = _dispatch_row(dispatch)
    return {name: row[name] for name in ("state", "reason", "placed_w", "shortfall_w", "causes", "updated_ms")}


# No dispatch has a schedule of its own yet (`_placed` gives none), so the store has no column for one.
_INTENT_COLUMNS = tuple(name for name in Intent.__slots__ if name != "schedule")


def _intent_row(placed: Placed) -> dict[str, Any]:
    row = {name: getattr(placed.intent, name) for name in _INTENT_COLUMNS}
    return row | {"raw_w": placed.raw_w, "clamped": placed.clamped, "cause": placed.cause} | _progress_of_intent(placed)


def _progress_of_intent(placed: Placed) -> dict[str, Any]:
    return {
        "state": placed.state.value,
        "reason": placed.reason,
        "acked_ms": placed.acked_ms,
        "acked_state": None if placed.acked_state is None else placed.acked_state.value,
        "power_w": placed.power_w,
    }


def _read_placed(row: RowMapping) -> Placed:
    return Placed(
        intent=Intent(**{name: row[name] for name in _INTENT_COLUMNS}),
        raw_w=row["raw_w"],
        clamped=row["clamped"],
        cause=row["cause"],
        state=IntentState(row["state"]),
        reason=row["reason"],
        acked_ms=row["acked_ms"],
        acked_state=None if row["acked_state"] is None else IntentState(row["acked_state"]),
        power_w=row["power_w"],
    )
