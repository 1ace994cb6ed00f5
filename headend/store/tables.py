"""The tables, in two sets that may lie in different databases.

*State* is what control needs to be right after a crash: claims, revisions, dispatches, intents; and the decisions that
made them, kept with them. *History* is what people look back at: telemetry, sessions, events. Control never waits for
history. All times are UTC milliseconds, powers W, energies Wh. `migrations/` makes these tables; a test compares the
two.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table, Text

state = MetaData()
history = MetaData()

identity = Table(
    "store_identity",
    state,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", String(64), nullable=False),
    Column("made_ms", BigInteger, nullable=False),
)

claims = Table(
    "claims",
    state,
    Column("agent_id", String(128), primary_key=True),
    Column("asset_id", String(128), primary_key=True),
)

asset_revisions = Table(
    "asset_revisions",
    state,
    Column("asset_id", String(128), primary_key=True),
    Column("revision", BigInteger, nullable=False),
)

dispatches = Table(
    "dispatches",
    state,
    Column("id", String(128), primary_key=True),
    Column("principal", String(256), nullable=False),
    Column("node", String(1000), nullable=False),
    Column("asset_id", String(128)),
    Column("aim", String(16), nullable=False),
    Column("target_w", Float(53)),
    Column("duration_s", Float(53)),
    Column("program", String(256), nullable=False),
    Column("primacy", BigInteger, nullable=False),
    Column("policy", String(64), nullable=False),
    Column("submitted_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_w", Float(53)),
    Column("shortfall_w", Float(53)),
    Column("causes", Text, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Index("dispatches_by_time", "submitted_ms"),
    Index("dispatches_by_state", "state"),
)

intents = Table(
    "intents",
    state,
    Column("asset_id", String(128), primary_key=True),
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", String(64), nullable=False),
    Column("dispatch_id", String(128), nullable=False),
    Column("setpoint_w", Float(53)),
    Column("reversion_w", Float(53)),
    Column("issued_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger, nullable=False),
    Column("program", String(256), nullable=False),
    Column("primacy", BigInteger, nullable=False),
    Column("raw_w", Float(53)),
    Column("clamped", Boolean, nullable=False),
    Column("cause", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("acked_ms", BigInteger),
    Column("acked_state", String(16)),
    Column("power_w", Float(53)),
    Index("intents_by_dispatch", "dispatch_id"),
    Index("intents_by_state", "state"),
)

fleets = Table(
    "fleets",
    state,
    Column("digest", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),  # zlib of the fleet's line in a decision log
)

decisions = Table(
    "decisions",
    state,
    Column("number", Integer, primary_key=True),  # in the order in which they were kept, whatever the clock did
    Column("dispatch_id", String(128), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("fleet", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),  # zlib of the decision's line
)

telemetry = Table(
    "telemetry",
    history,
    Column("asset_id", String(128), primary_key=True),
    Column("time_ms", BigInteger, primary_key=True, autoincrement=False),
    Column("power_w", Float(53), nullable=False),
    Column("soc_wh", Float(53)),
    Column("available_up_w", Float(53), nullable=False),
    Column("available_down_w", Float(53), nullable=False),
    Column("setpoint_w", Float(53)),
    Column("quality", Integer, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    sqlite_with_rowid=False,  # the primary key is the only way in, so it is the table
)

agent_sessions = Table(
    "agent_sessions",
    history,
    Column("session_id", String(64), primary_key=True),
    Column("asset_id", String(128), primary_key=True),
    Column("asset_name", Text, nullable=False),
    Column("site_id", String(128), nullable=False),
    Column("site_name", Text, nullable=False),
    Column("agent_id", String(128), nullable=False),
    Column("peer", Text, nullable=False),
    Column("connected_ms", BigInteger, nullable=False),
    Column("disconnected_ms", BigInteger),
    Column("ended", Text, nullable=False),
    Index("agent_sessions_by_asset", "asset_id", "connected_ms"),
)

asset_events = Table(
    "asset_events",
    history,
    Column("id", String(64), primary_key=True),
    Column("asset_id", String(128), nullable=False),
    Column("time_ms", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("severity", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("received_ms", BigInteger, nullable=False),
    Index("asset_events_by_asset", "asset_id", "time_ms"),
)
