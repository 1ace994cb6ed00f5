"""The shape of `assets.yaml`, key by key. Loads pydantic: import it inside a function.

docs/reference/assets-yaml.md says the same in words.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, Field

from dermscore.files.fields import Id, OneLine, Percent, SitePath
from dermscore.model import Kind

# Larger than any plant there is. What is beyond was written in watts.
_MOST_MW: Final = 10_000.0
_MOST_MWH: Final = 100_000.0
_MOST_PER_MWH: Final = 1e6


Name = Annotated[str, Field(min_length=1, max_length=100), OneLine]
Megawatts = Annotated[float, Field(ge=-_MOST_MW, le=_MOST_MW)]


class SiteEntry(BaseModel):
    """A place with assets. Without `path` it stands at `site/<id>`."""

    id: Id
    name: Name
    location: Name
    path: SitePath | None = None


class AssetEntry(BaseModel):
    """A DER and its ratings, in MW, MWh and percent."""

    id: Id
    name: Name
    site_id: Id
    kind: Kind = Kind.BATTERY
    capacity_mwhr: Annotated[float, Field(ge=0, le=_MOST_MWH)]
    max_mw: Megawatts
    min_mw: Megawatts
    efficiency: Annotated[float, Field(gt=0, le=1)]
    ramp_rate_mw_per_min: Annotated[float, Field(gt=0, le=1e6)]
    min_soc_pct: Percent = 0.0
    max_soc_pct: Percent = 100.0
    driver: Name = "simulated"
    program: Name = "default"
    cost_per_mwh: Annotated[float, Field(ge=0, le=_MOST_PER_MWH)] = 0.0
    dead_band_mw: Annotated[float, Field(ge=0, le=_MOST_MW)] = 0.0


class AssetsFile(BaseModel):
    """The whole file."""

    sites: Annotated[list[SiteEntry], Field(min_length=1)]
    assets: Annotated[list[AssetEntry], Field(min_length=1)]
