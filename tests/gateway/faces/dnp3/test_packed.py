"""The packed image against a plain model of it, and against what a session may be asked."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dermscore.sheets.points import PointType
from gateway.faces.dnp3 import Dnp3Point
from gateway.faces.dnp3.core import ObjectHeader, ParameterError, QualifierCode, UnknownObject
from gateway.faces.dnp3.packed import BLOCK_OCTETS, PackedImage
from tests.gateway.faces.dnp3.stage import OUTSTATION

ALL = QualifierCode.ALL_OBJECTS
RANGE = QualifierCode.UINT16_START_STOP
LIST8 = QualifierCode.UINT8_COUNT_UINT8_INDEX
LIST16 = QualifierCode.UINT16_COUNT_UINT16_INDEX


def image(points: dict[int, tuple[int, int]], kind: PointType = PointType.AI) -> PackedImage:
    """An image of points by index: flag and value."""
    made = PackedImage(
        replace(OUTSTATION, points=tuple(Dnp3Point(f"p{index}", kind, index) for index in points), outputs=())
    )
    table = made.by_type[kind]
    for index, (flag, value) in points.items():
        if kind is PointType.AI:
            table.put_analog(table.slots[index], flag, value)
        else:
            table.put_binary(table.slots[index], flag)
    return made


def decoded(blocks: list[bytes]) -> list[tuple[int, int, int | None, float]]:
    """(variation, index, flag, value) of each object of range blocks, by the standard's layouts (annex A)."""
    layouts = {1: "<Bi", 2: "<Bh", 3: "<i", 4: "<h", 5: "<Bf"}
    found = []
    for block in blocks:
        variation, qualifier = block[1], block[2]
        start, body = (block[3], block[5:]) if qualifier == 0 else (int.from_bytes(block[3:5], "little"), block[7:])
        for at, fields in enumerate(struct.iter_unpack(layouts[variation], body)):
            flag, value = fields if len(fields) == 2 else (None, fields[0])
            found.append((variation, start + at, flag, value))
    return found


ANALOGS = st.dictionaries(
    st.integers(0, 600) | st.integers(65_000, 65_535),
    st.tuples(st.integers(0, 127), st.integers(-(2**31), 2**31 - 1)),
    min_size=1,
    max_size=80,
)


@given(ANALOGS, st.sampled_from([0, 1, 2, 3, 4, 5]))
def test_reading_all_gives_every_point_once_in_order(points: dict[int, tuple[int, int]], variation: int) -> None:
    found = decoded(list(image(points).read_blocks([ObjectHeader(30, variation, ALL)])))
    assert [index for _, index, _, _ in found] == sorted(points)
    for shown, index, flag, value in found:
        expected_flag, expected = points[index]
        if shown in (2, 4):
            fitted = min(max(expected, -(2**15)), 2**15 - 1)
            expected_flag, expected = expected_flag | (0x20 if fitted != expected else 0), fitted
        assert value == (pytest.approx(expected, rel=1e-7) if shown == 5 else expected)
        if flag is None:
            assert expected_flag == 0x01, "only a plainly ONLINE point goes without its flags"
        else:
            assert flag == expected_flag


@given(ANALOGS, st.integers(0, 700), st.integers(0, 700))
def test_a_range_gives_what_lies_in_it_or_is_refused(points: dict[int, tuple[int, int]], one: int, other: int) -> None:
    start, stop = min(one, other), max(one, other)
    inside = [index for index in sorted(points) if start <= index <= stop]
    header = ObjectHeader(30, 1, RANGE, start, stop)
    if not inside or stop > max(points):
        with pytest.raises(ParameterError):
            image(points).read_blocks([header])
    else:
        assert [index for _, index, _, _ in decoded(list(image(points).read_blocks([header])))] == inside


@given(st.lists(st.integers(0, 255), min_size=1, max_size=50))
def test_bits_are_packed_only_where_all_are_plain(octets: list[int]) -> None:
    points = {index: (octet, 0) for index, octet in enumerate(octets)}
    [block] = image(points, PointType.BI).read_blocks([ObjectHeader(1, 1, ALL)])
    plain = all(octet in (0x01, 0x81) for octet in octets)
    assert block[:5] == bytes([1, 1 if plain else 2, 0, 0, len(octets) - 1])
    if plain:
        bits = [block[5 + at // 8] >> at % 8 & 1 for at in range(len(octets))]
        assert bits == [octet >> 7 for octet in octets]
    else:
        assert block[5:] == bytes(octets)


def test_blocks_are_cut_so_that_two_fit_a_response() -> None:
    points = {index: (1, index) for index in range(5000)}
    blocks = image(points).read_blocks([ObjectHeader(60, 1, ALL)])
    assert max(len(block) for block in blocks) <= BLOCK_OCTETS + 7
    assert 2 * (BLOCK_OCTETS + 7) <= 2048 - 4
    assert len(decoded(list(blocks))) == 5000


def test_naming_the_image_over_and_over_is_refused() -> None:
    made = image({index: (1, index) for index in range(5000)})
    assert made.read_blocks([ObjectHeader(60, 1, ALL), ObjectHeader(30, 5, ALL)])
    with pytest.raises(ParameterError, match="over and over"):
        made.read_blocks([ObjectHeader(30, 5, ALL)] * 600)


def test_a_list_is_answered_in_its_own_order_and_qualifier() -> None:
    made = image({0: (1, 100), 1: (1, 101), 300: (4, 102)})
    # g30v1, qualifier 28, count 3, then index and object each
    assert made.read_blocks([ObjectHeader(30, 1, LIST16, count=3, indices=(300, 0, 300))]) == [
        bytes.fromhex("1e 01 28 0300  2c01 04 66000000  0000 01 64000000  2c01 04 66000000")
    ]
    # v3 asked in 8-bit indexes, both plain: no flags. g30v3, qualifier 17, count 2
    assert made.read_blocks([ObjectHeader(30, 3, LIST8, count=2, indices=(1, 0))]) == [
        bytes.fromhex("1e 03 17 02  01 65000000  00 64000000")
    ]


def test_bits_are_never_answered_behind_an_index() -> None:
    made = image({0: (0x81, 0), 1: (0x01, 0)}, PointType.BI)
    assert made.read_blocks([ObjectHeader(1, 1, LIST8, count=1, indices=(0,))]) == [bytes.fromhex("01 02 17 01 00 81")]


def test_what_is_not_there_is_named_as_the_standard_names_it() -> None:
    made = image({0: (1, 1)})
    for unknown in (
        ObjectHeader(20, 1, ALL),  # counters
        ObjectHeader(30, 6, ALL),  # double precision
        ObjectHeader(1, 2, ALL),  # a type with no points
        ObjectHeader(60, 2, ALL),  # class 1 is the session's, never the image's
        ObjectHeader(110, 0, ALL),
    ):
        with pytest.raises(UnknownObject):
            made.read_blocks([unknown])
    for wrong in (
        ObjectHeader(30, 1, QualifierCode.UINT8_COUNT, count=1),
        ObjectHeader(30, 1, LIST8, count=1, indices=(7,)),
        ObjectHeader(30, 1, LIST8, count=0, indices=()),
        ObjectHeader(30, 1, RANGE, 0, 1),
    ):
        with pytest.raises(ParameterError):
            made.read_blocks([wrong])
