"""The difference of two policies in words: who may do more or less, which limits moved, which programmes rank anew.

It is complete: where a verdict on anybody (with all roles active) differs between the two, a change of a right covers
it; and where anything differs at all, down to the words of a reason, what is written otherwise is named. So it is empty
where, and only where, the digests are the same.
"""

from __future__ import annotations

from dermscore.policy import Policy
from dermscore.policy.difference.access import right_changes, written_changes
from dermscore.policy.difference.change import Change
from dermscore.policy.difference.dispatch import limit_changes, program_changes


def difference(old: Policy, new: Policy) -> list[Change]:
    """What changes where `new` takes the place of `old`: rights first, then limits, programmes, and the text."""
    return [
        *right_changes(old, new),
        *limit_changes(old, new),
        *program_changes(old, new),
        *written_changes(old, new),
    ]
