"""The shape of a decision log's lines, key by key. Loads pydantic: import it inside a function.

docs/reference/decision-log.md says the same in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from dermscore.decision.request import Decision, Facts, Request
from dermscore.dispatch.arbitration.events import Event
from dermscore.intent import Intent
from dermscore.model import Fleet, Impairment, Measurement, Now, Snapshot

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Known:
    """`Facts` without the fleet, which has a line of its own."""

    measurements: Mapping[str, Measurement]
    connected: frozenset[str]
    impaired: Mapping[str, Impairment]
    standing: tuple[Event, ...]
    holding: Mapping[str, Intent]
    order_ms: int
    waiting: tuple[Intent, ...] = ()  # not in lines of before there was such a thing
    as_asked: frozenset[str] = frozenset()  # nor this

    @classmethod
    def of(cls, facts: Facts) -> Known:
        known = facts.snapshot
        return cls(
            dict(known.measurements),
            known.connected,
            dict(known.impaired),
            tuple(facts.standing),
            dict(facts.holding),
            facts.order_ms,
            tuple(facts.waiting),
            facts.as_asked,
        )

    def facts(self, fleet: Fleet) -> Facts:
        snapshot = Snapshot(fleet, self.measurements, self.connected, self.impaired)
        return Facts(snapshot, self.standing, self.holding, self.order_ms, self.waiting, self.as_asked)


class Line(BaseModel):
    """What all lines have. NaN and infinities are written as Python's json does: a request may have had one."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", ser_json_inf_nan="constants")

    version: Literal[1] = VERSION

    def dumped(self) -> bytes:
        """This line as JSON, without a line break."""
        return self.__pydantic_serializer__.to_json(self)


class FleetLine(Line):
    """A fleet. `digest` is the SHA-256 (hex) of its JSON, as this module writes that."""

    kind: Literal["fleet"] = "fleet"
    digest: str
    fleet: Fleet


class DecisionLine(Line):
    """A decision, and everything that it was taken on; `fleet` is the digest of a fleet in a line before."""

    kind: Literal["decision"] = "decision"
    fleet: str
    now: Now
    request: Request
    facts: Known
    decision: Decision


LINE: Final[TypeAdapter[FleetLine | DecisionLine]] = TypeAdapter(
    Annotated[FleetLine | DecisionLine, Field(discriminator="kind")]
)
FLEET: Final = TypeAdapter(Fleet)
