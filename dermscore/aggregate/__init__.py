"""Sums over members that can be merged: of assets into sites, of sites into feeders, of feeders into the fleet.

Merging is *exact*: associative, commutative and with an identity, bit for bit. Each member's watts and watt-hours are
rounded once to a millionth of their unit and from then on added as integers, so no order of merging and no split into
parts can change a result; a member is wrong by half a millionth at most.
"""

from dermscore.aggregate.group import Aggregate, total
from dermscore.aggregate.members import FRESH_WITHIN_MS, of, rated_w, reports
from dermscore.aggregate.series import aggregates, explain_series

__all__ = ["FRESH_WITHIN_MS", "Aggregate", "aggregates", "explain_series", "of", "rated_w", "reports", "total"]
