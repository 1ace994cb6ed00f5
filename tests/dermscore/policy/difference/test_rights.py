"""Who may do more and who less, in words that an approver cannot take for the opposite."""

from __future__ import annotations

from typing import Final

import pytest
from policy_helpers import ACCESS, GATEWAY, loaded

from dermscore.policy.difference.change import Kind
from dermscore.policy.difference.rights import right_changes

WHOLE: Final = (
    ACCESS.replace("areas: [feeder]", "areas: [/]").replace("paths: [feeder/F1]", "paths: [/]").partition("forbids:")[0]
)


def said(old: str, new: str) -> list[tuple[Kind, str]]:
    return [(change.kind, change.words) for change in right_changes(loaded(old), loaded(new))]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "max_w: 5.0e6, ",
            "max_w: 8.0e6, not_before: 2026-06-01T00:00:00Z, ",
            [
                (
                    Kind.LESS,
                    f"{GATEWAY} may no longer dispatch: everywhere until 2026-06-01T00:00:00Z; before, up to 5 MW",
                ),
                (
                    Kind.MORE,
                    f"{GATEWAY} may now dispatch up to 8 MW: everywhere from 2026-06-01T00:00:00Z; before, up to 5 MW",
                ),
            ],
        ),
        ("max_w: 5.0e6, ", "", [(Kind.MORE, f"{GATEWAY} may now dispatch any power: everywhere; before, up to 5 MW")]),
        (
            "5.0e6",
            "5.0000001e6",
            [(Kind.MORE, f"{GATEWAY} may now dispatch up to 5000000.1 W: everywhere; before, up to 5 MW")],
        ),
        (
            "5.0e6",
            "4.0e6",
            [(Kind.LESS, f"{GATEWAY} may now dispatch only up to 4 MW: everywhere; before, up to 5 MW")],
        ),
        (
            "[OPERATOR], actions: [dispatch]",
            "[VIEWER], actions: [dispatch]",
            [
                (Kind.MORE, "http:loopback may now dispatch up to 5 MW: everywhere; before, not at all"),
                (Kind.LESS, f"{GATEWAY} may no longer dispatch: everywhere; before, up to 5 MW"),
            ],
        ),
        (
            "roles: [VIEWER]}",
            "roles: [SECAUD]}",
            [(Kind.LESS, "http:loopback may no longer view: everywhere")],
        ),
        (
            "  - {id: http:loopback, roles: [VIEWER]}",
            "",
            [(Kind.LESS, "http:loopback may no longer view: everywhere")],
        ),
        ("areas: [/]", "areas: [feeder]", None),
        ("contract 7", "contract 8", []),
        (  # nobody is an engineer: what it permits is told all the same
            "roles: [OPERATOR, VIEWER], actions: [view]",
            "roles: [OPERATOR, VIEWER, ENGINEER], actions: [view]",
            [(Kind.MORE, "whoever acts as ENGINEER alone may now view: everywhere; before, not at all")],
        ),
    ],
)
def test_changes_in_words(old: str, new: str, expected: list[tuple[Kind, str]] | None) -> None:
    assert old in WHOLE
    found = said(WHOLE, WHOLE.replace(old, new))
    if expected is None:
        expected = [
            (Kind.LESS, f"{GATEWAY} may no longer view: everywhere (except at feeder)"),
            (Kind.LESS, f"{GATEWAY} may no longer dispatch: everywhere (except at feeder); before, up to 5 MW"),
        ]
    assert found == expected


def test_a_bound_where_there_was_none() -> None:
    free = WHOLE.replace("max_w: 5.0e6, ", "")
    assert said(free, WHOLE) == [
        (Kind.LESS, f"{GATEWAY} may now dispatch only up to 5 MW: everywhere; before, any power"),
    ]
    assert said(free, WHOLE.partition("  - {roles: [OPERATOR], act")[0]) == [
        (Kind.LESS, f"{GATEWAY} may no longer dispatch: everywhere; before, any power"),
    ]


def test_a_role_that_another_one_of_its_holder_stands_against() -> None:
    """With all its roles active it may dispatch neither before nor after; with the one alone it may do more now."""
    both = WHOLE.replace("roles: [VIEWER]}", "roles: [VIEWER, ENGINEER]}")
    both += "forbids:\n  - {roles: [VIEWER], actions: [dispatch], paths: [/], reason: viewers look}\n"
    assert said(both, both.replace("[OPERATOR], actions: [dispatch]", "[OPERATOR, ENGINEER], actions: [dispatch]")) == [
        (Kind.MORE, "whoever acts as ENGINEER alone may now dispatch up to 5 MW: everywhere; before, not at all"),
    ]
