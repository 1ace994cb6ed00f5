"""What a policy asks of the edge: how each asset goes back by itself while nobody leads.

Only what always stands is taken to the edge: a rule with windows or with a first or last moment is not. An agent that
has lost its headend would have to loosen such a limit by a timer alone, and no timer may.
"""

from __future__ import annotations

from collections.abc import Mapping

from dermscore.dispatch.limits import Limit
from dermscore.guard import Fallback, Together
from dermscore.model import Asset, Fleet
from dermscore.policy import Policy
from dermscore.policy.windows import ALWAYS


def edge_fallbacks(policy: Policy, fleet: Fleet) -> Mapping[str, Fallback]:
    """The fallback of every asset of the fleet, by its id: what its Guard must know of the policy.

    Each asset gets its part, by rating, of every static limit at it, at its site and at the nodes above, and of every
    such node's fallback ramp; of several, the tightest. So each node keeps its limits and its ramp although no asset
    knows what the others do. An export and a generation limit come to the same here, and so do import and load: what
    all inject together is at least their net export.
    """
    found = {asset.id: Fallback.of(asset) for asset in fleet.assets.values()}
    for rule in policy.limits:
        for node in rule.nodes if rule.when == ALWAYS else ():
            _hold(found, _members(fleet, node), rule.amounts)
    return found


def _hold(found: dict[str, Fallback], members: tuple[Asset, ...], amounts: Limit) -> None:
    together = Together.of(members)
    export_w = _smaller(amounts.export_limit_w, amounts.generation_limit_w)
    import_w = _smaller(amounts.import_limit_w, amounts.load_limit_w)
    for asset in members:
        found[asset.id] = found[asset.id].part_of(asset, together, amounts.fallback_ramp_w_per_s, export_w, import_w)


def _members(fleet: Fleet, node: str) -> tuple[Asset, ...]:
    """Who is at or below a node, which may be an asset's id. What is not in the fleet has no members."""
    asset = fleet.assets.get(node)
    return fleet.under(node) if asset is None else (asset,)


def _smaller(one: float | None, other: float | None) -> float | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)
