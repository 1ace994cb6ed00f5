"""dermscore: the dispatch and policy library.

Pure: no sockets, no clock, no protobuf. Importing it loads no third-party package and none of its own modules; each
name below loads the module it comes from when it is first used.

    >>> import dermscore
    >>> fleet = dermscore.load_fleet(Path("assets.yaml"))
    >>> [asset.name for asset in fleet.under("feeder/F12")]
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dermscore.aggregate import Aggregate, aggregates, explain_series
    from dermscore.assets import load_file as load_fleet
    from dermscore.dispatch import (
        Control,
        Controls,
        Event,
        EventStatus,
        Mode,
        allocate,
        arbitrate,
        check_asset,
        envelope,
        explain,
    )
    from dermscore.errors import BadInput, DermsError, NotSetUp, Problem, Unreadable
    from dermscore.guard import Fallback, Guard, GuardState
    from dermscore.intent import Intent, IntentState, Step
    from dermscore.model import Asset, Fleet, Kind, Measurement, Node, Now, Site, Snapshot
    from dermscore.points import CommandRow, PointRow
    from dermscore.policy import Allowed, Denied, Policy, Principal
    from dermscore.policy import load_folder as load_policy
    from dermscore.quality import Cause, Quality, Source, Validity
    from dermscore.quantities import PointKind, Quantity, Series
    from dermscore.sheets import read_commands, read_points

__all__ = [
    "Aggregate",
    "Allowed",
    "Asset",
    "BadInput",
    "Cause",
    "CommandRow",
    "Control",
    "Controls",
    "Denied",
    "DermsError",
    "Event",
    "EventStatus",
    "Fallback",
    "Fleet",
    "Guard",
    "GuardState",
    "Intent",
    "IntentState",
    "Kind",
    "Measurement",
    "Mode",
    "Node",
    "NotSetUp",
    "Now",
    "PointKind",
    "PointRow",
    "Policy",
    "Principal",
    "Problem",
    "Quality",
    "Quantity",
    "Series",
    "Site",
    "Snapshot",
    "Source",
    "Step",
    "Unreadable",
    "Validity",
    "aggregates",
    "allocate",
    "arbitrate",
    "check_asset",
    "envelope",
    "explain",
    "explain_series",
    "load_fleet",
    "load_policy",
    "read_commands",
    "read_points",
]

# Module: what it gives, as `name` or as `name=its name there`.
_SOURCES = {
    "dermscore.aggregate": "Aggregate aggregates explain_series",
    "dermscore.assets": "load_fleet=load_file",
    "dermscore.dispatch": "Control Controls Event EventStatus Mode allocate arbitrate check_asset envelope explain",
    "dermscore.errors": "BadInput DermsError NotSetUp Problem Unreadable",
    "dermscore.guard": "Fallback Guard GuardState",
    "dermscore.intent": "Intent IntentState Step",
    "dermscore.model": "Asset Fleet Kind Measurement Node Now Site Snapshot",
    "dermscore.points": "CommandRow PointRow",
    "dermscore.sheets": "read_commands read_points",
    "dermscore.policy": "Allowed Denied Policy Principal load_policy=load_folder",
    "dermscore.quality": "Cause Quality Source Validity",
    "dermscore.quantities": "PointKind Quantity Series",
}
_PLACES = {
    name.partition("=")[0]: (module, name.rpartition("=")[2])
    for module, names in _SOURCES.items()
    for name in names.split()
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, its_name = _PLACES[name]
    value = globals()[name] = getattr(import_module(module), its_name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
