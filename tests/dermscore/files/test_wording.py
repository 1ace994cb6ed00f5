"""What pydantic finds, in words that a person can act on, at the line where it stands."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, field_validator

from dermscore.errors import BadInput
from dermscore.files.wording import shown
from dermscore.files.yamlfile import load, parse


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Wheel(BaseModel):
    size: float
    spokes: Annotated[int, Field(ge=3, le=100)] = 3


class Engine(BaseModel):
    power_w: float


class Car(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=5)] = "car"
    wheels: Annotated[list[Wheel], Field(min_length=1)]
    colour: Colour = Colour.RED
    sides: Literal["left", "right"] = "left"
    used: bool = False
    home: Path = Path()
    drive: Wheel | Engine | None = None
    extras: dict[str, Engine] = {}
    spare: list[Wheel] | None = None
    doors: Annotated[tuple[Wheel, ...], Field(min_length=1)] = (Wheel(size=1),)
    pair: tuple[float, float] = (0, 0)
    width: Annotated[float, Field(gt=0, lt=3)] = 1
    price: Annotated[int, Field(multiple_of=5)] = 5
    seats: float | bool | str = 4
    plate: Annotated[str, Field(pattern="^[A-Z]+$")] = "X"

    @field_validator("used")
    @classmethod
    def _never_used(cls, used: bool) -> bool:
        if used:
            raise ValueError("used cars are not taken")
        return used


WHEELS = "wheels: [{size: 1}]\n"


def problems(text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        parse(Car, load(text, "car.yaml"))
    return [str(problem) for problem in caught.value.problems]


def test_what_fits_becomes_the_model() -> None:
    text = WHEELS + "colour: green\nhome: /a/b\npair: [1, 2.5]\ndrive: {power_w: 3}\n"
    car = parse(Car, load(text, "car.yaml"))
    assert car.colour is Colour.GREEN
    assert car.home == Path("/a/b")
    assert car.pair == (1.0, 2.5)
    assert car.drive == Engine(power_w=3)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("colour: gren", "colour: must be 'red' or 'green', not 'gren'; did you mean 'green'?"),
        ("colour: 3", "colour: must be 'red' or 'green', not 3"),
        ("sides: rigt", "sides: must be 'left' or 'right', not 'rigt'; did you mean 'right'?"),
        ("used: no", "used: must be true or false, not 'no'"),
        ("used: true", "used: used cars are not taken"),
        ("name: 12", "name: must be text, not 12; put it in quotes"),
        ("name: [a]", "name: must be text, not a list"),
        ("name: ''", "name: must not be empty"),
        ("name: abcdef", "name: must be no longer than 5 characters"),
        ("width: '2'", "width: must be a number, not '2'; take the quotes away"),
        ("width: 2_000", "width: must be a number, not '2_000'; write the digits without a separator"),
        ("seats: []", "seats: must be a number, or true or false, or text, not a list"),
        ("width: 2 m", "width: must be a number, not '2 m'"),
        ("width: true", "width: must be a number, not true"),
        ("width:", "width: must be a number, not nothing"),
        ("width: 0", "width: must be more than 0.0, not 0"),
        ("width: 3", "width: must be less than 3.0, not 3"),
        ("plate: a1", "plate: must be like ^[A-Z]+$, not 'a1'"),
        ("price: 7", "price: must be a multiple of 5, not 7"),
        ("pair: 3", "pair: must be a list (each item on a line that begins with '- '), not 3"),
        ("pair: [1, x]", "pair[1]: must be a number, not 'x'"),
        ("extras: [1]", "extras: must be keys and values (key: value), not a list"),
        ("extras: {a: 1}", "extras.a: must be keys and values (key: value), not 1"),
        ("extras: {a: {power_W: 1, power_w: 2}}", "extras.a.power_W: unknown key 'power_W'; did you mean 'power_w'?"),
        ("spare: [{size: 1, spoke: 4}]", "spare[0].spoke: unknown key 'spoke'; did you mean 'spokes'?"),
        ("wheel: 1", "wheel: unknown key 'wheel'; did you mean 'wheels'?"),
        ("zzz: {a: 1}", "zzz: unknown key 'zzz'"),
        ("home: 1", "home: must be text, not 1; put it in quotes"),
        ("doors: []", "doors: must have at least 1 of them"),
        ("doors: [{size: wide}]", "doors[0].size: must be a number, not 'wide'"),  # and the list is not called empty
    ],
)
def test_each_finding_has_its_words_and_line(line: str, words: str) -> None:
    assert problems(WHEELS + line) == [f"car.yaml:2: {words}"]


def test_members_of_a_list_and_of_a_union_are_named_as_the_file_has_them() -> None:
    assert problems("wheels:\n  - {size: 1, spokes: 2}\n  - {size: 1, spokes: 101}\n  - {spokes: 3.5}\n") == [
        "car.yaml:2: wheels[0].spokes: must be at least 3, not 2",
        "car.yaml:3: wheels[1].spokes: must be at most 100, not 101",
        "car.yaml:4: wheels[2].size: is missing; add it",
        "car.yaml:4: wheels[2].spokes: must be a whole number, not 3.5",
    ]
    assert problems("drive: {siz: 1}\nwheels: []") == [
        "car.yaml:1: drive.size: is missing; add it",
        "car.yaml:1: drive.siz: unknown key 'siz'; did you mean 'size'?",
        "car.yaml:1: drive.power_w: is missing; add it",
        "car.yaml:2: wheels: must have at least 1 of them",
    ]


def test_a_document_of_another_shape_is_refused_as_a_whole() -> None:
    assert problems("- 1") == ["car.yaml:1: must be keys and values (key: value), not a list"]
    assert problems("a text") == ["car.yaml:1: must be keys and values (key: value), not 'a text'"]
    assert problems("wheels: {size: 1}")[0].startswith("car.yaml:1: wheels: must be a list")


def test_values_are_shown_short() -> None:
    assert [shown(value) for value in (None, False, {}, (), 1.5, "a")] == [
        "nothing",
        "false",
        "keys and values",
        "a list",
        "1.5",
        "'a'",
    ]
    assert shown("x" * 100) == "'" + "x" * 37 + "...'"
