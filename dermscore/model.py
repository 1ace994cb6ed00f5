"""The nouns: sites, assets, the fleet as a tree, and what was last measured of it.

Power is in watts with injection into the grid positive at every node (discharge and generation +, charge and load -);
energy in watt-hours; percent 0..100; times UTC milliseconds of the source. Nothing here reads a clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final

from dermscore.quality import Quality

_PATH_LENGTH: Final = 200
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class Kind(StrEnum):
    """What an asset is. Decides what its setpoint means and what it does when released (see `Asset.reversion_w`)."""

    BATTERY = "battery"
    SOLAR = "solar"
    LOAD = "load"


@dataclass(frozen=True, slots=True)
class Now:
    """One reading of both clocks, taken once at the rim and passed inward.

    `utc_ms` is wall time (comparable between machines, may step); `mono_ms` is this boot's monotonic time (never steps,
    comparable with nothing else). Leases and ages count in `mono_ms`.
    """

    utc_ms: int
    mono_ms: int


@dataclass(frozen=True, slots=True)
class Site:
    """A place with assets. `path` is its unique place in the tree, such as `feeder/F12/site/S3`."""

    id: str
    name: str
    location: str
    path: str


@dataclass(frozen=True, slots=True)
class Asset:
    """A distributed energy resource and its ratings, in SI units.

    `max_w` and `min_w` bound the power (a battery's `min_w` is negative: charging; a load's `max_w` is 0).
    `capacity_wh` is 0 for what stores nothing. `efficiency` is one-way, 0 < e <= 1. `cost_per_mwh` is what a MWh
    through it costs, in either direction and in any currency; `dead_band_w` the least power other than 0 that it can
    run at.
    """

    id: str
    name: str
    site_id: str
    kind: Kind
    capacity_wh: float
    max_w: float
    min_w: float
    efficiency: float
    ramp_w_per_s: float
    min_soc_pct: float = 0.0
    max_soc_pct: float = 100.0
    driver: str = "simulated"
    program: str = "default"
    cost_per_mwh: float = 0.0
    dead_band_w: float = 0.0

    @property
    def min_soc_wh(self) -> float:
        return self.capacity_wh * self.min_soc_pct / 100

    @property
    def max_soc_wh(self) -> float:
        return self.capacity_wh * self.max_soc_pct / 100

    @property
    def reversion_w(self) -> float | None:
        """What the asset returns to when a setpoint ends: 0 W for storage; None (its natural output) for the rest.

        A battery left at a setpoint empties or overfills; a solar plant sent to 0 would be curtailed for ever.
        """
        return 0.0 if self.kind is Kind.BATTERY else None


@dataclass(frozen=True, slots=True)
class Measurement:
    """One reading of one asset, as its edge agent took it.

    `soc_wh` is None for what stores nothing, `setpoint_w` None when nothing is asked of it. `available_up_w` and
    `available_down_w` are how much more (>= 0) it could inject or absorb from `power_w` at once, with ratings and SOC
    taken into account.
    """

    asset_id: str
    time_ms: int
    power_w: float
    soc_wh: float | None
    available_up_w: float
    available_down_w: float
    setpoint_w: float | None
    quality: Quality


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A node of the tree: every asset at or below `path`, in the order of `assets.yaml`.

    Two are the same only where they are one object, so that what is worked out of a node can be kept by it.
    """

    path: str
    assets: tuple[Asset, ...]
    children: tuple[Node, ...] = ()

    def __repr__(self) -> str:
        """Short, for whoever looks at one: a fleet has thousands of assets."""
        return f"Node({self.path!r}, {len(self.assets)} assets, {len(self.children)} children)"


@dataclass(frozen=True)
class Fleet:
    """The configured fleet: sites and assets by id, in file order. Static between reloads."""

    sites: Mapping[str, Site]
    assets: Mapping[str, Asset]

    def __repr__(self) -> str:
        return f"Fleet({len(self.sites)} sites, {len(self.assets)} assets)"

    def site_of(self, asset: Asset) -> Site:
        return self.sites[asset.site_id]

    def path_of(self, asset: Asset) -> str:
        return self.sites[asset.site_id].path

    def site_at(self, path: str) -> Site | None:
        """The site whose path is exactly `path`."""
        return self._site_by_path.get(path)

    def node(self, path: str) -> Node | None:
        """The subtree at `path` ("" is the whole fleet), or None where no site is at or below it."""
        return self._nodes.get(path)

    def under(self, path: str) -> tuple[Asset, ...]:
        """Every asset at or below `path`; empty where there is no such node."""
        node = self._nodes.get(path)
        return node.assets if node else ()

    @cached_property
    def _site_by_path(self) -> Mapping[str, Site]:
        return {site.path: site for site in self.sites.values()}

    @cached_property
    def _nodes(self) -> Mapping[str, Node]:
        members: dict[str, list[Asset]] = {"": list(self.assets.values())}
        below: dict[str, list[str]] = {"": []}
        for site in self.sites.values():
            for path in ancestry(site.path):
                if path not in members:
                    members[path], below[path] = [], []
                    below[_parent(path)].append(path)
        for asset in self.assets.values():
            for path in ancestry(self.path_of(asset)):
                members[path].append(asset)
        nodes: dict[str, Node] = {}
        for path in reversed(members):  # a parent entered before its children, so the children are made first
            nodes[path] = Node(path, tuple(members[path]), tuple(nodes[child] for child in below[path]))
        return nodes


def ancestry(path: str) -> Iterator[str]:
    """`a/b/c` gives `a`, `a/b`, `a/b/c`."""
    parts = path.split("/")
    for end in range(1, len(parts) + 1):
        yield "/".join(parts[:end])


def covers(path: str, other: str) -> bool:
    """Whether `other` is `path` or lies below it: `feeder/F1` covers `feeder/F1/site/S1`, never `feeder/F12`."""
    return not path or other == path or other.startswith(f"{path}/")


def path_problem(path: str) -> str | None:
    """What is wrong with the way a path is written; None where it is well made."""
    if len(path) > _PATH_LENGTH:
        return f"a path has at most {_PATH_LENGTH} characters"
    if all(_SEGMENT.fullmatch(segment) for segment in path.split("/")):
        return None
    return f"'{path}' is not a path; write names joined by '/', of letters, digits, '_', '-' and '.', as in feeder/F12"


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


class ImpairmentKind(StrEnum):
    """Why an asset that is heard cannot be asked."""

    OUTAGE = "outage"  # out of service
    LOCKOUT = "lockout"  # an interlock holds it at 0
    LOCAL = "local"  # people at the site control it
    CONTESTED = "contested"  # another controller overwrites what we write


@dataclass(frozen=True, slots=True)
class Impairment:
    """What keeps an asset from being asked. `detail` says more, in words; empty where there is no more to say."""

    kind: ImpairmentKind
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The fleet as it is known at one moment: what a decision is taken on.

    An asset that was never heard has no entry in `measurements`: nothing is invented for it. `connected` holds the ids
    whose agent has a live session, `impaired` by asset id what cannot be asked although it is heard.
    """

    fleet: Fleet
    measurements: Mapping[str, Measurement] = field(default_factory=dict)
    connected: frozenset[str] = frozenset()
    impaired: Mapping[str, Impairment] = field(default_factory=dict)
