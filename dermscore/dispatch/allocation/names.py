"""The names of the rules, each with where it is from. `rules` carries them out, and loads numpy; this does not."""

from __future__ import annotations

from typing import Final

CAPACITY_SHARE: Final = "capacity share"
"""In proportion to `capacity_wh`: participation factors, A. J. Wood and B. F. Wollenberg, "Power Generation, Operation,
and Control", with the capacity as the factor, so that equal batteries empty together."""
HEADROOM: Final = "headroom"
"""In proportion to the room to the bound: the same, with each unit's room as its factor."""
SOC_BALANCE: Final = "SOC balance"
"""In proportion to the energy left to give, or to take in, so that all are empty, or full, at the same moment: the
battery distribution of frequenz-sdk-python with exponent 1."""
MERIT_ORDER: Final = "merit order"
"""The cheapest first, whole: economic dispatch with linear costs, Wood and Wollenberg, as above."""
CURTAIL_BY_RATING: Final = "curtailment by rating"
"""Taken away in proportion to the rating: "pro rata" of the Principles of Access, K. L. Anaya and M. G. Pollitt,
"Experience of the use of smarter connection arrangements for distributed wind generation facilities", EPRG, 2012."""
CURTAIL_BY_OUTPUT: Final = "curtailment by output"
"""Taken away in proportion to the output: as above."""
