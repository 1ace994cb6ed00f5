"""What a decision is about and what comes of it: request, facts, granted or declined. Values only.

Powers in W with injection positive, times in UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dermscore.dispatch.arbitration.events import Event
from dermscore.intent import Intent
from dermscore.model import Asset, Snapshot
from dermscore.policy import Principal


class Aim(StrEnum):
    """What a request is for: to set a power target, or to give back what its program holds."""

    TARGET = "target"
    RELEASE = "release"


class DeclineKind(StrEnum):
    """Why a request is declined, for the caller who must know what to do about it."""

    UNKNOWN = "unknown"  # there is no such asset, path or program
    DENIED = "denied"  # policy says no
    OUTRANKED = "outranked"  # another program holds it
    LIMITS = "limits"  # the asset cannot, or a limit or the program's longest duration stands against it
    UNREACHABLE = "unreachable"  # nothing there can be asked now
    LATE = "late"  # it waited somewhere for so long that its sender no longer counts on it


@dataclass(frozen=True, slots=True)
class Request:
    """A wish for power. `node` is a tree path, or the asset's id where `asset_id` names one. `target_w` (W, injection
    positive) is a target's alone.

    `duration_s` None is "until changed", which the program's maximum bounds. `primacy` None is the program's; a
    larger number lowers it, a smaller one cannot raise it. `late_after_ms` is the last moment of our monotonic clock at
    which it may still be carried out, None where it cannot have waited unseen. `stands`: it was granted before and is
    carried out, so who may, and for how long, is not asked again.
    """

    id: str
    who: Principal
    node: str
    asset_id: str | None
    aim: Aim
    target_w: float | None
    duration_s: float | None
    program: str
    primacy: int | None = None
    late_after_ms: int | None = None
    stands: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision is taken on, besides policy and time.

    `standing` are the targets that are not over, those too that wait until what superseded them ends; `holding` the
    intents that hold assets, by asset id; `waiting` those that were superseded and come back. `order_ms` is when the
    request counts as made: later than any standing event, so that it is the newest, or, of one that is taken up again,
    when it was made at first. `as_asked` are ids of `holding` that count at what they were asked under the limits that
    they share with the request, though they may be measured elsewhere: those that follow, and those that were told to
    go there because the same limits changed. All others count at the further of the two.
    """

    snapshot: Snapshot
    standing: Sequence[Event]
    holding: Mapping[str, Intent]
    order_ms: int
    waiting: Sequence[Intent] = ()
    as_asked: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Part:
    """What one asset is asked: `setpoint_w` (None: released), with `raw_w` that the rule alone would give.

    `reversion_w` is what it returns to at the end; `cause` says in words why it is what it is.
    """

    asset_id: str
    setpoint_w: float | None
    reversion_w: float | None
    raw_w: float | None
    clamped: bool
    cause: str

    @classmethod
    def released(cls, asset: Asset, cause: str) -> Part:
        """The part of an asset that is given back."""
        return cls(asset.id, None, asset.reversion_w, None, False, cause)


@dataclass(frozen=True, slots=True)
class Granted:
    """It is to be done. `parts` are for assets, and may be none: there was nothing to release.

    `placed_w` and `shortfall_w`, with what others hold there, make the target; both are None for a release. A shortfall
    makes it partial, and `causes` say why. `ends_ms` is the first moment (UTC) at which it no longer stands; `digest`
    the policy's.
    """

    parts: tuple[Part, ...]
    ends_ms: int
    digest: str
    placed_w: float | None = None
    shortfall_w: float | None = None
    causes: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Declined:
    """It is not to be done. `reason` is a sentence, `digest` the policy's."""

    kind: DeclineKind
    reason: str
    digest: str


Decision = Granted | Declined
