"""The fleet's file, `assets.yaml`: read, checked, generated and written.

MW and MWh become watts and watt-hours here. docs/reference/assets-yaml.md says what every key means.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dermscore.errors import BadInput, Problem, did_you_mean
from dermscore.model import Asset, Fleet, Kind, Site, ancestry

if TYPE_CHECKING:
    from dermscore.assets_schema import AssetEntry, AssetsFile, SiteEntry
    from dermscore.files.yamlfile import Document

_W_PER_MW: Final = 1e6
_W_PER_S_PER_MW_PER_MIN: Final = 1e6 / 60
_PLAIN_TEXT: Final = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*"
)
_DECIMALS: Final = 6  # of a watt: hides that 0.07 * 1e6 is 70000.00000000001


def load(document: Document) -> Fleet:
    """Make the fleet of a document.

    Raises:
        BadInput: with every problem found.
    """
    from dermscore.assets_schema import AssetsFile
    from dermscore.files.yamlfile import parse

    file = parse(AssetsFile, document)
    problems = [*_site_problems(file, document), *_asset_problems(file, document)]
    if problems:
        raise BadInput(problems)
    return Fleet(
        {entry.id: _site(entry) for entry in file.sites},
        {entry.id: _asset(entry) for entry in file.assets},
    )


def load_file(path: Path | str) -> Fleet:
    """Read a fleet's file.

    Raises:
        BadInput: with every problem found; `Unreadable` where there is no file to read.
    """
    from dermscore.files.yamlfile import load_file as load_document

    return load(load_document(Path(path)))


def _site(entry: SiteEntry) -> Site:
    return Site(entry.id, entry.name, entry.location, _path(entry))


def _path(entry: SiteEntry) -> str:
    return entry.path or f"site/{entry.id}"


def _asset(entry: AssetEntry) -> Asset:
    return Asset(
        id=entry.id,
        name=entry.name,
        site_id=entry.site_id,
        kind=entry.kind,
        capacity_wh=_watts(entry.capacity_mwhr, _W_PER_MW),
        max_w=_watts(entry.max_mw, _W_PER_MW),
        min_w=_watts(entry.min_mw, _W_PER_MW),
        efficiency=entry.efficiency,
        ramp_w_per_s=_watts(entry.ramp_rate_mw_per_min, _W_PER_S_PER_MW_PER_MIN),
        min_soc_pct=entry.min_soc_pct,
        max_soc_pct=entry.max_soc_pct,
        driver=entry.driver,
        program=entry.program,
        cost_per_mwh=entry.cost_per_mwh,
        dead_band_w=_watts(entry.dead_band_mw, _W_PER_MW),
    )


def _watts(megawatts: float, factor: float) -> float:
    return round(megawatts * factor, _DECIMALS)


def _site_problems(file: AssetsFile, document: Document) -> Iterator[Problem]:
    by_id: dict[str, int] = {}
    by_path: dict[str, int] = {}
    for number, site in enumerate(file.sites):
        if site.id in by_id:
            yield document.problem(("sites", number, "id"), f"sites[{by_id[site.id]}] has this id already")
        path = _path(site)
        if path in by_path:
            yield document.problem(("sites", number, "path"), f"sites[{by_path[path]}] stands there already")
        by_id.setdefault(site.id, number)
        by_path.setdefault(path, number)
    for number, site in enumerate(file.sites):
        *above, _ = ancestry(_path(site))
        for path in by_path.keys() & above:
            yield document.problem(("sites", number, "path"), f"lies inside another site, sites[{by_path[path]}]")


def _asset_problems(file: AssetsFile, document: Document) -> Iterator[Problem]:
    site_ids = {site.id for site in file.sites}
    by_id: dict[str, int] = {}
    for number, asset in enumerate(file.assets):
        if asset.id in by_id:
            yield document.problem(("assets", number, "id"), f"assets[{by_id[asset.id]}] has this id already")
        elif asset.id in site_ids:
            yield document.problem(("assets", number, "id"), "a site has this id; choose another")
        by_id.setdefault(asset.id, number)
        if asset.site_id not in site_ids:
            near = did_you_mean(asset.site_id, site_ids)
            yield document.problem(("assets", number, "site_id"), f"no site has the id {asset.site_id}{near}")
        for key, what in _rating_problems(asset):
            yield document.problem(("assets", number, key), what)


def _rating_problems(asset: AssetEntry) -> Iterator[tuple[str, str]]:
    """What is wrong with an asset's numbers taken together. 0 MW is always among what an asset can do."""
    if asset.min_mw > asset.max_mw:
        yield "min_mw", f"must not be above max_mw ({asset.max_mw:g})"
    elif not asset.min_mw <= 0 <= asset.max_mw:
        yield "min_mw" if asset.min_mw > 0 else "max_mw", "0 MW must lie between min_mw and max_mw"
    if asset.min_soc_pct >= asset.max_soc_pct:
        yield "min_soc_pct", f"must be below max_soc_pct ({asset.max_soc_pct:g})"
    if asset.kind is Kind.BATTERY and asset.capacity_mwhr == 0:
        yield "capacity_mwhr", "a battery must have more than 0"
    if asset.kind is not Kind.BATTERY and asset.capacity_mwhr > 0:
        yield "capacity_mwhr", f"must be 0 for kind {asset.kind}, which stores nothing"
    if asset.kind is Kind.SOLAR and asset.min_mw < 0:
        yield "min_mw", "must be 0 for kind solar, which absorbs nothing"
    if asset.dead_band_mw > max(asset.max_mw, -asset.min_mw):
        yield "dead_band_mw", "must not be above both ratings: the asset could do nothing but 0 MW"
    if asset.kind is Kind.LOAD and asset.max_mw > 0:
        yield "max_mw", "must be 0 for kind load, which injects nothing"


def dump(fleet: Fleet) -> str:
    """The text of an `assets.yaml` that loads as this fleet."""
    lines = ["sites:"]
    lines += (_entry(_site_keys(site)) for site in fleet.sites.values())
    lines += ["assets:"]
    lines += (_entry(_asset_keys(asset)) for asset in fleet.assets.values())
    return "\n".join(lines) + "\n"


def _site_keys(site: Site) -> dict[str, str | float]:
    return {"id": site.id, "name": site.name, "location": site.location, "path": site.path}


def _asset_keys(asset: Asset) -> dict[str, str | float]:
    return {
        "id": asset.id,
        "name": asset.name,
        "site_id": asset.site_id,
        "kind": asset.kind.value,
        "capacity_mwhr": _megawatts(asset.capacity_wh, _W_PER_MW),
        "max_mw": _megawatts(asset.max_w, _W_PER_MW),
        "min_mw": _megawatts(asset.min_w, _W_PER_MW),
        "efficiency": asset.efficiency,
        "ramp_rate_mw_per_min": _megawatts(asset.ramp_w_per_s, _W_PER_S_PER_MW_PER_MIN),
        "min_soc_pct": asset.min_soc_pct,
        "max_soc_pct": asset.max_soc_pct,
        "driver": asset.driver,
        "program": asset.program,
        "cost_per_mwh": asset.cost_per_mwh,
        "dead_band_mw": _megawatts(asset.dead_band_w, _W_PER_MW),
    }


def _entry(keys: dict[str, str | float]) -> str:
    written = (
        f"{key}: {_text(value) if isinstance(value, str) else repr(float(value))}" for key, value in keys.items()
    )
    return "  - " + "\n    ".join(written)


def _text(text: str) -> str:
    """Text as YAML: plain where it could be nothing else, in double quotes (which are JSON's) otherwise."""
    plain = _PLAIN_TEXT.fullmatch(text) and text.lower() not in ("null", "true", "false")
    return text if plain else json.dumps(text, ensure_ascii=False)


def _megawatts(watts: float, factor: float) -> float:
    """The shortest number that `_watts` turns into exactly `watts`."""
    near = watts / factor
    shorter = (float(f"{near:.{digits}g}") for digits in range(1, 17))
    exact = (near, math.nextafter(near, math.inf), math.nextafter(near, -math.inf))
    return next((number for number in (*shorter, *exact) if _watts(number, factor) == watts), near)


def generate(sites: int, assets_per_site: int, seed: int = 0) -> str:
    """The text of an `assets.yaml` for trials: the same for the same arguments, whatever the version of Python.

    Every site has batteries, solar and load in turn (two, one, one); four sites share a feeder.

    Raises:
        ValueError: fewer than one site, or fewer than one asset per site.
    """
    if sites < 1 or assets_per_site < 1:
        raise ValueError("a fleet has at least one site, and a site at least one asset")
    made = [_made_site(seed, number) for number in range(1, sites + 1)]
    assets = [_made_asset(seed, site, number) for site in made for number in range(1, assets_per_site + 1)]
    fleet = Fleet({site.id: site for site in made}, {asset.id: asset for asset in assets})
    command = f"derms assets generate --sites {sites} --assets-per-site {assets_per_site} --seed {seed}"
    return f"# Made by: {command}\n{dump(fleet)}"


def _made_site(seed: int, number: int) -> Site:
    feeder, region = (number - 1) // 4 + 1, "ABCDEFGH"[(number - 1) // 16 % 8]
    path = f"feeder/F{feeder}/site/S{number}"
    return Site(str(_draw(seed, "site", number)), f"Site {number}", f"Region-{region}", path)


def _made_asset(seed: int, site: Site, number: int) -> Asset:
    draw = _draw(seed, site.id, number)
    kind = (Kind.BATTERY, Kind.BATTERY, Kind.SOLAR, Kind.LOAD)[(number - 1) % 4]
    power_w = (40 + draw.int % 21) * _W_PER_MW
    battery = kind is Kind.BATTERY
    return Asset(
        id=str(draw),
        name=f"{site.name} {kind} {number}",
        site_id=site.id,
        kind=kind,
        capacity_wh=2 * power_w if battery else 0.0,
        max_w=0.0 if kind is Kind.LOAD else power_w,
        min_w=0.0 if kind is Kind.SOLAR else -power_w,
        efficiency=0.9 if battery else 1.0,
        ramp_w_per_s=_watts(1000 if battery else 600, _W_PER_S_PER_MW_PER_MIN),
        min_soc_pct=5.0 if battery else 0.0,
        max_soc_pct=95.0 if battery else 100.0,
        driver="simulated",
        program="default",
    )


def _draw(seed: int, *what: object) -> uuid.UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, "/".join(map(str, ("derms", seed, *what))))
