"""The shape of `assets.yaml`, key by key. Loads pydantic: import it inside a function.

docs/reference/assets-yaml.md says the same in words.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, Field

from dermscore.model import Kind, path_problem

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# Larger than any plant there is. What is beyond was written in watts.
_MOST_MW: Final = 10_000.0
_MOST_MWH: Final = 100_000.0
_MOST_PER_MWH: Final = 1e6


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text.lower()):
        raise ValueError(f"'{text}' is not a UUID; write it like 4278e0db-b460-583b-b183-2cf2ff7a54e4")
    return text.lower()


def _path(text: str) -> str:
    wrong = path_problem(text)
    if wrong:
        raise ValueError(wrong)
    return text


def _one_line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be one line of plain text, without blanks at its ends")
    return text


Id = Annotated[str, AfterValidator(_uuid)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_one_line)]
Path = Annotated[str, AfterValidator(_path)]
Megawatts = Annotated[float, Field(ge=-_MOST_MW, le=_MOST_MW)]
Percent = Annotated[float, Field(ge=0, le=100)]


class SiteEntry(BaseModel):
    """A place with assets. Without `path` it stands at `site/<id>`."""

    id: Id
    name: Name
    location: Name
    path: Path | None = None


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
