"""One asset's part in an allocation, in one sentence."""

from __future__ import annotations

from dermscore.dispatch.allocation.allocate import Allocation
from dermscore.dispatch.check import Refused
from dermscore.dispatch.words import power


def explain(allocation: Allocation | Refused, asset_id: str) -> str:
    """Why this asset is asked for what it is asked for, in one sentence with units. It is called by its name.

    Of an allocation that was refused, the sentence says why.
    """
    if isinstance(allocation, Refused):
        return f"{asset_id} is asked for nothing: {allocation.reason}."
    wanted = f"the {power(allocation.target_w)} wanted at {allocation.path or 'the whole fleet'}"
    ratings = allocation.envelope.columns.ratings
    name = ratings.names[ratings.place[asset_id]] if asset_id in ratings.place else asset_id
    share = allocation.share(asset_id)
    if share is not None and share.held:
        stays = f"{name} stays at {power(share.setpoint_w)} and is not asked for its {allocation.rule}"
        return f"{stays} of {wanted}: {share.cause}."
    if share is not None and not share.clamped:
        return f"{name} is asked for {power(share.setpoint_w)}, its {allocation.rule} of {wanted}."
    if share is not None:
        asked = f"{name} is asked for {power(share.setpoint_w)}"
        return f"{asked} instead of {power(share.raw_w)}, its {allocation.rule} of {wanted}: {share.cause}."
    excluded = allocation.exclusion(asset_id)
    if excluded is not None:
        return f"{name} is asked for nothing of {wanted}: {excluded.detail}."
    return f"{name} has no part in {wanted}: it is not below that node."
