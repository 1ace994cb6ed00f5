"""Which names are files of the log."""

from __future__ import annotations

from pathlib import Path

import pytest

from audit.format.layout import Layout, segment_named

LAYOUT = Layout(Path("trail"))


@pytest.mark.parametrize("number", [0, 7, 99_999_999])
def test_segments(number: int) -> None:
    assert segment_named(LAYOUT.headers(number).name, LAYOUT.headers(0)) == number
    assert segment_named(LAYOUT.bodies(number).name, LAYOUT.bodies(3)) == number


@pytest.mark.parametrize(
    "name",
    ["a stranger.jsonl", "zzzzzzzz.jsonl", "٠٠٠٠٠٠٠٧.jsonl", "0000007.jsonl", "000000007.jsonl", "00000007.bin"],
)
def test_strangers(name: str) -> None:
    assert segment_named(name, LAYOUT.headers(0)) is None


@pytest.mark.parametrize(
    "name",
    ["00000007", "00000007.jsonl\n", "+0000007.jsonl", "00000007.jsonl.jsonl", "00000007.JSONL", "0000_007.jsonl"],
)
def test_near_misses(name: str) -> None:
    assert segment_named(name, LAYOUT.headers(0)) is None
