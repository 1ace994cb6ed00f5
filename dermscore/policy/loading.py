"""From the two policy files to a `Policy`. Loads pydantic: import it inside a function."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from pydantic import BaseModel

from dermscore.errors import BadInput, Problem, together
from dermscore.policy import Policy, Program, Rule
from dermscore.policy.schema import AccessFile, DispatchFile, RuleEntry
from dermscore.yamlfile import Document, parse

Model = TypeVar("Model", bound=BaseModel)


def policy(access: Document, dispatch: Document) -> Policy:
    """See `dermscore.policy.load`."""
    return _policy(
        *together(
            lambda: _checked(AccessFile, access, _access_problems),
            lambda: _checked(DispatchFile, dispatch, _dispatch_problems),
        )
    )


def _checked(model: type[Model], document: Document, rules: Callable[[Model, Document], Iterator[Problem]]) -> Model:
    file = parse(model, document)
    problems = list(rules(file, document))
    if problems:
        raise BadInput(problems)
    return file


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


def _policy(access: AccessFile, dispatch: DispatchFile) -> Policy:
    return Policy(
        members={entry.id: frozenset(role.value for role in entry.roles) for entry in access.principals},
        areas={entry.id: tuple(entry.areas) for entry in access.principals},
        grants=_rules("grants", access.grants),
        forbids=_rules("forbids", access.forbids),
        programs={
            name: Program(name, entry.primacy, entry.max_duration_s, entry.description)
            for name, entry in dispatch.programs.items()
        },
        digest=_digest(access, dispatch),
    )


def _rules(section: str, entries: Sequence[RuleEntry]) -> tuple[Rule, ...]:
    return tuple(
        Rule(
            place=f"{section}[{number}]",
            roles=frozenset(role.value for role in entry.roles),
            actions=frozenset(action.value for action in entry.actions),
            paths=tuple(entry.paths),
            max_w=entry.max_w,
            not_before_ms=_ms(entry.not_before),
            not_after_ms=_ms(entry.not_after),
            reason=entry.reason,
        )
        for number, entry in enumerate(entries)
    )


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1000)


def _digest(access: AccessFile, dispatch: DispatchFile) -> str:
    """Over what the files mean, defaults filled in: comments and the order of keys do not change it."""
    meaning = {"access": access.model_dump(mode="json"), "dispatch": dispatch.model_dump(mode="json")}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
