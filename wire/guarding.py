"""Pure mappers of AgentLink: what the Guards must know of the policy, and what keeps an asset from being asked.

Like those of `wire.convert`, they check every number both ways and raise BadInput with every problem of a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from dermscore.guard import Fallback
from dermscore.model import Impairment, ImpairmentKind
from wire.columns import Checks, clipped
from wire.v1.agent_link_pb2 import Fallback as FallbackMessage
from wire.v1.agent_link_pb2 import Impairment as ImpairmentMessage
from wire.v1.agent_link_pb2 import Registered

LONGEST_DELAY_MS: Final = 60_000
"""No fallback is put off for longer than this, in ms: to wait for ever would be to have none."""


def registered(
    session_id: str, headend_time_ms: int, fallbacks: Mapping[str, Fallback], asset_ids: Sequence[str]
) -> Registered:
    """The answer to Register. Without a fallback for every one of `asset_ids` it says nothing of any.

    Raises:
        BadInput: a number is not finite or out of its range.
    """
    rows = [_row(fallbacks[asset_id]) for asset_id in asset_ids] if fallbacks.keys() >= set(asset_ids) else []
    message = Registered(session_id=session_id, headend_time_ms=headend_time_ms, fallbacks=rows)
    _check(message)
    return message


def fallbacks(message: Registered, asset_ids: Sequence[str]) -> dict[str, Fallback]:
    """The fallback of each asset by its id; empty where the headend does not say.

    Raises:
        BadInput: a time that is none, another number of rows than assets, a number not finite or out of its range.
    """
    _check(message, len(asset_ids))
    return {asset_id: _fallback(row) for asset_id, row in zip(asset_ids, message.fallbacks, strict=False)}


def _row(fallback: Fallback) -> FallbackMessage:
    delay_ms = min(max(fallback.delay_ms, 0), LONGEST_DELAY_MS)
    return FallbackMessage(
        delay_ms=delay_ms, ramp_w_per_s=fallback.ramp_w_per_s, most_w=fallback.most_w, least_w=fallback.least_w
    )


def _fallback(row: FallbackMessage) -> Fallback:
    return Fallback(
        row.delay_ms,
        row.ramp_w_per_s,
        row.most_w if row.HasField("most_w") else None,
        row.least_w if row.HasField("least_w") else None,
    )


def _check(message: Registered, assets: int | None = None) -> None:
    checks = Checks("Registered")
    checks.time("headend_time_ms", message.headend_time_ms)
    rows = message.fallbacks
    if rows and assets is not None and len(rows) != assets:
        checks.wrong("fallbacks", f"has {len(rows)} rows where asset_ids has {assets}")
    checks.finite_column("fallbacks.delay_ms", [row.delay_ms for row in rows], at_most=LONGEST_DELAY_MS)
    checks.finite_column("fallbacks.ramp_w_per_s", [row.ramp_w_per_s for row in rows], at_least=0)
    checks.finite_column("fallbacks.most_w", [row.most_w for row in rows], at_least=0)
    checks.finite_column("fallbacks.least_w", [row.least_w for row in rows], at_most=0)
    checks.settle()


def impairments(impaired: Mapping[str, Impairment], index: Mapping[str, int]) -> list[ImpairmentMessage]:
    """What cannot be asked, for a Telemetry; `index` maps asset ids to the order agreed at Register.

    Raises:
        BadInput: an asset is not of this stream.
    """
    checks = Checks("Telemetry")
    for asset_id in impaired.keys() - index.keys():
        checks.wrong("impaired", f"names asset {asset_id}, which is not of this stream")
    checks.settle()
    return [
        ImpairmentMessage(asset=index[asset_id], kind=each.kind.value, detail=clipped(each.detail))
        for asset_id, each in impaired.items()
    ]


def impaired(messages: Iterable[ImpairmentMessage], asset_ids: Sequence[str]) -> dict[str, Impairment]:
    """What cannot be asked, by asset id.

    Raises:
        BadInput: an index out of range, one twice, a kind that we do not know, too long a text.
    """
    rows, checks = list(messages), Checks("Telemetry")
    checks.indices("impaired", [row.asset for row in rows], len(asset_ids))
    if len({row.asset for row in rows}) != len(rows):
        checks.wrong("impaired", "names an asset twice")
    for number, row in enumerate(rows):
        if row.kind not in list(ImpairmentKind):
            checks.wrong(f"impaired[{number}].kind", f"is {row.kind[:40]!r}, not one of {', '.join(ImpairmentKind)}")
        checks.text(f"impaired[{number}].detail", row.detail)
    checks.settle()
    return {asset_ids[row.asset]: Impairment(ImpairmentKind(row.kind), row.detail) for row in rows}
