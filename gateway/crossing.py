"""The one door: everything that crosses from the headend to SCADA goes through `admit`, and is shown by `release`.

    admit      a signed publication arrives: verify, place, judge each reading by the contract
    release    its record is durable now: what masters may see of it
    age        time passes: what was not heard of for too long is no longer ONLINE
    isolate    somebody closes the boundary: nothing is ONLINE, nothing crosses

Pure: state in, state out; `gateway.door` carries out what is decided here. Two promises, kept by shape and not by care:

1. *No value is shown that is not in the trail.* `admit` returns values only as `Candidate`s beside the `Entry` that
   records them, and no other function makes one; `release` turns candidates into updates once that entry is durable.
2. *Bad news never waits.* What only worsens the value that is shown already is returned as `at_once`, and is shown
   before anything is recorded.

Freshness needs no agreed clocks: a publication echoes the number of our last heartbeat, and its age counts from the
moment when we sent that one (DESIGN.md section 8, rule 5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from audit.format.record import Entry
from dermscore.errors import BadInput
from dermscore.model import Now
from dermscore.quality import Cause, Quality, Source, Validity
from dermscore.sheets.points import PointRow
from gateway import local, records
from gateway.contract import Contract
from gateway.faces import Update
from gateway.judgement import Held, Judged, Origin, Rule, is_worse, judge
from wire.boundary import BoundaryOutcome, Reading, boundary_outcome, readings
from wire.publication import Unsigned, verify
from wire.v1.boundary_link_pb2 import Publication, SignedPublication

NEVER_CROSSED: Final = Quality(Validity.INVALID, Source.CALCULATED, Cause.RESTART)
REMEMBERED_BEATS: Final = 300

CommandOf = Callable[[str], str | None]
MeasuredOf = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Stream:
    """One BoundaryLink stream as we know it.

    `sent` is when (our monotonic ms) each heartbeat left; 0 stands for the Hello. `seqs` is the last number taken from
    each publisher, by key id.
    """

    nonce: bytes
    sent: Mapping[int, int]
    seqs: Mapping[str, int] = field(default_factory=dict)

    @property
    def session(self) -> str:
        """The stream's name in the trail and the logs."""
        return self.nonce[:8].hex()


@dataclass(frozen=True, slots=True)
class State:
    """What the door knows.

    `heard_mono_ms` is up to when the headend's word reaches: the sending of the newest heartbeat of ours that a genuine
    publication echoed. `generation` changes when all that waits behind the door must not come through any more.
    `measured_ms` is when the newest was measured that was admitted of what a command delivers, by its row's name.
    """

    points: Mapping[str, Held]
    heard_mono_ms: int
    stream: Stream | None = None
    made_ms: Mapping[str, int] = field(default_factory=dict)  # the newest publication of each publisher, by its clock
    isolated: bool = False
    generation: int = 0
    measured_ms: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One point's update that waits for its record."""

    judged: Judged
    taken: tuple[str, int]
    fresh_mono_ms: int
    generation: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a whole publication was not taken. `ends_stream`: whoever sent it is not to be heard any longer."""

    rule: str
    reason: str
    ends_stream: bool = False


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of one publication.

    `at_once` is shown now. `record` is what the trail says of it; `candidates` and `outcome` wait until it is durable.
    """

    state: State
    at_once: tuple[Update, ...] = ()
    record: Entry | None = None
    candidates: tuple[Candidate, ...] = ()
    outcome: BoundaryOutcome | None = None
    refusal: Refusal | None = None
    alarms: tuple[str, ...] = ()


def begin(contract: Contract, now: Now) -> State:
    """A gateway that has just started: every published point is RESTART, and ages from now."""
    return State({row.name: _unheard(row, now) for row in contract.published}, now.mono_ms)


def open_stream(state: State, nonce: bytes, now: Now) -> State:
    """A new stream: `nonce` goes out in its Hello now. Publications of any earlier stream are nobody's from here on."""
    return replace(state, stream=Stream(nonce, {0: now.mono_ms}))


def sent_beat(state: State, number: int, now: Now) -> State:
    """Heartbeat `number` leaves now."""
    if state.stream is None:
        return state
    sent = dict(list(state.stream.sent.items())[-REMEMBERED_BEATS:]) | {number: now.mono_ms}
    return replace(state, stream=replace(state.stream, sent=sent))


def close_stream(state: State) -> State:
    """The stream is over. What is shown stays, and ages."""
    return replace(state, stream=None)


def admit(
    signed: SignedPublication,
    trusted: Mapping[str, Ed25519PublicKey],
    contract: Contract,
    state: State,
    now: Now,
    *,
    command_of: CommandOf = lambda identifier: None,
    measured_of: MeasuredOf = lambda name: 0,
) -> Admission:
    """Let a publication in, or say why not. `command_of` gives the row's name of a command that we sent, by its id;
    `measured_of` when the newest was measured that is known of what it delivers, by that name.
    """
    if state.isolated or state.stream is None:
        return Admission(state, refusal=Refusal("isolated", "the boundary is closed", ends_stream=True))
    try:
        publication = verify(signed, trusted)
    except Unsigned as unsigned:
        return _distrust(unsigned.reason, contract, state, now)
    refusal = _out_of_place(publication, signed.key_id, state.stream)
    if refusal is not None:
        return Admission(state, refusal=refusal)
    state, alarms = _placed(publication, signed.key_id, state, state.stream)
    try:
        admission = _opened(publication, signed.key_id, contract, state, now, command_of, measured_of)
    except BadInput as bad:
        return Admission(state, refusal=Refusal("malformed", str(bad), ends_stream=True))
    return replace(admission, alarms=(*alarms, *admission.alarms))


def release(
    candidates: Iterable[Candidate], contract: Contract, state: State, now: Now
) -> tuple[State, tuple[Update, ...]]:
    """The record of these candidates is durable: what may be shown of them *now*.

    The disk may have taken long. Whatever has become stale or was overtaken meanwhile is left out; the trail says
    more then than masters saw, never less.
    """
    points, updates = dict(state.points), []
    for candidate in candidates:
        held, update = points[candidate.judged.update.point], candidate.judged.update
        row = contract.point[update.point]
        if candidate.generation != state.generation or _stale(row, candidate.fresh_mono_ms, now):
            continue
        if update.time_ms < _floor_ms(candidate, held) or _overtaken(candidate, held):
            continue
        points[update.point] = _crossed(candidate, held)
        updates.append(update)
    return replace(state, points=points), tuple(updates)


def age(contract: Contract, state: State, now: Now) -> tuple[State, tuple[Update, ...]]:
    """Time has passed: every point not heard of for its `stale_after_s` loses ONLINE (COMM_LOST, at the gateway's
    time).
    """
    lost = [row for row in contract.published if _newly_stale(row, state.points[row.name], now)]
    return _worsened([row.name for row in lost], Cause.COMM_LOST, state, now)


def isolate(contract: Contract, state: State, now: Now) -> tuple[State, tuple[Update, ...]]:
    """Close the boundary: no published point stays ONLINE, nothing is admitted, what waits for its record goes."""
    closed = replace(state, isolated=True, stream=None, generation=state.generation + 1)
    names = [
        row.name for row in contract.published if not state.points[row.name].shown.quality.causes & Cause.COMM_LOST
    ]
    return _worsened(names, Cause.COMM_LOST, closed, now)


def rejoin(state: State) -> State:
    """Open the boundary again. Points come back as they cross."""
    return replace(state, isolated=False)


# From here on: what the functions above are made of.


def _unheard(row: PointRow, now: Now) -> Held:
    lowest, highest = row.raw_range
    update = Update(row.name, min(max(0, lowest), highest), NEVER_CROSSED, now.utc_ms)
    return Held(shown=update, crossed=update, fresh_mono_ms=now.mono_ms)


def _out_of_place(publication: Publication, publisher: str, stream: Stream) -> Refusal | None:
    """Whether a genuine publication is another stream's, a repeated one, or echoes what was never said."""
    if publication.nonce != stream.nonce:
        return Refusal("other-stream", "it was made for another stream")
    last = stream.seqs.get(publisher, 0)
    if publication.seq <= last:
        return Refusal("repeated", f"its number is {publication.seq}, after {last}")
    if publication.heartbeat_echo not in stream.sent:
        return Refusal("stale", f"it echoes heartbeat {publication.heartbeat_echo}, never sent or too long ago")
    return None


def _placed(publication: Publication, publisher: str, state: State, stream: Stream) -> tuple[State, list[str]]:
    """The state once a publication has its place in the sequence, and what is odd about it.

    Where the publisher's clock stepped back, what it said before the step and waits for its record does not come
    through any more: by its times it would be newer than all that the publisher says from now on.
    """
    alarms, points, generation = [], state.points, state.generation
    before_ms = state.made_ms.get(publisher)
    if before_ms is not None and publication.made_ms < before_ms:
        alarms.append(f"the clock of publisher {publisher} stepped back by {before_ms - publication.made_ms} ms")
        points = {name: replace(held, taken=None) for name, held in points.items()}
        generation += 1
    stream = replace(stream, seqs={**stream.seqs, publisher: publication.seq})
    made_ms = {**state.made_ms, publisher: publication.made_ms}
    heard_mono_ms = max(state.heard_mono_ms, stream.sent[publication.heartbeat_echo])
    state = replace(state, generation=generation, heard_mono_ms=heard_mono_ms)
    return replace(state, stream=stream, made_ms=made_ms, points=points), alarms


def _opened(
    publication: Publication,
    publisher: str,
    contract: Contract,
    state: State,
    now: Now,
    command_of: CommandOf,
    measured_of: MeasuredOf,
) -> Admission:
    """By what it carries. Raises BadInput where that cannot be read."""
    assert state.stream is not None
    session = state.stream.session
    match publication.WhichOneof("body"):
        case "points":
            return _points(publication, publisher, contract, state, now)
        case "outcome":
            outcome = boundary_outcome(publication.outcome)
            name = command_of(outcome.id)
            if name is None:
                return Admission(state, refusal=Refusal("unknown-command", f"{outcome.id} is no command of ours"))
            dated = local.dated(outcome, max(measured_of(name), state.measured_ms.get(name, 0)))
            if dated.delivered_w is not None:
                state = replace(state, measured_ms={**state.measured_ms, name: dated.time_ms})
            row = contract.command[name]
            shows = local.as_told(contract, row, dated.delivered_w, dated.quality, dated.time_ms)
            record = records.outcome(outcome, shows, session, publisher, contract.digest)
            return Admission(state, record=record, outcome=dated)
        case "heartbeat":
            return Admission(state)
        case _:
            return Admission(state, refusal=Refusal("malformed", "it carries nothing that we know"))


def _points(publication: Publication, publisher: str, contract: Contract, state: State, now: Now) -> Admission:
    """Judge each reading for each point that shows it."""
    assert state.stream is not None
    sent_ms = state.stream.sent[publication.heartbeat_echo]
    points = dict(state.points)
    lines: list[records.Line] = []
    at_once: list[Update] = []
    candidates: list[Candidate] = []
    for reading in readings(publication.points, contract.series):
        origin = Origin(publisher, sent_ms - max(0, publication.made_ms - reading.time_ms), publication.made_ms)
        for row in contract.points_of[reading.series]:
            held = points[row.name]
            judged = _dated(judge(row, reading, held, origin, live=contract.live, now_mono_ms=now.mono_ms), held)
            lines.append(_line(row, reading, judged))
            if isinstance(judged, Rule):
                continue
            taken = (publisher, reading.time_ms)
            waits, worse = _sorted(judged, held)
            if worse is not None:
                points[row.name] = replace(held, shown=worse, floor_ms=max(held.floor_ms, reading.time_ms))
                at_once.append(worse)
            if waits:
                candidates.append(Candidate(judged, taken, origin.mono_ms, state.generation))
            else:
                fresh_mono_ms = max(held.fresh_mono_ms, origin.mono_ms)
                points[row.name] = replace(points[row.name], fresh_mono_ms=fresh_mono_ms, taken=taken)
    return Admission(
        replace(state, points=points),
        at_once=tuple(at_once),
        record=records.crossing(lines, state.stream.session, publisher, contract.digest, publication.seq),
        candidates=tuple(candidates),
        alarms=records.alarms(lines),
    )


def _dated(judged: Judged | Rule, held: Held) -> Judged | Rule:
    """Bad news of what is shown is no older than that, though its publisher's clock be behind ours."""
    if isinstance(judged, Rule) or judged.value:
        return judged
    return replace(judged, update=replace(judged.update, time_ms=max(judged.update.time_ms, held.shown.time_ms)))


def _sorted(judged: Judged, held: Held) -> tuple[bool, Update | None]:
    """Whether the update must wait for its record, and what is to be shown without waiting."""
    target, shown = judged.update, held.shown
    if not judged.value:
        if (target.raw, target.quality) == (shown.raw, shown.quality):
            return False, None
        worse = is_worse(shown, target)
        return not worse, target if worse else None
    if target.quality.validity > Validity.QUESTIONABLE >= shown.quality.validity:
        # The new value waits for its record, but the old one must not go on looking good meanwhile.
        quality = shown.quality.because(target.quality.causes, target.quality.validity)
        return True, replace(target, raw=shown.raw, quality=quality, time_ms=max(target.time_ms, shown.time_ms))
    return True, None


def _line(row: PointRow, reading: Reading, judged: Judged | Rule) -> records.Line:
    if isinstance(judged, Rule):
        return records.Line(row.name, None, (judged,), reading.value)
    return records.Line(row.name, judged.update, judged.rules, reading.value)


def _floor_ms(candidate: Candidate, held: Held) -> int:
    """The earliest time that may be shown now."""
    return held.floor_ms if candidate.judged.value else held.shown.time_ms


def _overtaken(candidate: Candidate, held: Held) -> bool:
    """Whether something newer of the same publisher has been said of the point since."""
    return held.taken is not None and held.taken[0] == candidate.taken[0] and candidate.taken[1] < held.taken[1]


def _crossed(candidate: Candidate, held: Held) -> Held:
    update = candidate.judged.update
    return Held(
        shown=update,
        crossed=update if candidate.judged.value else held.crossed,
        fresh_mono_ms=candidate.fresh_mono_ms,
        floor_ms=max(held.floor_ms, candidate.taken[1]),
        taken=candidate.taken,
        accepted=candidate.judged.accepted,
    )


def _distrust(reason: str, contract: Contract, state: State, now: Now) -> Admission:
    """Somebody on our stream publishes what no trusted key vouches for: what is shown is not believed either."""
    names = [row.name for row in contract.published if state.points[row.name].shown.quality.validity < Validity.HELD]
    state, updates = _worsened(names, Cause.NONE, replace(state, generation=state.generation + 1), now)
    return Admission(state, at_once=updates, refusal=Refusal("unsigned", reason, ends_stream=True))


def _worsened(names: Iterable[str], cause: Cause, state: State, now: Now) -> tuple[State, tuple[Update, ...]]:
    """The last value of these points with a cause added, no better than HELD, at the gateway's time; where our clock is
    behind the one that stamped what is shown, at that time still: bad news must not seem older than the good.
    """
    points, updates = dict(state.points), []
    for name in names:
        held = points[name]
        quality = held.shown.quality.because(cause, Validity.HELD)
        update = replace(held.shown, quality=quality, time_ms=max(now.utc_ms, held.shown.time_ms))
        points[name] = replace(held, shown=update)
        updates.append(update)
    return replace(state, points=points), tuple(updates)


def _stale(row: PointRow, fresh_mono_ms: int, now: Now) -> bool:
    return row.stale_after_s is not None and now.mono_ms - fresh_mono_ms >= row.stale_after_s * 1000


def _newly_stale(row: PointRow, held: Held, now: Now) -> bool:
    return not held.shown.quality.causes & Cause.COMM_LOST and _stale(row, held.fresh_mono_ms, now)
