"""Attacks on the records: lines, ranges that hide something, samples, values."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Final

from attack import (
    FIRST,
    LAST,
    TAMPERED,
    UNTOLD,
    VERIFIED,
    Attack,
    altering,
    editing,
    listing,
    putting,
    without,
)  # fmt: skip
from case_log import ORIGIN
from forge import Forge, hash_lines
from persons import at

from audit.evidence import subtrees
from audit.evidence.members import AFTER, BEFORE, BODIES, COSIGNED, HEADERS, PATHS
from audit.format import proof, record
from audit.format.tree import Growing, peak_ranges, root_of

SAMPLED: Final = (9, 24, 27)
"""The records of the sample."""


def attacks() -> Iterator[Attack]:
    yield from _lines()
    yield from _ranges()
    yield from _samples()
    yield from _bodies()


# Records that were changed, by whoever signs the manifest; the same person, or another of the ring


def _lines() -> Iterator[Attack]:
    for by in ("ana", "ben"):
        yield Attack(f"altered, by {by}", editing(13, b"refused", b"allowed", by=by), TAMPERED, HEADERS, 14)
    yield Attack("altered, the last", editing(LAST, b"admitted", b"refused"), TAMPERED, HEADERS)
    yield Attack("altered, the first", editing(FIRST, b"admitted", b"refused"), TAMPERED, HEADERS, FIRST + 1)
    yield Attack("altered, and chained anew", _rewritten, TAMPERED, HEADERS)
    yield Attack("deleted", listing(lambda lines: lines[:8] + lines[9:]), TAMPERED, HEADERS, 13)
    yield Attack("deleted, and chained anew", _deleted, TAMPERED, AFTER)
    yield Attack("duplicated", listing(lambda lines: lines[:9] + lines[8:]), TAMPERED, HEADERS, 14)
    swapped = listing(lambda lines: [*lines[:8], lines[9], lines[8], *lines[10:]])
    yield Attack("swapped", swapped, TAMPERED, HEADERS, 13)
    inserted = listing(lambda lines: [*lines[:8], lines[3].replace(b"admitted", b"refused"), *lines[8:]])
    yield Attack("inserted", inserted, TAMPERED, HEADERS, 13)
    yield Attack("inserted, and chained anew", _inserted, TAMPERED, AFTER)
    for what, old, new in (
        ("a space", b'"n":1,', b'"n": 1,'),
        ("an escape", b'"session":"ab"', b'"session":"\\u0061b"'),
        ("a capital", b'"prev":"', b'"prev":"A'),
        ("a leading zero", b'"n":1,', b'"n":01,'),
        ("no JSON", b'{"body"', b'"body"'),
        ("no UTF-8", b'"session":"ab"', b'"session":"\xff\xfe"'),
        ("one member less", b'"clock":"synchronised",', b""),
    ):
        yield Attack(f"not canonical: {what}", editing(8, old, new), TAMPERED, HEADERS, 8)
    yield Attack("not canonical, the first", editing(FIRST, b'"n":1,', b'"n": 1,'), TAMPERED, HEADERS, FIRST)
    yield Attack("later version", editing(8, b'"v":1}', b'"v":2}'), UNTOLD)
    yield Attack("later version behind an altered record", _later_behind, TAMPERED, HEADERS, 8)
    yield Attack("another log's", editing(8, ORIGIN.encode(), b"example.com/gateway-2"), TAMPERED, HEADERS, 8)
    yield Attack("cut short", altering(HEADERS, lambda data: data[:-9]), TAMPERED, HEADERS)
    yield Attack("no last newline", altering(HEADERS, lambda data: data[:-1], count=25), TAMPERED, HEADERS)
    yield Attack(
        "too long", altering(HEADERS, lambda data: data.replace(b"admitted", b"a" * 66_000, 1)), TAMPERED, HEADERS
    )
    yield Attack("more lines than told", altering(HEADERS, lambda data: data + data, count=25), TAMPERED, HEADERS)
    yield Attack("fewer lines than told", altering(HEADERS, lambda data: data, count=26), TAMPERED, HEADERS)
    yield Attack("carriage returns", altering(HEADERS, lambda data: data.replace(b"\n", b"\r\n")), TAMPERED, HEADERS, 5)
    yield Attack("record 0 with a prev", _zero_with_prev, TAMPERED, HEADERS, 0, base="whole")


def _rewritten(forge: Forge) -> bytes:
    forge.edit_line(13, b"refused", b"allowed")
    forge.chain_anew(13)
    return forge.sign()


def _deleted(forge: Forge) -> bytes:
    lines = forge.lines
    forge.lines = lines[:8] + lines[9:]
    forge.chain_anew(12)
    return forge.sign()


def _inserted(forge: Forge) -> bytes:
    lines = forge.lines
    forge.lines = [*lines[:8], lines[3], *lines[8:]]
    forge.chain_anew(12)
    drop_values(forge)
    return forge.sign()


def _later_behind(forge: Forge) -> bytes:
    forge.edit_line(8, b'"n":1,', b'"n": 1,')
    forge.edit_line(9, b'"v":1}', b'"v":2}')
    return forge.sign()


def _zero_with_prev(forge: Forge) -> bytes:
    header = forge.line(0)
    lines = forge.lines
    lines[0] = record.encode(replace(header, prev="ab" * 32))
    forge.lines = lines
    forge.chain_anew(0)
    return forge.sign()


# Ranges that hide something


def _ranges() -> Iterator[Attack]:
    yield Attack("first moved", lambda forge: forge.sign(first=FIRST + 1), TAMPERED, HEADERS, FIRST + 1)
    yield Attack("begins within the period", lambda forge: _from_record(forge, 9), TAMPERED, HEADERS)
    yield Attack("ends within the period", lambda forge: _up_to_record(forge, 20), TAMPERED, HEADERS)
    earlier = at("2026-01-05T01:00:00Z")
    yield Attack("a longer period than its lines", _period(since=earlier), TAMPERED, BODIES, 5)
    yield Attack("a longer period, no values", _period(BODIES, since=earlier), TAMPERED, HEADERS)
    later = at("2026-01-06T07:00:00Z")
    yield Attack("a later end than its lines, no values", _period(BODIES, until=later), TAMPERED, HEADERS)
    yield Attack(
        "a shorter period, tables left",
        _period(BODIES, since=at("2026-01-05T14:00:00Z")),
        TAMPERED,
        "tables/configuration.csv",
    )
    yield Attack("a shorter period, values left", _period(since=at("2026-01-05T14:00:00Z")), TAMPERED, BODIES, 14)
    yield Attack("other kinds, tables left", _period(BODIES, kinds=("denied",)), TAMPERED, "tables/changes.csv")
    yield Attack("other kinds, values left", _period(kinds=("denied",)), TAMPERED, BODIES)
    yield Attack("less asked for, and nothing hidden", _period(BODIES, "tables/", kinds=("denied",)), VERIFIED)
    for name in (BEFORE, AFTER):
        yield Attack(f"{name} missing", without(name), TAMPERED, name)
        yield Attack(f"{name}: one hash more", altering(name, lambda data: data + b"ab" * 32 + b"\n"), TAMPERED, name)
        yield Attack(f"{name}: one hash less", altering(name, lambda data: data[65:]), TAMPERED, name)
        yield Attack(f"{name}: capitals", altering(name, bytes.upper), TAMPERED, name)
        yield Attack(f"{name}: no last newline", altering(name, lambda data: data[:-1]), TAMPERED, name)
        yield Attack(f"{name}: another hash", altering(name, lambda data: b"0" * 64 + data[64:]), TAMPERED, HEADERS)
    yield Attack("before and after exchanged", _exchanged, TAMPERED, BEFORE)
    yield Attack("an older checkpoint", lambda forge: _rolled_back(forge, 20), TAMPERED, HEADERS)


def _period(*dropped: str, **changes: object) -> Callable[[Forge], bytes]:
    def act(forge: Forge) -> bytes:
        for name in [name for name in forge.members if dropped and name.startswith(dropped)]:
            del forge.members[name]
        return forge.sign(asked=replace(forge.told.asked, **changes))  # type: ignore[arg-type]

    return act


def _from_record(forge: Forge, seq: int) -> bytes:
    """Only lines from `seq` on, with the right hashes in front: FIRST is 4 + 1."""
    before = subtrees.parse_lines(forge.members[BEFORE], FIRST.bit_count())
    assert before is not None
    tree = Growing(FIRST, before)
    for leaf in forge.leaves[: seq - FIRST]:
        tree.push(leaf)
    forge.members[BEFORE] = hash_lines(tree.peaks)
    forge.lines = forge.lines[seq - FIRST :]
    drop_values(forge)
    return forge.sign(first=seq)


def drop_values(forge: Forge) -> None:
    for name in [name for name in forge.members if name.startswith(("tables/", BODIES))]:
        del forge.members[name]


def _up_to_record(forge: Forge, last: int) -> bytes:
    """Only lines up to `last`, with the right hashes behind."""
    before = subtrees.parse_lines(forge.members[BEFORE], FIRST.bit_count())
    after = subtrees.parse_lines(forge.members[AFTER], len(proof.consistency(LAST + 1, forge.newest.size)))
    assert before is not None
    assert after is not None
    ranges = proof.consistency(last + 1, forge.newest.size)
    known = dict(zip(proof.consistency(LAST + 1, forge.newest.size), after, strict=True))
    tree, leaves = Growing(FIRST, before), forge.leaves
    for leaf in leaves[: last + 1 - FIRST]:
        tree.push(leaf)
    known |= dict(zip(peak_ranges(last + 1), tree.peaks, strict=True))
    for begin, end in ranges:
        if (begin, end) not in known and end <= LAST + 1:
            known[begin, end] = root_of(leaves[begin - FIRST : end - FIRST])
    forge.members[AFTER] = hash_lines(known.get(each, bytes(32)) for each in ranges)
    forge.lines = forge.lines[: last + 1 - FIRST]
    drop_values(forge)
    return forge.sign()


def _exchanged(forge: Forge) -> bytes:
    forge.members[BEFORE], forge.members[AFTER] = forge.members[AFTER], forge.members[BEFORE]
    return forge.sign()


def _rolled_back(forge: Forge, size: int) -> bytes:
    forge.check_anew(size=size)
    return forge.sign()


# Samples


def _samples() -> Iterator[Attack]:
    yield Attack("sample: altered", _sample_edited, TAMPERED, PATHS, SAMPLED[1], base="sample")
    yield Attack("sample: a path altered", _path_altered, TAMPERED, PATHS, SAMPLED[0], base="sample")
    yield Attack("sample: paths exchanged", _paths_exchanged, TAMPERED, PATHS, SAMPLED[0], base="sample")
    yield Attack("sample: a path too long", _path_longer, TAMPERED, PATHS, SAMPLED[2], base="sample")
    yield Attack("sample: order", _sample_reversed, TAMPERED, HEADERS, SAMPLED[1], base="sample")
    yield Attack("sample: one twice", _sample_twice, TAMPERED, HEADERS, SAMPLED[0], base="sample")
    yield Attack("sample: fewer", _sample_fewer, VERIFIED, base="sample")
    yield Attack("no lines", without(HEADERS), TAMPERED, HEADERS)
    yield Attack("sample: no paths", without(PATHS), TAMPERED, PATHS, base="sample")
    spelled = (
        ("capitals", bytes.upper),
        ("two spaces", lambda data: data.replace(b" ", b"  ", 1)),
        ("no last newline", lambda data: data[:-1]),
        ("one more", lambda data: data + b"\n"),
        ("one less", lambda data: data[: data.index(b"\n") + 1]),
        ("a space behind", lambda data: data.replace(b"\n", b" \n", 1)),
    )
    for what, alter in spelled:
        yield Attack(f"sample: paths, {what}", altering(PATHS, alter), TAMPERED, PATHS, base="sample")
    yield Attack("sample: not asked for", _period(BODIES, kinds=("denied",)), TAMPERED, HEADERS, SAMPLED[0], "sample")
    shorter = _period(BODIES, until=at("2026-01-05T12:00:00Z"))
    yield Attack("sample: one not asked for", shorter, TAMPERED, HEADERS, SAMPLED[1], base="sample")
    yield Attack("sample: as if complete", _as_if_complete, TAMPERED, HEADERS, SAMPLED[0] + 1, base="sample")
    yield Attack("sample: malformed line", editing_line(1, b'"n":1,', b'"n": 1,'), TAMPERED, HEADERS, base="sample")
    yield Attack("complete, as if a sample", _as_if_sampled, TAMPERED, PATHS)
    yield Attack(
        "sample: another first", lambda forge: forge.sign(first=6), TAMPERED, HEADERS, SAMPLED[0], base="sample"
    )
    yield Attack("sample: beyond the checkpoint", _sample_beyond, TAMPERED, HEADERS, SAMPLED[2], base="sample")


def editing_line(number: int, old: bytes, new: bytes) -> Callable[[Forge], bytes]:
    """A line by its place in the file."""
    return listing(lambda lines: [line.replace(old, new) if at == number else line for at, line in enumerate(lines)])


def _sample_edited(forge: Forge) -> bytes:
    drop_values(forge)
    return editing_line(1, b"admitted", b"refused")(forge)


def _paths(forge: Forge) -> list[bytes]:
    return forge.members[PATHS].split(b"\n")[:-1]


def _put_paths(forge: Forge, paths: list[bytes]) -> bytes:
    forge.members[PATHS] = b"".join(path + b"\n" for path in paths)
    return forge.sign()


def _path_altered(forge: Forge) -> bytes:
    first, *rest = _paths(forge)
    return _put_paths(forge, [b"0" * 64 + first[64:], *rest])


def _paths_exchanged(forge: Forge) -> bytes:
    first, second, third = _paths(forge)
    return _put_paths(forge, [second, first, third])


def _path_longer(forge: Forge) -> bytes:
    *rest, last = _paths(forge)
    return _put_paths(forge, [*rest, last + b" " + b"0" * 64])


def _sample_reversed(forge: Forge) -> bytes:
    first, second, third = forge.lines
    forge.lines = [first, third, second]
    drop_values(forge)
    return forge.sign()


def _sample_twice(forge: Forge) -> bytes:
    first, _, third = forge.lines
    forge.lines = [first, first, third]
    drop_values(forge)
    return forge.sign()


def _sample_fewer(forge: Forge) -> bytes:
    """A sample claims nothing of the others, so this is another sample."""
    first, _, third = forge.lines
    forge.lines = [first, third]
    paths = _paths(forge)
    drop_values(forge)
    return _put_paths(forge, [paths[0], paths[2]])


def _sample_beyond(forge: Forge) -> bytes:
    drop_values(forge)
    forge.check_anew(size=SAMPLED[2])
    return forge.sign()


def _as_if_complete(forge: Forge) -> bytes:
    return forge.sign(sampled=False)


def _as_if_sampled(forge: Forge) -> bytes:
    return forge.sign(sampled=True)


# Values


def _bodies() -> Iterator[Attack]:
    for base in ("complete", "encrypted"):
        for seq in (6, 28):
            flipped = bodies_with(lambda stored, seq=seq: {**stored, seq: _bit(stored[seq])})
            yield Attack(f"{base}: a bit of the value of {seq}", flipped, TAMPERED, BODIES, seq, base=base)
        swapped = bodies_with(lambda stored: {**stored, 7: stored[8], 8: stored[7]})
        yield Attack(f"{base}: swapped", swapped, TAMPERED, BODIES, 7, base=base)
        replayed = bodies_with(lambda stored: {**stored, 9: stored[8]})
        yield Attack(f"{base}: replayed", replayed, TAMPERED, BODIES, 9, base=base)
        cut = altering(BODIES, lambda data: data[:-1])
        yield Attack(f"{base}: cut short", cut, TAMPERED, BODIES, 28, base=base)
        longer = altering(BODIES, lambda data: data + b"\0")
        yield Attack(f"{base}: bytes behind", longer, TAMPERED, BODIES, base=base)
        yield Attack(f"{base}: empty", putting(BODIES, b""), TAMPERED, BODIES, 6, base=base)
    anew = bodies_with(lambda stored: {**stored, 7: zlib.compress(zlib.decompress(stored[7]), 0)})
    yield Attack("compressed anew", anew, TAMPERED, BODIES, 7)
    for what, ref, stored in (
        ("no length", {"len": 0}, b""),
        ("too long", {"len": 2**24 + 1}, b""),
        ("no zlib stream", None, b"x" * 30),
        ("no body in it", None, zlib.compress(b"[]")),
        ("another root", {"root": "00" * 32}, None),
    ):
        act = _signed_by_the_log(ref, stored)
        yield Attack(f"whole log anew, a value with {what}", act, TAMPERED, BODIES, 5, base="whole")
    yield Attack("whole log anew", _other_words, TAMPERED, COSIGNED, base="whole")
    yield Attack("whole log anew, and no witness", _other_words, VERIFIED, base="whole", witness=False)
    yield Attack("the value of a record not asked for", _body_of_first, TAMPERED, BODIES, 6)


def bodies_with(alter: Callable[[dict[int, bytes]], dict[int, bytes]]) -> Callable[[Forge], bytes]:
    def act(forge: Forge) -> bytes:
        forge.put_bodies(alter(forge.bodies()))
        return forge.sign()

    return act


def _bit(stored: bytes) -> bytes:
    return stored[:20] + bytes([stored[20] ^ 16]) + stored[21:]


def _log_anew(forge: Forge) -> bytes:
    """What whoever has the log's key can do: chain all lines anew, and sign their root. Of the whole log only."""
    forge.chain_anew(0)
    drop_tables(forge)
    forge.check_anew(root=root_of(forge.leaves))
    return forge.sign()


def drop_tables(forge: Forge) -> None:
    for name in [name for name in forge.members if name.startswith("tables/")]:
        del forge.members[name]


def _other_words(forge: Forge) -> bytes:
    forge.edit_line(13, b"refused", b"allowed")
    return _log_anew(forge)


def _signed_by_the_log(ref: dict[str, object] | None, stored: bytes | None) -> Callable[[Forge], bytes]:
    """Record 5 with another body, or another word of it. `ref` None: as the stored bytes make it."""

    def act(forge: Forge) -> bytes:
        bodies, header = forge.bodies(), forge.line(5)
        bodies[5] = bodies[5] if stored is None else stored
        told = {"len": len(bodies[5]), "sha256": sha256(bodies[5]).hexdigest()} if ref is None else ref
        lines = forge.lines
        assert header.body is not None
        lines[5] = record.encode(replace(header, body=replace(header.body, **told)))  # type: ignore[arg-type]
        forge.lines = lines
        forge.put_bodies(bodies)
        return _log_anew(forge)

    return act


def _body_of_first(forge: Forge) -> bytes:
    forge.members[BODIES] = b"x" * 40 + forge.members[BODIES]
    return forge.sign()
