"""Executable examples: a question to the policy, and the answer that its author expects. Loads pydantic when used.

A folder of cases belongs to a policy as its tests do: `derms policy check` runs them, and so does whoever changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from dermscore.dispatch import Event, arbitrate
from dermscore.dispatch.limits import AMOUNTS
from dermscore.errors import BadInput, Problem, Unreadable, did_you_mean
from dermscore.files.document import Document
from dermscore.files.yamlfile import load_file, parse
from dermscore.model import Now
from dermscore.policy import Allowed, Denied, Policy, Principal
from dermscore.policy.access import named
from dermscore.policy.limits import ended
from dermscore.policy.tightness import tightest

if TYPE_CHECKING:
    from dermscore.policy.files.cases_schema import AccessCase, CasesFile, EventEntry, LimitsCase, ProgramsCase

_NEARLY: Final = (".yml", ".YAML", ".YML", ".json")

Case = TypeVar("Case", "AccessCase", "LimitsCase", "ProgramsCase")


@dataclass(frozen=True, slots=True)
class Cases:
    """A file of cases, read and checked for itself."""

    file: CasesFile
    document: Document

    def __len__(self) -> int:
        return len(self.file.access) + len(self.file.limits) + len(self.file.programs)


def read(document: Document) -> Cases:
    """Raises BadInput with every problem found."""
    from dermscore.policy.files.cases_schema import CasesFile

    return Cases(parse(CasesFile, document), document)


def read_folder(folder: Path) -> tuple[Cases, ...]:
    """Every `*.yaml` of a folder, by name; none where there is no such folder.

    Raises:
        BadInput: with every problem of all of them, and of names that look like a case's and are none; `Unreadable`
            where one cannot be read, or it is no folder.
    """
    if folder.exists() and not folder.is_dir():
        raise Unreadable([Problem(str(folder), "", "is no folder; cases are the *.yaml in one")])
    found: list[Cases] = []
    failed = [_misnamed(path) for path in sorted(folder.glob("*")) if path.suffix in _NEARLY]
    for path in sorted(folder.glob("*.yaml")):
        try:
            found.append(read(load_file(path)))
        except BadInput as bad:
            failed.append(bad)
    if failed:
        kind = Unreadable if any(isinstance(bad, Unreadable) for bad in failed) else BadInput
        raise kind(problem for bad in failed for problem in bad.problems)
    return tuple(found)


def _misnamed(path: Path) -> BadInput:
    """A case that is never run would prove nothing, and nobody would see it."""
    return BadInput([Problem(str(path), "", f"is not read; name it {path.stem}.yaml")])


def failures(policy: Policy, cases: Cases) -> Iterator[Problem]:
    """Every case that does not come out as expected: its place in the file, and what came out instead."""
    file = cases.file
    yield from _failed(policy, cases, "access", file.access, _access)
    yield from _failed(policy, cases, "limits", file.limits, _limits)
    yield from _failed(policy, cases, "programs", file.programs, _programs)


def _failed(
    policy: Policy,
    cases: Cases,
    section: str,
    entries: Sequence[Case],
    wrongs: Callable[[Policy, Case, Now], Iterable[str]],
) -> Iterator[Problem]:
    for number, case in enumerate(entries):
        for what in wrongs(policy, case, Now(cases.file.at if case.at is None else case.at, 0)):
            yield cases.document.problem((section, number), f"{case.name}: {what}")


def _access(policy: Policy, case: AccessCase, now: Now) -> Iterator[str]:
    held = policy.principal(case.who)
    who = held if case.roles is None else Principal(case.who, frozenset(role.value for role in case.roles))
    verdict = policy.authorize(who, case.action, case.path, case.w, now=now)
    if isinstance(verdict, Allowed) != (case.expect == "allowed"):
        yield f"expected to be {case.expect}; it is {_said(verdict)}"
    elif case.rule is not None and verdict.rule != case.rule:
        yield f"expected to be {case.expect} by {case.rule or 'no rule'}; it is {_said(verdict)}"
    elif isinstance(verdict, Denied) and case.because not in verdict.reason:
        yield f"expected to be denied because '{case.because}'; it is {_said(verdict)}"


def _said(verdict: Allowed | Denied) -> str:
    return f"allowed by {verdict.rule}" if isinstance(verdict, Allowed) else f"denied: {verdict.reason}"


def _limits(policy: Policy, case: LimitsCase, now: Now) -> Iterator[str]:
    limits = policy.limits_at(now, ended(map(_event, case.events), now))
    for amount, expected in case.expect.items():
        if amount not in AMOUNTS:
            yield f"there is no limit '{amount}'{did_you_mean(amount, AMOUNTS)}"
            continue
        values = [getattr(limit, amount) for limit in limits if limit.node == case.node]
        found = tightest(amount, (value for value in values if value is not None))
        if found != expected:
            yield f"expected {amount} at {named(case.node)} to be {_shown(expected)}; it is {_shown(found)}"


def _programs(policy: Policy, case: ProgramsCase, now: Now) -> Iterator[str]:
    controls = arbitrate(policy.programs, map(_event, case.events), now)
    for expected in case.expect:
        found = controls.at(expected.node, expected.mode)
        value, source = (None, "nothing") if found is None else (found.value, found.source)
        if not _alike(value, expected.value) or expected.source not in (None, source):
            wanted = _shown(expected.value) + (f" of {expected.source}" if expected.source else "")
            where = f"{expected.mode} at {named(expected.node)}"
            yield f"expected {where} to be {wanted}; it is {_shown(value)} of {source}"
    yield from (f"event {ignored.event.id} does not count: {ignored.reason}" for ignored in controls.ignored)


def _alike(one: object, other: object) -> bool:
    """Whether two values are the same: 1 and true are not, although Python has them equal."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _shown(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value).lower()
    return f"{value:,.10g}" if isinstance(value, float) else str(value)


def _event(entry: EventEntry) -> Event:
    return Event(
        id=entry.id,
        node=entry.node,
        program=entry.program,
        issued_ms=entry.starts if entry.issued is None else entry.issued,
        starts_ms=entry.starts,
        ends_ms=entry.ends,
        controls=entry.controls,
        cancelled_ms=entry.cancelled,
    )
