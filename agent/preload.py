"""What the launcher's fork server loads before it forks the first agent. Importing this is its whole use.

Freezing moves every object there is now out of the garbage collector's sight: a collection in a child would otherwise
write to each object's header, and a written page is no longer a shared one.
"""

from __future__ import annotations

import gc

import agent.child

__all__ = ["agent"]

gc.collect()
gc.freeze()
