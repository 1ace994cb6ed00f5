"""dermscore: the dispatch and policy library.

Pure: no sockets, no clock, no protobuf. Importing it loads no third-party package and none of its own modules; each
name below loads the module it comes from when it is first used.

The words that all rooms share lie at the top: `model`, `quality`, `quantities`, `intent`. `files`, `assets`, `sheets`
and `policy` read what people write; `dispatch` works out who wins, what can be and who does how much; `decision` puts
these together for one request, and takes past ones again; `guard` keeps a device safe at the edge; `aggregate` sums up.

    >>> import dermscore
    >>> fleet = dermscore.load_fleet("assets.yaml")
    >>> [asset.name for asset in fleet.under("feeder/F12")]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dermscore.aggregate import Aggregate, aggregates, explain_series
    from dermscore.assets import load_file as load_fleet
    from dermscore.decision.decide import decide
    from dermscore.decision.log import lines as decision_lines
    from dermscore.decision.log import load_file as load_decisions
    from dermscore.decision.replay import Difference, Past, Replayed, replay
    from dermscore.decision.request import Aim, Declined, DeclineKind, Facts, Granted, Part, Request
    from dermscore.dispatch import (
        Accepted,
        Allocation,
        Bound,
        Bounds,
        BoundSource,
        Broken,
        Columns,
        Control,
        Controls,
        Envelope,
        Event,
        EventStatus,
        Excluded,
        Ignored,
        Limit,
        Mode,
        Next,
        Refused,
        Share,
        ShortfallCause,
        Superseded,
        allocate,
        arbitrate,
        check_asset,
        envelope,
        explain,
    )
    from dermscore.dispatch.schedule import Batteries, Bind, Binding, Plan, Prices, plan
    from dermscore.errors import BadInput, DermsError, NotSetUp, Problem, Unreadable
    from dermscore.guard import Command, Dropped, Fallback, Guard, GuardState, Taken
    from dermscore.intent import Intent, IntentState, Step
    from dermscore.model import (
        Asset,
        Fleet,
        Impairment,
        ImpairmentKind,
        Kind,
        Measurement,
        Node,
        Now,
        Site,
        Snapshot,
    )
    from dermscore.policy import Allowed, Denied, Policy, Principal, Program
    from dermscore.policy import load_folder as load_policy
    from dermscore.quality import Cause, Quality, Source, Validity
    from dermscore.quantities import PointKind, Quantity, Series
    from dermscore.sheets.points import CommandRow, PointRow
    from dermscore.sheets.reading import read_commands, read_points

__all__ = [
    "Accepted",
    "Aggregate",
    "Aim",
    "Allocation",
    "Allowed",
    "Asset",
    "BadInput",
    "Batteries",
    "Bind",
    "Binding",
    "Bound",
    "BoundSource",
    "Bounds",
    "Broken",
    "Cause",
    "Columns",
    "Command",
    "CommandRow",
    "Control",
    "Controls",
    "DeclineKind",
    "Declined",
    "Denied",
    "DermsError",
    "Difference",
    "Dropped",
    "Envelope",
    "Event",
    "EventStatus",
    "Excluded",
    "Facts",
    "Fallback",
    "Fleet",
    "Granted",
    "Guard",
    "GuardState",
    "Ignored",
    "Impairment",
    "ImpairmentKind",
    "Intent",
    "IntentState",
    "Kind",
    "Limit",
    "Measurement",
    "Mode",
    "Next",
    "Node",
    "NotSetUp",
    "Now",
    "Part",
    "Past",
    "Plan",
    "PointKind",
    "PointRow",
    "Policy",
    "Prices",
    "Principal",
    "Problem",
    "Program",
    "Quality",
    "Quantity",
    "Refused",
    "Replayed",
    "Request",
    "Series",
    "Share",
    "ShortfallCause",
    "Site",
    "Snapshot",
    "Source",
    "Step",
    "Superseded",
    "Taken",
    "Unreadable",
    "Validity",
    "aggregates",
    "allocate",
    "arbitrate",
    "check_asset",
    "decide",
    "decision_lines",
    "envelope",
    "explain",
    "explain_series",
    "load_decisions",
    "load_fleet",
    "load_policy",
    "plan",
    "read_commands",
    "read_points",
    "replay",
]

# Module: what it gives, as `name` or as `name=its name there`.
_SOURCES = {
    "dermscore.aggregate": "Aggregate aggregates explain_series",
    "dermscore.assets": "load_fleet=load_file",
    "dermscore.decision.decide": "decide",
    "dermscore.decision.log": "decision_lines=lines load_decisions=load_file",
    "dermscore.dispatch": "Accepted Allocation Bound BoundSource Bounds Broken Columns Control Controls Envelope Event"
    " EventStatus Excluded Ignored Limit Mode Next Refused Share ShortfallCause Superseded allocate arbitrate"
    " check_asset envelope explain",
    "dermscore.dispatch.schedule": "Batteries Bind Binding Plan Prices plan",
    "dermscore.errors": "BadInput DermsError NotSetUp Problem Unreadable",
    "dermscore.guard": "Command Dropped Fallback Guard GuardState Taken",
    "dermscore.intent": "Intent IntentState Step",
    "dermscore.model": "Asset Fleet Impairment ImpairmentKind Kind Measurement Node Now Site Snapshot",
    "dermscore.sheets.points": "CommandRow PointRow",
    "dermscore.sheets.reading": "read_commands read_points",
    "dermscore.policy": "Allowed Denied Policy Principal Program load_policy=load_folder",
    "dermscore.quality": "Cause Quality Source Validity",
    "dermscore.quantities": "PointKind Quantity Series",
    "dermscore.decision.replay": "Difference Past Replayed replay",
    "dermscore.decision.request": "Aim DeclineKind Declined Facts Granted Part Request",
}
_PLACES = {
    name.partition("=")[0]: (module, name.rpartition("=")[2])
    for module, names in _SOURCES.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        from dermscore.errors import did_you_mean

        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{did_you_mean(name, __all__)}")
    module, its_name = _PLACES[name]
    value = globals()[name] = getattr(import_module(module), its_name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
