"""How much of a log is read beyond what every verdict needs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Scope:
    """What a verification reads, and tells of.

    Chain, root, keys and the log's own claims are checked over the whole released part, whatever the scope: no part of
    a log can be proved by itself. A scope says which *bodies* are read (digest, values, root) and which happenings the
    timeline lists: those of records with `since` <= `t` < `until`, UTC microseconds by the log's own clock; None is no
    limit. `bodies=False` reads none of them, headers only. Bodies left out are counted in `Verified.bodies_unread`.
    """

    since: int | None = None
    until: int | None = None
    bodies: bool = True

    def covers(self, t: int) -> bool:
        """Whether a record of this time is in the period."""
        return (self.since is None or t >= self.since) and (self.until is None or t < self.until)

    def reads_body(self, t: int) -> bool:
        """Whether the body of a record of this time is read."""
        return self.bodies and self.covers(t)


EVERYTHING: Final = Scope()
