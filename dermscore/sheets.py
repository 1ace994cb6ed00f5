"""Reading the two sheets: see `dermscore.points`."""

from __future__ import annotations

from dermscore.points import CommandRow, PointRow


def read_points(text: str, where: str) -> tuple[PointRow, ...]:
    raise NotImplementedError


def read_commands(text: str, where: str, points: tuple[PointRow, ...]) -> tuple[CommandRow, ...]:
    raise NotImplementedError
