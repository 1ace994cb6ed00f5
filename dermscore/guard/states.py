"""Whom an asset obeys, as a table, and what a step of the guard says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import product
from typing import Final

from dermscore.intent import Intent


class GuardState(StrEnum):
    """Whom the asset obeys."""

    FOLLOW = "follow"  # the headend is heard: what it asks, if anything
    CACHED = "cached"  # the headend is silent: what it asked last and its schedule, until that ends
    FAILSAFE = "failsafe"  # nobody to obey, or not able to see: the reversion value
    LOCAL = "local"  # people at the site: we write nothing and take nothing
    LOCKED = "locked"  # an interlock: 0 W at once, and we take nothing


FACTS: Final = ("locked", "local", "sighted", "linked", "holding")
"""What a state is decided on: an interlock is set; people at the site have the device; its measurement can be used; the
headend is heard; an intent is held."""

# The first row whose every condition holds gives the state; a condition not named does not matter.
STATES: Final[tuple[tuple[Mapping[str, bool], GuardState], ...]] = (
    ({"locked": True}, GuardState.LOCKED),
    ({"local": True}, GuardState.LOCAL),
    ({"sighted": False}, GuardState.FAILSAFE),
    ({"linked": True}, GuardState.FOLLOW),
    ({"holding": True}, GuardState.CACHED),
    ({}, GuardState.FAILSAFE),
)

STATE_OF: Final[Mapping[tuple[bool, ...], GuardState]] = {
    facts: next(
        state
        for row, state in STATES
        if all(dict(zip(FACTS, facts, strict=True))[name] is value for name, value in row.items())
    )
    for facts in product((False, True), repeat=len(FACTS))
}
"""The table written out, a state for every set of facts (in the order of `FACTS`): a step must not search it."""


@dataclass(frozen=True, slots=True)
class Command:
    """What the device should have now, and whether to write it.

    `setpoint_w` is in W within the rating; None leaves the device to what it does of itself. Only where `write` is true
    is the device to be written in this turn. `ended` is the intent whose deadline passed in this step. `limited`: the
    setpoint is not the one asked for, and `reason` is the bound. `contested`: another controller has the device, and
    `reason` says until when it is left to it.
    """

    setpoint_w: float | None
    state: GuardState
    reason: str
    write: bool = True
    ended: Intent | None = None
    limited: bool = False
    contested: bool = False
