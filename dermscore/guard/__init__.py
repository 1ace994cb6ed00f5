"""The agent's safety: which intent an asset obeys, for how long, and what it does when nobody speaks.

A `Guard` is one asset's, frozen and pure: every event gives a new one. It uses the standard library only, so an edge
box needs nothing else. It lives in memory alone: after a restart it holds nothing (in doubt, an intent is expired), and
the headend sends again what is still in force.

What it never does: command outside the rating, obey an intent past its deadline, take an older one back, fight another
controller for the device, or let the passing of time alone loosen anything. The rules are in docs/reference/guard.md,
their story with the reasons in docs/explanation/life-of-a-setpoint.md.
"""

from dermscore.guard.bounds import at_soc_bound
from dermscore.guard.fallback import FALLBACK_S, STAGGER_MS, Fallback, Together
from dermscore.guard.guard import GRACE_MS, Guard
from dermscore.guard.orders import Dropped, Orders, Taken, Verdict, offset_ms
from dermscore.guard.states import STATES, Command, GuardState
from dermscore.guard.way import LONGEST_RAMP_STEP_MS, Way
from dermscore.guard.writing import BACK_OFF_MS, LONGEST_BACK_OFF_MS, Writing, rewrite_due

__all__ = [
    "BACK_OFF_MS",
    "FALLBACK_S",
    "GRACE_MS",
    "LONGEST_BACK_OFF_MS",
    "LONGEST_RAMP_STEP_MS",
    "STAGGER_MS",
    "STATES",
    "Command",
    "Dropped",
    "Fallback",
    "Guard",
    "GuardState",
    "Orders",
    "Taken",
    "Together",
    "Verdict",
    "Way",
    "Writing",
    "at_soc_bound",
    "offset_ms",
    "rewrite_due",
]
