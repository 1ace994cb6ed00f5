"""The point image of one outstation, packed as it goes over the wire, so that a poll only slices it.

Every point of one type lies in one `bytearray` in the order of its index: analogs as flag octet and int32 (g30v1,
g40v1), binaries as flag octet with the state inside (g1v2, g10v2). The other variations are made from those when asked
for. A variation without flags is answered with flags wherever a point is not plainly ONLINE (IEEE 1815-2012 clause
11.6.1), block by block, so that asking for the compact form never hides a bad value.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from dermscore.sheets.points import PointType
from gateway.faces.dnp3 import flags
from gateway.faces.dnp3.core import (
    BlockProvider,
    ObjectHeader,
    ParameterError,
    QualifierCode,
    UnknownObject,
    indexed_block,
    object_header,
)
from gateway.faces.dnp3.outstation import Dnp3Output, Dnp3Outstation, Dnp3Point

BLOCK_OCTETS = 960
"""Largest block: two fill a response fragment of 2048, so little of one is wasted when events go before."""

_LEAST_BOUND = 65_536

INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
_INT16_MIN, _INT16_MAX = -(2**15), 2**15 - 1
_ANALOG = struct.Struct("<Bi")
_RANGES = (QualifierCode.UINT8_START_STOP, QualifierCode.UINT16_START_STOP)
_INDEXED = (QualifierCode.UINT8_COUNT_UINT8_INDEX, QualifierCode.UINT16_COUNT_UINT16_INDEX)


@dataclass(frozen=True, slots=True)
class _Variation:
    """How one variation is made from the packed octets of consecutive points."""

    number: int
    octets: int  # of one object; 0 where points are packed eight to an octet
    make: Callable[[bytes], bytes]
    flagged: int = 0  # for a variation without flags: the one that answers instead where a point is not plainly ONLINE


def _same(packed: bytes) -> bytes:
    return packed


def _int16_flagged(packed: bytes) -> bytes:
    out = bytearray()
    for flag, value in _ANALOG.iter_unpack(packed):
        fitted = min(max(value, _INT16_MIN), _INT16_MAX)
        out += struct.pack("<Bh", flag if fitted == value else flag | flags.OVER_RANGE, fitted)
    return bytes(out)


def _float_flagged(packed: bytes) -> bytes:
    return b"".join(struct.pack("<Bf", flag, value) for flag, value in _ANALOG.iter_unpack(packed))


def _int32(packed: bytes) -> bytes:
    return b"".join(packed[at + 1 : at + 5] for at in range(0, len(packed), 5))


def _int16(packed: bytes) -> bytes:
    return b"".join(struct.pack("<h", value) for _, value in _ANALOG.iter_unpack(packed))


def _bits(packed: bytes) -> bytes:
    out = bytearray((len(packed) + 7) // 8)
    for at, octet in enumerate(packed):
        if octet & flags.STATE:
            out[at // 8] |= 1 << at % 8
    return bytes(out)


_ANALOG_VARIATIONS = (_Variation(1, 5, _same), _Variation(2, 3, _int16_flagged))
_INT32 = _Variation(3, 4, _int32, flagged=1)
_INT16 = _Variation(4, 2, _int16, flagged=2)
_BINARY_VARIATIONS = (_Variation(2, 1, _same), _Variation(1, 0, _bits, flagged=2))


@dataclass(frozen=True, slots=True)
class _Group:
    """One static object group: what it shows, and in which variations. The first is its default."""

    number: int
    type: PointType
    width: int
    variations: tuple[_Variation, ...]

    def variation(self, number: int) -> _Variation:
        for known in self.variations:
            if number in (0, known.number):
                return known
        raise UnknownObject(f"group {self.number} variation {number} is not served")


_GROUPS = (
    _Group(1, PointType.BI, 1, _BINARY_VARIATIONS),
    _Group(10, PointType.BO, 1, _BINARY_VARIATIONS),
    _Group(30, PointType.AI, 5, (*_ANALOG_VARIATIONS, _INT32, _INT16, _Variation(5, 5, _float_flagged))),
    _Group(40, PointType.AO, 5, (*_ANALOG_VARIATIONS, _Variation(3, 5, _float_flagged))),
)


class Table:
    """The points of one type. Not thread-safe: owned by the face's loop."""

    def __init__(self, group: _Group, rows: Sequence[Dnp3Point | Dnp3Output]) -> None:
        self.group = group
        self.indexes = tuple(sorted(row.index for row in rows))
        self.slots = {index: slot for slot, index in enumerate(self.indexes)}
        # A point that was never shown says so: RESTART, not ONLINE, value 0 (IEEE 1815-2012 clause 11.6.1.2).
        self._packed = bytearray(bytes([flags.RESTART]).ljust(group.width, b"\0") * len(rows))
        self._runs = tuple(_runs(self.indexes))

    def put_analog(self, slot: int, flag: int, value: int) -> None:
        _ANALOG.pack_into(self._packed, 5 * slot, flag, value)

    def put_binary(self, slot: int, octet: int) -> None:
        self._packed[slot] = octet

    def read(self, header: ObjectHeader) -> Iterator[bytes]:
        """The blocks that answer one object header.

        Raises:
            UnknownObject: no such point at all, or the variation is not served.
            ParameterError: an index or range that names no point here, or a qualifier that selects nothing.
        """
        variation = self.group.variation(header.variation)
        if not self.indexes:
            raise UnknownObject(f"group {self.group.number} has no points")
        if header.qualifier in _INDEXED:
            return self._listed(variation, header)
        return self._ranged(variation, *self._bounds(header))

    def everything(self) -> Iterator[bytes]:
        """The blocks of a class 0 read: every point in the default variation."""
        return self._ranged(self.group.variations[0], 0, len(self.indexes))

    def _bounds(self, header: ObjectHeader) -> tuple[int, int]:
        """First slot and end slot. A range may cross gaps (a master cannot know them), not run past the last point."""
        if header.qualifier is QualifierCode.ALL_OBJECTS:
            return 0, len(self.indexes)
        if header.qualifier not in _RANGES or header.start is None or header.stop is None:
            raise ParameterError(f"qualifier {int(header.qualifier):#04x} selects nothing of group {self.group.number}")
        first, end = bisect_left(self.indexes, header.start), bisect_left(self.indexes, header.stop + 1)
        if first == end or header.stop > self.indexes[-1]:
            raise ParameterError(f"group {self.group.number} has no points across {header.start}..{header.stop}")
        return first, end

    def _ranged(self, variation: _Variation, first: int, end: int) -> Iterator[bytes]:
        for start, stop in self._runs:
            low, high = max(start, first), min(stop, end)
            step = BLOCK_OCTETS // (variation.octets or 1)
            for at in range(low, high, step):
                yield self._block(variation, at, min(at + step, high))

    def _block(self, variation: _Variation, first: int, end: int) -> bytes:
        width = self.group.width
        packed = bytes(self._packed[width * first : width * end])
        variation = self._shown_as(variation, packed)
        header = object_header(
            self.group.number, variation.number, start=self.indexes[first], stop=self.indexes[end - 1]
        )
        return header + variation.make(packed)

    def _listed(self, variation: _Variation, header: ObjectHeader) -> Iterator[bytes]:
        named = header.indices or ()
        absent = [index for index in named if index not in self.slots]
        if absent or not named:
            raise ParameterError(f"group {self.group.number} has no point at index {absent[0] if absent else '(none)'}")
        # Bits cannot be told apart behind an index each, so a list is answered with flags.
        variation = self.group.variation(variation.flagged) if not variation.octets else variation
        step = BLOCK_OCTETS // (variation.octets + 2)
        for at in range(0, len(named), step):
            yield self._list_block(variation, named[at : at + step], header.qualifier)

    def _list_block(self, variation: _Variation, indexes: Sequence[int], qualifier: QualifierCode) -> bytes:
        width = self.group.width
        each = [
            bytes(self._packed[width * slot : width * slot + width]) for slot in map(self.slots.__getitem__, indexes)
        ]
        variation = self._shown_as(variation, b"".join(each))
        objects = [(index, variation.make(packed)) for index, packed in zip(indexes, each, strict=True)]
        return indexed_block(self.group.number, variation.number, objects, qualifier=qualifier)

    def _shown_as(self, variation: _Variation, packed: bytes) -> _Variation:
        """The variation itself, or the one with flags where a point of the block has something to say in them."""
        if not variation.flagged:
            return variation
        octets = packed[:: self.group.width]
        plain = octets.count(flags.ONLINE)
        if self.group.width == 1:
            plain += octets.count(flags.ONLINE | flags.STATE)
        flagged = self.group.variation(variation.flagged)
        if plain < len(octets) or (variation is _INT16 and _too_wide(packed)):
            return flagged
        return variation


class PackedImage(BlockProvider):
    """The image of one outstation, as its masters' sessions read it. Not thread-safe: owned by the face's loop."""

    def __init__(self, outstation: Dnp3Outstation) -> None:
        rows = outstation.rows
        self._tables = {g.number: Table(g, [row for row in rows if row.type is g.type]) for g in _GROUPS}
        # One request of 2 kB can name the whole image 680 times; twice is more than any master has a use for.
        self._most_octets = _LEAST_BOUND + 2 * sum(g.width * len(self._tables[g.number].indexes) for g in _GROUPS)
        self.by_type = {table.group.type: table for table in self._tables.values()}

    def read_blocks(self, headers: Sequence[ObjectHeader]) -> Sequence[bytes]:
        """Static objects for a session: class 0, or g1, g10, g30 and g40 by range, list or whole.

        Raises:
            UnknownObject, ParameterError: what the session answers with IIN2.1 and IIN2.2.
        """
        blocks: list[bytes] = []
        left = self._most_octets
        for block in (block for header in headers for block in self._read(header)):
            left -= len(block)
            if left < 0:
                raise ParameterError("the request names the same points over and over")
            blocks.append(block)
        return blocks

    def _read(self, header: ObjectHeader) -> Iterator[bytes]:
        if header.event_class == 0:
            return (block for table in self._tables.values() for block in table.everything())
        table = self._tables.get(header.group)
        if table is None:
            raise UnknownObject(f"group {header.group} variation {header.variation} is not served")
        return table.read(header)


def _runs(indexes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Slots (first, end) whose indexes follow one another without a gap: what one object header can cover."""
    start = 0
    for slot in range(1, len(indexes) + 1):
        if slot == len(indexes) or indexes[slot] != indexes[slot - 1] + 1:
            yield start, slot
            start = slot


def _too_wide(packed: bytes) -> bool:
    return any(not _INT16_MIN <= value <= _INT16_MAX for _, value in _ANALOG.iter_unpack(packed))
