"""The difference of two policies in words: who may do more or less, which limits moved, which programmes rank anew.

It is complete: where a verdict on anybody (with all roles active) differs between the two, a change of a right covers
it, and where a standing limit of a node does, at whatever time, a change of a limit. Where anything differs at all,
down to the words of a reason, what is written otherwise is named. So it is empty where, and only where, the digests are
the same. What lets more happen is told as such.
"""

from __future__ import annotations

from dermscore.policy import Policy
from dermscore.policy.difference.change import Change, Kind
from dermscore.policy.difference.limits import limit_changes
from dermscore.policy.difference.programs import program_changes
from dermscore.policy.difference.rebounds import rebound_changes
from dermscore.policy.difference.rights import right_changes
from dermscore.policy.difference.rules import written_changes

__all__ = ["Change", "Kind", "difference"]


def difference(old: Policy, new: Policy) -> list[Change]:
    """What changes where `new` takes the place of `old`: rights first, then limits, programmes, and the text."""
    return [
        *right_changes(old, new),
        *limit_changes(old, new),
        *rebound_changes(old, new),
        *program_changes(old, new),
        *written_changes(old, new),
    ]
