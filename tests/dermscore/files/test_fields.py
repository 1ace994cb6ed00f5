"""Keys that several files share: what they take, and what they say of the rest."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from dermscore.errors import BadInput
from dermscore.files.fields import Id, Moment, OneLine, Percent, SitePath, Stated, TreePath
from dermscore.files.yamlfile import load, parse


class Form(BaseModel):
    id: Id | None = None
    site: SitePath | None = None
    node: TreePath | None = None
    name: Annotated[str, OneLine] = ""
    at: Moment | None = None
    most: Annotated[Percent | None, Stated] = None
    since: Annotated[Moment | None, Stated] = None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("id: C135AF9E-604F-5F2A-AFF0-1C5B43688D0C", "c135af9e-604f-5f2a-aff0-1c5b43688d0c"),
        ("site: feeder/F1", "feeder/F1"),
        ("node: feeder/F1", "feeder/F1"),
        ("node: /", ""),
        ("name: Jersey, Süd", "Jersey, Süd"),
        ("at: 1970-01-01T01:00:01+01:00", 1000),
        ("at:", None),
        ("most: 100", 100.0),
        ("since: 1970-01-01T00:00:01Z", 1000),
    ],
)
def test_what_is_taken(text: str, value: Any) -> None:
    key = text.partition(":")[0]
    assert getattr(parse(Form, load(text, "f")), key) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("id: c135af9e", "id: 'c135af9e' is not a UUID; write it like"),
        ("site: /", "site: '/' is not a path"),
        ("node: feeder/", "node: 'feeder/' is not a path"),
        ("node: fеeder", "node: 'fеeder' is not a path"),  # a Cyrillic letter
        ('name: " x"', "name: must be one line of plain text"),
        ('name: "a\\nb"', "name: must be one line"),
        ('name: "\\e[2J"', "name: must be one line"),
        ("at: 1", "at: must be a time such as 2026-12-01T06:00:00Z, not 1"),
        ("at: []", "at: must be a time such as 2026-12-01T06:00:00Z, not a list"),
        ("at: soon", "at: 'soon' is not an RFC 3339 time"),
        ("at: 2026-01-01T00:00:00", "has no offset from UTC"),
        ("at: 9999-12-31T23:59:59-01:00", "is outside the years 1970 to 9999"),
        ("most: 101", "most: must be at most 100.0, not 101"),
        ("most:", "most: is empty; write a value, or take the key away"),
        ("since: ~", "since: is empty; write a value, or take the key away"),
    ],
)
def test_what_is_not(text: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(Form, load(text, "f"))
    (problem,) = caught.value.problems
    assert words in str(problem)
