"""From the two policy files to a `Policy`. Loads pydantic: import it inside a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import TypeVar

from pydantic import BaseModel

from dermscore.dispatch.limits import AMOUNTS, Limit
from dermscore.dispatch.modes import LIMITS, SETPOINTS, Mode, Value
from dermscore.errors import BadInput, Problem
from dermscore.files.yamlfile import Document, parse
from dermscore.model import covers
from dermscore.policy import Policy, Program, Rule
from dermscore.policy.access import named, outermost
from dermscore.policy.digest import digest
from dermscore.policy.files.schema import (
    AccessFile,
    AmountsEntry,
    DispatchFile,
    LimitEntry,
    ProgramEntry,
    ReboundEntry,
    RuleEntry,
    WindowEntry,
)
from dermscore.policy.limits import LimitRule, Rebound
from dermscore.policy.windows import DAY_MIN, DAYS, When, Window

Model = TypeVar("Model", bound=BaseModel)


def policy(access: AccessFile, dispatch: DispatchFile) -> Policy:
    """What two files that were checked each for itself mean together."""
    members = {entry.id: frozenset(role.value for role in entry.roles) for entry in access.principals}
    areas = {entry.id: outermost(entry.areas) for entry in access.principals}
    grants, forbids = _rules("grants", access.grants), _rules("forbids", access.forbids)
    programs = {name: _program(name, entry) for name, entry in dispatch.programs.items()}
    limits = tuple(_limit(f"limits[{number}]", entry) for number, entry in enumerate(dispatch.limits))
    rebounds = tuple(_rebound(f"rebounds[{number}]", entry) for number, entry in enumerate(dispatch.rebounds))
    meaning = digest((members, areas, grants, forbids, programs, limits, rebounds))
    return Policy(members, areas, grants, forbids, programs, meaning, limits, rebounds)


def access_file(document: Document) -> AccessFile:
    """Raises BadInput with every problem found."""
    return _checked(AccessFile, document, _access_problems)


def dispatch_file(document: Document) -> DispatchFile:
    """Raises BadInput with every problem found."""
    return _checked(DispatchFile, document, _dispatch_problems)


def _checked(model: type[Model], document: Document, rules: Callable[[Model, Document], Iterator[Problem]]) -> Model:
    file = parse(model, document)
    problems = list(rules(file, document))
    if problems:
        raise BadInput(problems)
    return file


# --- what no single key can tell -------------------------------------------------------------------------------------


def _access_problems(file: AccessFile, document: Document) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for number, principal in enumerate(file.principals):
        if principal.id in first:
            what = f"principals[{first[principal.id]}] has this id already; give it all its roles there"
            yield document.problem(("principals", number, "id"), what)
        first.setdefault(principal.id, number)


def _dispatch_problems(file: DispatchFile, document: Document) -> Iterator[Problem]:
    if "default" not in file.programs:
        what = "the programme 'default' is missing; assets that name no programme belong to it"
        yield document.problem(("programs",), what)
    for name, entry in file.programs.items():
        yield from _stray_defaults(name, entry, document)
    yield from _shared_markets(file, document)
    for section, entries in (("limits", file.limits), ("rebounds", file.rebounds)):
        for number, limit in enumerate(entries):
            if not _amounts(limit).stated():
                yield document.problem((section, number), "limits nothing; state at least one amount")


def _stray_defaults(name: str, entry: ProgramEntry, document: Document) -> Iterator[Problem]:
    for path in entry.defaults:
        if not any(covers(run, path) for run in entry.paths):
            what = f"{named(path)} is outside the paths where this programme runs"
            yield document.problem(("programs", name, "defaults", path or "/"), what)


def _shared_markets(file: DispatchFile, document: Document) -> Iterator[Problem]:
    """Two markets that share an asset would each sell it: refused where they meet, whatever is enrolled there."""
    markets = [(name, entry) for name, entry in file.programs.items() if entry.market]
    for (first, one), (second, other) in combinations(markets, 2):
        for number, path in enumerate(other.paths):
            met = next((each for each in one.paths if covers(each, path) or covers(path, each)), None)
            if met is not None:
                what = (
                    f"market programmes must not overlap, and {first} runs at {named(met)}; "
                    "an asset takes part in one market at a time"
                )
                yield document.problem(("programs", second, "paths", number), what)


# --- what it means ---------------------------------------------------------------------------------------------------


def _rules(section: str, entries: Sequence[RuleEntry]) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            place=f"{section}[{number}]",
            roles=frozenset(role.value for role in entry.roles),
            actions=frozenset(action.value for action in entry.actions),
            paths=outermost(entry.paths),
            max_w=entry.max_w,
            not_before_ms=entry.not_before,
            not_after_ms=entry.not_after,
            reason=entry.reason,
        )
        for number, entry in enumerate(entries)
    )


def _program(name: str, entry: ProgramEntry) -> Program:
    return Program(
        name=name,
        primacy=entry.primacy,
        max_duration_s=entry.max_duration_s,
        description=entry.description,
        on_supersede=entry.on_supersede,
        defaults={path: _controls(controls) for path, controls in entry.defaults.items()},
        market=entry.market,
        paths=outermost(entry.paths),
    )


def _controls(controls: Mapping[Mode, Value]) -> Mapping[Mode, Value]:
    """Powers as numbers with a fraction, so that 5 and 5.0 mean the same."""
    return {mode: float(value) if mode in LIMITS | SETPOINTS else value for mode, value in controls.items()}


def _limit(place: str, entry: LimitEntry) -> LimitRule:
    windows = frozenset(map(_window, entry.windows))
    when = When(entry.not_before, entry.not_after, tuple(sorted(windows, key=str)))
    return LimitRule(place, _nodes(entry), _amounts(entry), when, entry.reason)


def _rebound(place: str, entry: ReboundEntry) -> Rebound:
    return Rebound(place, _nodes(entry), _amounts(entry), entry.lasts_s, frozenset(entry.after), entry.reason)


def _amounts(entry: AmountsEntry) -> Limit:
    return Limit("", "", **{name: getattr(entry, name, None) for name in AMOUNTS})


def _nodes(entry: AmountsEntry) -> tuple[str, ...]:
    return tuple(sorted({*entry.paths, *entry.assets}))


def _window(entry: WindowEntry) -> Window:
    days = frozenset(DAYS.index(day) for day in entry.days)
    return Window(entry.zone, days, _minutes(entry.begins), _minutes(entry.ends) or DAY_MIN)


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)
