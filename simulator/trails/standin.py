"""A gateway's stand-in: it does to the trail what a gateway does as it starts, shows, isolates, changes and stops."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Final

from audit.approval import Request
from audit.evidence.review import EVERY_DAYS, Review
from audit.format import note
from audit.format.kinds import CONTRACT_CHANGE, REVIEW
from audit.format.note import verifier_key
from audit.format.record import Entry
from gateway import records
from gateway.contract import Contract
from gateway.faces import FaceEventKind
from simulator.trails import control
from simulator.trails.home import ORIGIN, Home
from simulator.trails.host import Clock
from simulator.trails.people import APPROVERS, AUTHOR, REVIEWER, People, drawn_key, presented
from simulator.trails.plan import DAY_US, SECOND_US, whole_second
from simulator.trails.site import Files, Values
from simulator.trails.trail import Trail
from simulator.trails.witness import Witness

Goes = Iterator[int]
"""Something that happens. What it yields is when it goes on, microseconds since the trail's first moment."""

_HEADEND: Final = "headend.rehearsal.example:8443"
_CONFIG: Final = b"# gateway.yaml of a rehearsal: nothing was configured, nothing ran.\n"
"""What stands in for gateway.yaml."""


class StandIn:
    """One gateway, for as long as the trail goes. Owner of every field: the story."""

    def __init__(self, home: Home, people: People, files: Files, trail: Trail, witness: Witness, clock: Clock) -> None:
        self._home = home
        self._people = people
        self._trail = trail
        self._witness = witness
        self._clock = clock
        self._chance = random.Random(f"stand-in/{people.seed}")
        self._publisher = sha256(f"publisher/{people.seed}".encode()).hexdigest()[:16]
        self._config = sha256(_CONFIG).hexdigest()
        self._in_force: str | None = None  # the digest of the contract that the trail said last
        self._number = 0  # of the stream's last publication
        self._reviews = 0
        self._reviewed_us = whole_second(clock.utc_us)  # up to when the trail was reviewed, UTC
        self._tickets = itertools.count(2001)
        self.contract = Contract.parse(files, "rehearsal")
        self._values = Values(self.contract, people.seed)
        self.sessions = 0  # of the control room's master
        self.stream = ""  # of the headend; empty: there is none
        self.late = False  # a part of the next publication is too old
        self.witnessed = True  # whether the witness can be reached
        self.epochs = [verifier_key(ORIGIN, drawn_key(people.seed, "log 0").public_key())]
        witness.trust(self.epochs[0])
        home.keep(_CONFIG)

    def now_ms(self) -> int:
        return self._clock.utc_us // 1000

    def ticket(self) -> str:
        return f"CHG-{next(self._tickets)}"

    # It comes and goes.

    def start(self) -> Goes:
        self._trail.open()
        yield from self._begin()

    def start_with(self, files: Files, ticket: str) -> Goes:
        """By another contract, or the first, which two persons have approved: recorded before anything else."""
        self._trail.open()
        self.contract = Contract.parse(files, "rehearsal")
        self._home.keep(self.contract.document)
        approval = self._approval(self.contract, ticket, self._chance.sample(APPROVERS, 2))
        entry = records.contract_change(self.contract.digest, self._in_force)
        self._trail.record(replace(entry, rule=ticket, digests={**entry.digests, "approval": approval}))
        self._in_force = self.contract.digest
        yield from self._begin()

    def try_with(self, files: Files, ticket: str) -> None:
        """By a contract that one person has approved where two have to: it does not come into force."""
        wanted = Contract.parse(files, "rehearsal")
        self._home.keep(wanted.document)
        self._trail.open()
        approval = self._approval(wanted, ticket, APPROVERS[:1])
        digests = {"contract": wanted.digest, "old": self.contract.digest, "approval": approval}
        why = "two persons have to approve it"
        self._trail.record(Entry(CONTRACT_CHANGE, rule=ticket, decision="refused", reason=why, digests=digests))
        self._trail.close()

    def _approval(self, contract: Contract, ticket: str, names: Sequence[str]) -> str:
        """Somebody's word for a contract, where verifiers find it, and the record that it was presented. Its digest."""
        effective_us = whole_second(self._clock.utc_us - 3600 * SECOND_US)
        request = Request("contract", contract.digest, AUTHOR, ticket, effective_us)
        given = self._people.approve(request, names)
        self._trail.keep_approval(given)
        self._trail.record(presented(given, self._people.ring, AUTHOR, self._clock.utc_us))
        return sha256(given).hexdigest()

    def _begin(self) -> Goes:
        """Masters come back, and the headend's first publication crosses."""
        self._trail.record(self._of_itself("started", "derms rehearsal"))
        self._trail.record(control.face(FaceEventKind.LISTENING, 0, "listening on 10.20.0.5:20000"))
        yield self._clock.now_us + SECOND_US
        self.sessions += 1
        self._trail.record(control.face(FaceEventKind.MASTER_CONNECTED, self.sessions, "address 1 polls"))
        if self.witnessed:
            self.find_witness()
        yield self._clock.now_us + SECOND_US
        self.hear()

    def stop(self, reason: str) -> None:
        self.unhear("the gateway stops")
        self._trail.record(control.face(FaceEventKind.MASTER_DISCONNECTED, self.sessions, "the gateway stops"))
        self._trail.record(self._of_itself("stopped", reason))
        self._trail.close()

    def crash(self) -> None:
        self.stream = ""
        self._trail.crash()

    def cut_power(self) -> None:
        """While a publication is being written."""
        self._trail.cut_power(self._publication())
        self.stream = ""

    def change_key(self) -> None:
        """The trail's; the gateway is stopped."""
        new = drawn_key(self._people.seed, f"log {len(self.epochs)}")
        self._trail.open(successor=new)
        self._trail.close()
        self.epochs.append(verifier_key(ORIGIN, new.public_key()))
        self._witness.trust(self.epochs[-1])

    # It shows what the headend says.

    def hear(self) -> None:
        """The headend's stream brings its first publication."""
        self.stream, self._number = f"{self._chance.getrandbits(64):016x}", 0
        self._trail.record(records.link("opened", self.stream, _HEADEND, "its first publication was admitted"))
        self.publish()

    def unhear(self, reason: str) -> None:
        if self.stream:
            self._trail.record(records.link("closed", self.stream, _HEADEND, reason))
        self.stream = ""

    def publish(self) -> None:
        self._trail.record(self._publication())

    def _publication(self) -> Entry:
        time_ms = self.now_ms()
        lines = self._values.late(time_ms) if self.late else self._values.lines(time_ms)
        self.late = False
        self._number += 1
        return records.crossing(lines, self.stream, self._publisher, self.contract.digest, self._number)

    def worsen(self, rule: str, stream: str) -> None:
        """Nothing is ONLINE any more."""
        self._trail.record(records.worsened(self._values.lost(self.now_ms()), rule, stream, self.contract.digest))

    def isolate(self, by: str, reason: str) -> None:
        self._trail.record(records.isolation("isolated", by, reason))
        self.worsen("isolated", self.stream)
        self.unhear("the boundary is closed")

    def rejoin(self, by: str, reason: str) -> None:
        self._trail.record(records.isolation("rejoined", by, reason))

    def say_alive(self) -> None:
        self._trail.record(self._of_itself("alive", f"headend link {'up' if self.stream else 'down'}"))

    def _of_itself(self, decision: str, reason: str) -> Entry:
        return records.gateway(decision, reason, self.contract.digest, self._config)

    def command(self) -> Iterator[control.Step]:
        """The control room asks for a target; the steps of what comes of it."""
        end = control.ending(self._chance)
        self._trail.tally.commands[end.value] += 1
        return control.command(
            self.contract, end, self.sessions, self.stream, self._publisher, self.now_ms, self._chance
        )

    # It is watched.

    def cosign(self) -> None:
        if self.witnessed:
            self._trail.settle()
            self._witness.cosign(self._clock.utc_us)

    def lose_witness(self) -> None:
        self.witnessed = False
        self._trail.record(records.witness("not cosigned", "the witness cannot be reached: connection timed out"))

    def find_witness(self) -> None:
        self.witnessed = True
        self.cosign()
        self._trail.record(records.witness("ok", ""))

    def review(self) -> None:
        """Somebody looks the trail over, up to its newest checkpoint, and signs what they found."""
        self._trail.settle()
        self._reviews += 1
        findings = (
            "" if self._reviews % 3 else f"A host knocked that no rule should have let through, {self.ticket()}\n"
        )
        seen, until_us = self._trail.layout.checkpoint.read_bytes(), whole_second(self._clock.utc_us)
        since_us, self._reviewed_us = self._reviewed_us, until_us
        review = Review(
            ORIGIN,
            sha256(seen).hexdigest(),  # what stands in for an evidence file
            since_us,
            until_us,
            int(bool(findings)),
            sha256(findings.encode()).hexdigest() if findings else None,
            until_us,
            until_us + EVERY_DAYS * DAY_US,
        )
        text = str(review).encode()
        signed = text + b"\n" + note.signature_line(self._people.signature(REVIEWER, text))
        for document in (seen, signed, *([findings.encode()] if findings else [])):
            self._home.keep(document)
        decision = "findings" if findings else "nothing found"
        digests = {"evidence": review.evidence, "review": sha256(signed).hexdigest()}
        self._trail.record(Entry(REVIEW, peer=REVIEWER, decision=decision, n=review.findings, digests=digests))
