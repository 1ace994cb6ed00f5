"""What a decision says of limits, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from dermscore.dispatch import Allocation, Bound, BoundSource, Broken
from dermscore.dispatch.words import power
from dermscore.model import Asset


def exceeded(broken: Broken) -> str:
    """A node's limit that is broken whatever is asked."""
    return f"{broken.detail} is exceeded by {power(abs(broken.w))}, whatever is asked of those who take part"


def broken_at_rest(asset: Asset, least: Bound, most: Bound) -> Iterator[str]:
    """What an asset breaks by standing at 0 W: a site that sends out more, say, once a battery there stops charging."""
    for bound, beyond_w in ((most, -most.w), (least, least.w)):
        if beyond_w > 0:
            yield f"{bound.detail} is exceeded by {power(beyond_w)} with {asset.name} at 0 W"


def nobody(allocation: Allocation) -> str:
    """Why nothing at a node can be asked."""
    details = [excluded.detail for excluded in allocation.excluded if excluded.source is not BoundSource.NO_SHARE]
    whole = allocation.envelope
    held = list(dict.fromkeys(whole.bounds_of(share.asset_id).max.detail for share in allocation.shares))
    return "nothing there can be asked now: " + ("; ".join(held + details) or "no asset there has a share")
