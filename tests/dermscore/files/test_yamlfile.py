"""YAML 1.2, strictly: what could surprise is refused, everything at once, each with its line."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, model_validator

from dermscore.errors import BadInput, Unreadable
from dermscore.files.yamlfile import Document, load, load_file, parse

UNHURRIED = settings(deadline=None)  # the machine may be busy with something else


def value(text: str) -> Any:
    return load(text, "f.yaml").value


def problems(text: str) -> list[str]:
    """What is refused, whether or not the reading could go on."""
    try:
        found = load(text, "f.yaml").refused
    except BadInput as bad:
        found = bad.problems
    assert found
    return [str(problem) for problem in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no", "no"),
        ("on", "on"),
        ("yes", "yes"),
        ("y", "y"),
        ("012", 12),
        ("-012", -12),
        ("0o17", 15),
        ("0x1F", 31),
        ("12:30:00", "12:30:00"),
        ("1_000", "1_000"),
        ("2026-01-01", "2026-01-01"),
        ("1e3", 1000.0),
        ("-1.5", -1.5),
        ("+.5", 0.5),
        ("2.", 2.0),
        ("--5", "--5"),
        ("1.2.3", "1.2.3"),
        ("nan", "nan"),
        ("=", "="),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("Null", None),
        ("'12'", "12"),
        ('"true"', "true"),
        ("'<<'", "<<"),
        ("0b1", "0b1"),
    ],
)
def test_scalars_are_those_of_the_core_schema(text: str, expected: Any) -> None:
    got = value(f"a: {text}")["a"]
    assert got == expected
    assert type(got) is type(expected)


def test_collections_and_block_scalars() -> None:
    assert value("- [1, {a: b}]\n- - 2\n- |\n  x\n  y\n") == [[1, {"a": "b"}], [2], "x\ny\n"]
    assert value("a: {}\nb: []\n") == {"a": {}, "b": []}
    assert value("just text") == "just text"
    assert value("\ufeffa: 1\r\nb: 2\r\n") == {"a": 1, "b": 2}
    assert value("%YAML 1.2\n---\na: 1\n...\n") == {"a": 1}


def test_every_place_knows_its_line() -> None:
    document = load("a: 1\nb:\n  - x\n  - c: 2\n    d: {e: 3}\n", "f.yaml")
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 1): 4,
        ("b", 1, "c"): 4,
        ("b", 1, "d"): 5,
        ("b", 1, "d", "e"): 5,
    }


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "f.yaml:1: the file is empty"),
        ("# nothing\n", "f.yaml:1: the file is empty"),
        ("---\n", "f.yaml:1: the file is empty"),
        ("a: 1\na: 2\n", "f.yaml:2: a: the key is given twice, first on line 1; keep one"),
        ("a: .nan", "f.yaml:1: a: NaN and infinities are not used"),
        ("a: -.inf", "f.yaml:1: a: NaN and infinities are not used"),
        ("a: 1e999", "f.yaml:1: a: 1e999 is too large a number"),
        ("a: " + "9" * 101, "f.yaml:1: a: a number of more than 100 digits"),
        ("a: 0x" + "f" * 101, "f.yaml:1: a: a number of more than 100 digits"),
        ("a: &x 1", "f.yaml:1: a: anchors (&x) are not used"),
        ("a: &x [1]", "f.yaml:1: a: anchors (&x) are not used"),
        ("&x a: 1", "f.yaml:1: a: anchors (&x) are not used"),
        ("a: *x", "f.yaml:1: a: aliases (*x) are not used"),
        ("*x : 1", "f.yaml:1: aliases (*x) are not used"),
        ("*x", "f.yaml:1: aliases (*x) are not used"),
        ("a: {<<: 1}", "f.yaml:1: a: merge keys (<<) are not used"),
        ("a: !!int 3", "f.yaml:1: a: tags (tag:yaml.org,2002:int) are not used"),
        ("!!python/object:os.system {a: 1}", "f.yaml:1: tags ("),
        ("1: a", "f.yaml:1: the key 1 is not text; put it in quotes"),
        ("true: a", "f.yaml:1: the key true is not text"),
        ("? \n: a", "f.yaml:1: the key (nothing) is not text"),
        ("? [a]\n: 1", "f.yaml:1: a key must be text, not a list or a mapping"),
        ("x: {? {a: b} : 1}", "f.yaml:1: x: a key must be text"),
        ("a: 1\n---\nb: 2", "f.yaml:2: a second document begins here"),
        ("%YAML 1.1\n---\na: 1", "directives (%YAML, %TAG) are not used"),
        ("%TAG ! !x\n---\na: 1", "directives (%YAML, %TAG) are not used"),
        ("a:\n\t- b", "f.yaml:2: not YAML: found character that cannot start any token"),
        ("a: [1, 2\nb: 3", "f.yaml:2: not YAML: did not find expected ',' or ']'"),
        ("a: b: c", "f.yaml:1: not YAML: mapping values are not allowed in this context"),
        ('a: "\\ud800"', "f.yaml:1: not YAML: found invalid Unicode character escape code"),
        ("a: 1\nb: \x00", "f.yaml:2: character U+0000 is not allowed"),
        ("a: \ud800", "f.yaml:1: character U+D800 is not allowed"),
    ],
)
def test_what_could_surprise_is_refused(text: str, words: str) -> None:
    assert words in problems(text)[0]


def test_every_problem_is_told_at_once() -> None:
    assert [
        problem.partition(": ")[0] for problem in problems("a: .nan\nb: 1\nb: 2\nc: &x !y 3\nd: {1: 2}\ne: [}")
    ] == [
        "f.yaml:1",
        "f.yaml:3",
        "f.yaml:4",
        "f.yaml:4",
        "f.yaml:5",
        "f.yaml:6",
    ]


class Tank(BaseModel):
    volume: float
    label: str
    ports: list[int] = []
    inner: Tank | None = None

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if self.volume == 0:
            raise ValueError("holds nothing")
        return self


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("volume: .nan\nlable: x", ["1: volume: NaN and", "1: label: is missing", "2: lable: unknown key 'lable'"]),
        (
            "volume: 1\nlabel: 5\nports: [1, 1e999, x]",
            ["2: label: must be text", "3: ports[1]: 1e999 is", "3: ports[2]"],
        ),
        (
            "label: 5\nvolume: 1\nvolume: x",
            ["1: label: must", "2: volume: must be a number", "3: volume: the key is g"],
        ),
        ("volume: !!str 1\nlabel: 5", ["1: volume: tags (", "2: label: must be text"]),
        ("volume: 1\n5: x\nlabel: 5", ["2: the key 5 is not text", "3: label: must be text"]),
        ("volume: 1\nlabel: 5\n<<: x", ["2: label: must be text", "3: merge keys"]),
        ("volume: 1\nlabel: x\ninner: {volume: .nan, label: y}", ["3: inner.volume: NaN and"]),
        ("volume: 1\nlabel: x\nports: [&x 1]", ["3: ports[0]: anchors (&x)"]),
    ],
)
def test_what_is_refused_in_the_reading_hides_nothing_else_and_brings_nothing_up(
    text: str, expected: list[str]
) -> None:
    with pytest.raises(BadInput) as caught:
        parse(Tank, load(text, "f.yaml"))
    found = [str(problem) for problem in caught.value.problems]
    assert len(found) == len(expected), found
    assert all(one.startswith(f"f.yaml:{words}") for one, words in zip(found, expected, strict=True)), found


@pytest.mark.parametrize(
    "bomb", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000, "a:\n" + "".join(f"{' ' * n}a:\n" for n in range(1, 500))]
)
def test_no_nesting_exhausts_the_stack(bomb: str) -> None:
    assert problems(bomb)[-1].endswith("nested more than 32 deep")


def test_what_nests_as_deep_as_may_be_is_read() -> None:
    got = value("[" * 32 + "]" * 32)
    for _ in range(31):
        (got,) = got
    assert got == []


def test_a_bomb_of_aliases_is_refused_before_it_goes_off() -> None:
    """Forty doublings are more than any memory holds."""
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(40))
    assert "anchors (&a0)" in problems(bomb)[0]


def test_a_file_is_read_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("a: 1\n")
    assert load_file(file) == Document({"a": 1}, str(file), {(): 1, ("a",): 1})
    with pytest.raises(Unreadable):
        load_file(tmp_path / "none.yaml")


words = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs", "Cc", "Co", "Cn"]), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)


@UNHURRIED
@given(json_values.filter(lambda value: value is not None))
def test_json_is_read_as_what_it_says(value_given: Any) -> None:
    """JSON without tabs is YAML 1.2: what one writes the other reads, value and type."""
    got = load(json.dumps(value_given, ensure_ascii=False), "f").value
    assert json.dumps(got) == json.dumps(value_given)


@UNHURRIED
@given(st.text(max_size=40) | st.text("&*!%@`{}[]:,-?<>|#'\"\n\t 0aé~.", max_size=40))
def test_any_text_is_read_or_refused_by_name(text: str) -> None:
    try:
        got = load(text, "f").value
    except BadInput:
        return
    assert not (isinstance(got, float) and not math.isfinite(got))
