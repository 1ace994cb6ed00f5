"""Everything that is wrong with a folder of policies, at once: the files, the fleet that they speak of, their cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from dermscore import assets
from dermscore.errors import BadInput, Problem, did_you_mean, together
from dermscore.files.document import Document, Steps
from dermscore.files.yamlfile import load_file
from dermscore.model import Asset, Fleet, ancestry
from dermscore.policy import Policy
from dermscore.policy.files.cases import failures, read_folder
from dermscore.policy.files.loading import access_file, dispatch_file, policy
from dermscore.policy.files.schema import AccessFile, DispatchFile

File = TypeVar("File", AccessFile, DispatchFile)


@dataclass(frozen=True, slots=True)
class Checked:
    """A policy in which nothing was found wrong, and how many cases said so."""

    policy: Policy
    cases: int


def cases_of(folder: Path) -> Path:
    """Where the cases of a folder of policies lie: in `cases`, beside it."""
    return folder.resolve().parent / "cases"


def check(folder: Path, cases_folder: Path, assets_file: Path | None) -> Checked:
    """Check a folder of policies against its cases and, where given, its fleet.

    Raises:
        BadInput: with every problem found; `Unreadable` where a file cannot be read.
    """
    (read, cases), known = together(
        lambda: together(lambda: _read(folder), lambda: read_folder(cases_folder)),
        lambda: None if assets_file is None else _Known.read(assets_file),
    )
    problems = [problem for each in cases for problem in failures(read.policy, each)]
    if known is not None:
        problems += _strangers(read, known)
    if problems:
        raise BadInput(problems)
    return Checked(read.policy, sum(map(len, cases)))


@dataclass(frozen=True, slots=True)
class _Read:
    policy: Policy
    access: tuple[Document, AccessFile]
    dispatch: tuple[Document, DispatchFile]


def _read(folder: Path) -> _Read:
    access, dispatch = together(
        lambda: _file(folder / "access.yaml", access_file), lambda: _file(folder / "dispatch.yaml", dispatch_file)
    )
    return _Read(policy(access[1], dispatch[1]), access, dispatch)


def _file(path: Path, of: Callable[[Document], File]) -> tuple[Document, File]:
    document = load_file(path)
    return document, of(document)


@dataclass(frozen=True, slots=True)
class _Known:
    """The fleet, and where its file says what."""

    fleet: Fleet
    document: Document

    @classmethod
    def read(cls, path: Path) -> _Known:
        document = load_file(path)
        return cls(assets.load(document), document)


def _strangers(read: _Read, known: _Known) -> Iterator[Problem]:
    """What policy and fleet say of each other that the other does not know."""
    fleet, fleet_document = known.fleet, known.document
    (access, access_keys), (dispatch, dispatch_keys) = read.access, read.dispatch
    for document, places in ((access, _access_paths(access_keys)), (dispatch, _dispatch_paths(dispatch_keys))):
        for steps, path in places:
            if fleet.node(path) is None and path not in fleet.assets:
                yield document.problem(steps, f"there is no {path} in {fleet_document.where}{_near(path, fleet)}")
    for number, asset in enumerate(fleet.assets.values()):
        what = _misplaced(asset, fleet, read.policy)
        if what:
            yield fleet_document.problem(("assets", number, "program"), what)


def _misplaced(asset: Asset, fleet: Fleet, policy: Policy) -> str | None:
    """What is wrong with the programme that an asset is enrolled in."""
    program = policy.programs.get(asset.program)
    if program is None:
        return f"'{asset.program}' is no programme of the policy{did_you_mean(asset.program, policy.programs)}"
    return program.refusal(fleet.path_of(asset))


def _near(path: str, fleet: Fleet) -> str:
    paths = dict.fromkeys(above for site in fleet.sites.values() for above in ancestry(site.path))
    return did_you_mean(path, [*paths, *fleet.assets])


def _access_paths(file: AccessFile) -> Iterator[tuple[Steps, str]]:
    for number, principal in enumerate(file.principals):
        yield from _listed(("principals", number, "areas"), principal.areas)
    for section, rules in (("grants", file.grants), ("forbids", file.forbids)):
        for number, rule in enumerate(rules):
            yield from _listed((section, number, "paths"), rule.paths)


def _dispatch_paths(file: DispatchFile) -> Iterator[tuple[Steps, str]]:
    for name, program in file.programs.items():
        yield from _listed(("programs", name, "paths"), program.paths)
        yield from ((("programs", name, "defaults", path or "/"), path) for path in program.defaults)
    for section, limits in (("limits", file.limits), ("rebounds", file.rebounds)):
        for number, limit in enumerate(limits):
            yield from _listed((section, number, "paths"), limit.paths)
            yield from _listed((section, number, "assets"), limit.assets)


def _listed(steps: Steps, paths: list[str]) -> Iterator[tuple[Steps, str]]:
    return (((*steps, number), path) for number, path in enumerate(paths))
