"""Decisions as lines of a file (JSON Lines), so that they can be taken again: docs/reference/decision-log.md.

A `fleet` line holds a fleet and its digest, a `decision` line one decision with all that it was taken on, its fleet by
that digest. What is not so is refused with `file:line` and what is wrong with it. Loads pydantic when used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from dermscore.decision.replay import Past
from dermscore.errors import BadInput, Problem, Unreadable
from dermscore.model import Fleet


def fleet_line(fleet: Fleet) -> tuple[str, bytes]:
    """A fleet's digest and its line, without a line break."""
    from dermscore.decision.log_schema import FLEET, FleetLine

    as_read = FLEET.validate_json(FLEET.dump_json(fleet))  # a 10 is then the 10.0 that its reader will have
    digest = sha256(FLEET.dump_json(as_read)).hexdigest()
    return digest, FleetLine(digest=digest, fleet=as_read).dumped()


def decision_line(past: Past, fleet: str) -> bytes:
    """A decision's line, without a line break. `fleet` is the digest of its fleet, whose line stands before it."""
    from dermscore.decision.log_schema import DecisionLine, Known

    facts = Known.of(past.facts)
    line = DecisionLine.model_construct(
        fleet=fleet, now=past.now, request=past.request, facts=facts, decision=past.decision
    )
    return line.dumped()


def lines(log: Iterable[Past]) -> Iterator[bytes]:
    """Decisions as the lines of a log, each fleet once, before the first decision that it is in."""
    digests: dict[int, tuple[Fleet, str]] = {}  # by identity: the fleet is held, so that no other takes its number
    said: set[str] = set()
    for past in log:
        fleet = past.facts.snapshot.fleet
        if id(fleet) not in digests:
            digest, line = fleet_line(fleet)
            digests[id(fleet)] = (fleet, digest)
            if digest not in said:
                said.add(digest)
                yield line
        yield decision_line(past, digests[id(fleet)][1])


def read(given: Iterable[bytes], where: str) -> Iterator[Past]:
    """The decisions of a log, one at a time. `where` is what to call it. Empty lines are passed over.

    Raises:
        BadInput: at the first line that cannot be used, with everything that is wrong with it.
    """
    fleets: dict[str, Fleet] = {}
    for number, line in enumerate(given, start=1):
        if line.strip():
            found = _parsed(line, f"{where}:{number}", fleets)
            if found is not None:
                yield found


def load_file(path: Path | str) -> Iterator[Past]:
    """The decisions of a file, one at a time; however long it is, one line of it is held.

    Raises:
        BadInput: as `read`; `Unreadable` where there is no such file.
    """
    try:
        with Path(path).open("rb") as file:
            yield from read(file, str(path))
    except OSError as error:
        raise Unreadable([Problem(str(path), "", f"cannot be read: {error.strerror}")]) from None


def _parsed(line: bytes, where: str, fleets: dict[str, Fleet]) -> Past | None:
    """The decision in a line; None of a fleet's line, which is put into `fleets`."""
    from pydantic import ValidationError

    from dermscore.decision.log_schema import LINE, FleetLine

    try:
        found = LINE.validate_json(line)
        digest = fleet_line(found.fleet)[0] if isinstance(found, FleetLine) else ""
    except ValidationError as error:
        bad = error.errors(include_url=False, include_context=False, include_input=False)
        raise BadInput(Problem(where, ".".join(map(str, each["loc"])), each["msg"]) for each in bad) from None
    if isinstance(found, FleetLine):
        if found.digest != digest:
            raise BadInput([Problem(where, "digest", "is not that of the fleet in this line")])
        fleets[found.digest] = found.fleet
        return None
    if found.fleet not in fleets:
        raise BadInput([Problem(where, "fleet", f"no line before this one has the fleet {found.fleet}")])
    return Past(found.now, found.request, found.facts.facts(fleets[found.fleet]), found.decision)
