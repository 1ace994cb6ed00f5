"""The boundary contract's two sheets for any fleet: what the demo lets SCADA see and ask.

The packaged `policies/gateway/*.csv` are these sheets for the packaged fleet: what ships as an example is what runs.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping

from dermscore.model import Fleet, Kind, Site
from dermscore.sheets.points import PointKind, Quantity
from dermscore.sheets.reading import COMMAND_COLUMNS, POINT_COLUMNS

OUTSTATION = "main"
STALE_AFTER_S = 10
MIN_COVERAGE_PCT = 80
_LONGEST_LABEL = 64 - len(" storage available down")
_WHY = {"reason": "visibility of storage at the feeder", "owner": "OT engineering", "ticket": "CHG-1001", "bcsi": "no"}
_ASK = {"reason": "operator control of storage", "owner": "OT engineering", "ticket": "CHG-1002", "retired": "no"}


def for_fleet(fleet: Fleet) -> tuple[str, str]:
    """The text of points.csv and commands.csv: every site, every parent of a site, and one controllable site."""
    return _sheet(POINT_COLUMNS, _numbered(_points(fleet))), _sheet(COMMAND_COLUMNS, _commands(fleet))


def _points(fleet: Fleet) -> Iterator[dict[str, object]]:
    """Rows without an index: the telemetry of every place, then what the gateway says of itself and of the commands."""
    labels = _labels(fleet)
    for path, label in labels.items():
        yield from _place(fleet, path, label)
    yield from _gateway()
    controlled = _controlled(fleet)
    if controlled is not None:
        yield from _command_points(controlled.path, labels[controlled.path])


def _labels(fleet: Fleet) -> dict[str, str]:
    """What each site, and then each parent of one, is called in the names of its points, by path.

    A sheet's names are shorter than a site's may be, are told apart, and begin no formula.
    """
    places = {site.path: site.name for site in fleet.sites.values()}
    for path in dict.fromkeys(path.split("/site/")[0] for path in places if "/site/" in path):
        places.setdefault(path, path.rpartition("/")[2])
    taken: dict[str, str] = {}  # the path by its label
    for path, name in places.items():
        plain = name if name[0].isalnum() else f"site {name}"
        ends = itertools.chain([""], (f" {number}" for number in itertools.count(2)))
        labels = (plain[: _LONGEST_LABEL - len(end)].rstrip() + end for end in ends)
        taken[next(label for label in labels if label not in taken)] = path
    return {path: label for label, path in taken.items()}


def _place(fleet: Fleet, path: str, name: str) -> Iterator[dict[str, object]]:
    everything = fleet.under(path)
    storage = [asset for asset in everything if asset.kind is Kind.BATTERY]
    if everything:
        yield _power(path, name, PointKind.ALL, sum(a.max_w for a in everything), sum(a.min_w for a in everything))
        yield _row(f"{name} members reporting", path, PointKind.ALL, Quantity.MEMBERS, "count", event_class=3)
        yield _row(f"{name} coverage", path, PointKind.ALL, Quantity.COVERAGE, "%", event_class=3, low=0, high=100)
        yield _row(f"{name} oldest age", path, PointKind.ALL, Quantity.OLDEST_AGE, "s", event_class=3, deadband=5)
    if storage:
        top, bottom = sum(asset.max_w for asset in storage), sum(asset.min_w for asset in storage)
        yield _power(path, name, PointKind.BATTERY, top, bottom)
        yield _row(
            f"{name} storage SOC",
            path,
            PointKind.BATTERY,
            Quantity.SOC,
            "%",
            event_class=2,
            scale=0.01,
            low=0,
            high=100,
        )
        for quantity, word in ((Quantity.AVAILABLE_UP, "up"), (Quantity.AVAILABLE_DOWN, "down")):
            yield _row(
                f"{name} storage available {word}",
                path,
                PointKind.BATTERY,
                quantity,
                "kW",
                event_class=2,
                deadband=100,
                low=0,
                high=round((top - bottom) / 1e3),
            )


def _power(path: str, name: str, kind: PointKind, top_w: float, bottom_w: float) -> dict[str, object]:
    margin_kw = (top_w - bottom_w) * 0.05 / 1e3
    return _row(
        f"{name} power" if kind is PointKind.ALL else f"{name} storage power",
        path,
        kind,
        Quantity.POWER,
        "kW",
        event_class=2,
        low=round(bottom_w / 1e3 - margin_kw),
        high=round(top_w / 1e3 + margin_kw),
        # Telemetry comes every 4 s while a battery swings in 3: one step may be the whole range, never more.
        max_rate_per_s=round((top_w - bottom_w) / 1e3),
        positive_means="injection",
    )


def _row(name: str, path: str, kind: PointKind, quantity: Quantity, unit: str, **more: object) -> dict[str, object]:
    # What says how many report must not be held back because few do.
    counts = quantity in (Quantity.MEMBERS, Quantity.COVERAGE, Quantity.OLDEST_AGE)
    coverage_pct = 0 if counts else MIN_COVERAGE_PCT
    telemetry = {"stale_after_s": STALE_AFTER_S, "min_members": 1, "min_coverage_pct": coverage_pct}
    return {
        "name": name,
        "path": path,
        "kind": kind,
        "quantity": quantity,
        "unit": unit,
        "outstation": OUTSTATION,
        "type": quantity.meaning.type,
        "scale": 1,
        "offset": 0,
        "deadband": 0,
        "retired": "no",
        **({} if kind.local else telemetry),
        **_WHY,
        "class": more.pop("event_class"),
        **more,
    }


def _gateway() -> Iterator[dict[str, object]]:
    says = {
        Quantity.AUDIT_HEALTH: ("Audit trail healthy", "state", 1),
        Quantity.HEADEND_LINK: ("Headend link up", "state", 1),
        Quantity.REHEARSAL: ("Rehearsal, not live", "state", 1),
        Quantity.HEARTBEAT: ("Gateway heartbeat", "count", 3),
    }
    for quantity, (name, unit, event_class) in says.items():
        yield _row(name, "", PointKind.GATEWAY, quantity, unit, event_class=event_class)


def _command_points(path: str, label: str) -> Iterator[dict[str, object]]:
    for verb in ("target", "release"):
        yield _row(f"{label} {verb} state", path, PointKind.COMMAND, Quantity.COMMAND_STATE, "state", event_class=1)
    yield _row(
        f"{label} target feedback",
        path,
        PointKind.COMMAND,
        Quantity.COMMAND_FEEDBACK,
        "kW",
        event_class=2,
        positive_means="injection",
    )


def _commands(fleet: Fleet) -> list[dict[str, object]]:
    site = _controlled(fleet)
    if site is None:
        return []
    label = _labels(fleet)[site.path]
    storage = [asset for asset in fleet.under(site.path) if asset.kind is Kind.BATTERY]
    shared = {
        "path": site.path,
        "outstation": OUTSTATION,
        "index": 0,
        "scale": 1,
        "offset": 0,
        "control": "both",
        "hold": "until_changed",
        "on_master_loss": "hold",
        "on_isolate": "hold_until_expiry",
        "primacy": 1,
        "feedback_timeout_s": 30,
        **_ASK,
    }
    target = {
        "name": f"{label} target",
        "mode": "target",
        "unit": "kW",
        "type": "AO",
        "low": round(sum(asset.min_w for asset in storage) / 1e3),
        "high": round(sum(asset.max_w for asset in storage) / 1e3),
        "status_point": f"{label} target state",
    }
    release = {
        "name": f"{label} release",
        "mode": "release",
        "unit": "state",
        "type": "BO",
        "status_point": f"{label} release state",
    }
    return [{**shared, **target}, {**shared, **release}]


def _controlled(fleet: Fleet) -> Site | None:
    """The first site with storage."""
    stores = {asset.site_id for asset in fleet.assets.values() if asset.kind is Kind.BATTERY}
    return next((site for site in fleet.sites.values() if site.id in stores), None)


def _numbered(rows: Iterable[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Indexes count from 0 in each type, in the order of the sheet."""
    used: dict[object, int] = {}
    for row in rows:
        index = used[row["type"]] = used.get(row["type"], -1) + 1
        yield {**row, "index": index}


def _sheet(columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
