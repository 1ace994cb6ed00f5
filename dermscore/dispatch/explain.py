"""One asset's part in an allocation, in one sentence."""

from __future__ import annotations

from dermscore.dispatch.allocate import Allocation
from dermscore.dispatch.words import power


def explain(allocation: Allocation, asset_id: str) -> str:
    """Why this asset is asked for what it is asked for, in one sentence with units."""
    wanted = f"the {power(allocation.target_w)} wanted at {allocation.path or 'the whole fleet'}"
    share = allocation.share(asset_id)
    if share is not None and not share.clamped:
        return f"{asset_id} is asked for {power(share.setpoint_w)}, its {allocation.rule} of {wanted}."
    if share is not None:
        asked = f"{asset_id} is asked for {power(share.setpoint_w)}"
        return f"{asked} instead of {power(share.raw_w)}, its {allocation.rule} of {wanted}: {share.cause}."
    excluded = allocation.exclusion(asset_id)
    if excluded is not None:
        return f"{asset_id} is asked for nothing of {wanted}: {excluded.detail}."
    return f"{asset_id} has no part in {wanted}: it is not below that node."
