"""Bodies: stored once, committed value by value."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import BadEntry
from audit.format import body, tree
from audit.format.body import Body, Encrypted, MalformedBody, Opened
from audit.format.canonical import NUMBER_LIMIT, Scalar

SALT = bytes(range(32))
LIMIT = NUMBER_LIMIT - 1

scalars: st.SearchStrategy[Scalar] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-LIMIT, LIMIT),
    st.floats(-float(LIMIT), float(LIMIT)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
columns = st.dictionaries(st.from_regex(body.COLUMN, fullmatch=True), st.lists(scalars, max_size=6), max_size=4)


@given(columns)
def test_what_is_stored_can_be_opened_and_has_its_root(values: dict[str, list[Scalar]]) -> None:
    stored, ref = body.store(Body(values), SALT)
    opened = body.open_stored(stored)
    assert isinstance(opened, Opened)
    assert opened.columns == values
    assert opened.salt == SALT
    assert (ref.sha256, ref.len, ref.root) == (sha256(stored).hexdigest(), len(stored), opened.root)


@given(columns, st.data())
def test_each_value_can_be_shown_alone(values: dict[str, list[Scalar]], data: st.DataObject) -> None:
    stored, ref = body.store(Body(values), SALT)
    opened = body.open_stored(stored)
    assert isinstance(opened, Opened)
    places = [(name, row) for name in values for row in range(len(values[name]))]
    if not places:
        return
    name, row = data.draw(st.sampled_from(places))
    shown = body.show(opened, name, row)
    assert json.loads(shown.text) == [name, row, values[name][row]]
    assert body.proves(shown, ref.root)
    assert not body.proves(replace(shown, text=f'["{name}",{row},"other"]'), ref.root)
    assert not body.proves(replace(shown, index=shown.leaves), ref.root)


def test_the_root_by_hand() -> None:
    """The definition, spelled out once: shape first, then column by column, each leaf behind its own salt."""
    _, ref = body.store(Body({"raw": [5, 0.5], "point": ["A"]}), SALT)
    texts = ['{"point":1,"raw":2}', '["point",0,"A"]', '["raw",0,5]', '["raw",1,0.5]']
    leaves = [
        sha256(b"\0" + sha256(SALT + index.to_bytes(8, "big")).digest() + text.encode()).digest()
        for index, text in enumerate(texts)
    ]
    assert ref.root == tree.root_of(leaves).hex()


def test_the_salt_alone_changes_the_root() -> None:
    _, first = body.store(Body({"raw": [5]}), SALT)
    _, second = body.store(Body({"raw": [5]}), bytes(32))
    assert first.root != second.root


def test_show_asks_for_what_is_there() -> None:
    opened = body.open_stored(body.store(Body({"raw": [5]}), SALT)[0])
    assert isinstance(opened, Opened)
    with pytest.raises(KeyError):
        body.show(opened, "flags", 0)
    for row in (1, -1):
        with pytest.raises(IndexError):
            body.show(opened, "raw", row)


@pytest.mark.parametrize("name", ["", "Raw", "1raw", "a b", "x" * 65, 'a"'])
def test_names_no_column_may_have(name: str) -> None:
    with pytest.raises(BadEntry, match="cannot name a column"):
        body.store(Body({name: [1]}), SALT)


def test_bodies_too_large_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "STORED_LIMIT", 100)
    with pytest.raises(BadEntry, match="compressed; the most is 100"):
        body.store(Body({"raw": [number * 7919 % 1000 for number in range(1000)]}), SALT)
    monkeypatch.setattr(body, "PLAIN_LIMIT", 100)
    with pytest.raises(BadEntry, match="bytes; the most is 100"):
        body.store(Body({"raw": [1] * 100}), SALT)


HEX = SALT.hex()


@pytest.mark.parametrize(
    ("plain", "why"),
    [
        (b"", "is not an object of columns and salt"),
        (b'{"columns":{}}', "is not an object of columns and salt"),
        (b'{"columns":{"a":1},"salt":"%b"}' % HEX.encode(), "is not an object of columns and salt"),
        (b'{"columns":{"a":[[1]]},"salt":"%b"}' % HEX.encode(), "is not an object of columns and salt"),
        (b'{"columns":{"a":[1,]},"salt":"%b"}' % HEX.encode(), "is not an object of columns and salt"),
        (b'{"columns":{"a":%b},"salt":"%b"}' % (b"[" * 100_000, HEX.encode()), "is not an object of columns and salt"),
        (b'{"columns":{"a":[NaN]},"salt":"%b"}' % HEX.encode(), "holds what no body may"),
        (b'{"columns":{"a":["\\ud800"]},"salt":"%b"}' % HEX.encode(), "holds what no body may"),
        (b'{"columns":{"A":[1]},"salt":"%b"}' % HEX.encode(), "holds what no body may"),
        (b'{"columns":{"a":[1.0]},"salt":"%b"}' % HEX.encode(), "is not canonical JSON"),
        (b'{"columns":{"a":[1],"a":[1]},"salt":"%b"}' % HEX.encode(), "is not canonical JSON"),
        (b'{"columns":{"b":[1],"a":[1]},"salt":"%b"}' % HEX.encode(), "is not canonical JSON"),
        (b'{"columns":{"a":[1, 2]},"salt":"%b"}' % HEX.encode(), "is not canonical JSON"),
        (b'{"columns":{"a":["\\u0041"]},"salt":"%b"}' % HEX.encode(), "is not canonical JSON"),
    ],
)
def test_malformed_bodies(plain: bytes, why: str) -> None:
    found = body.open_stored(zlib.compress(plain))
    assert isinstance(found, MalformedBody)
    assert why in found.what


def test_stored_bytes_are_one_zlib_stream_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    stored, _ = body.store(Body({"raw": [5]}), SALT)
    assert body.open_stored(stored + b"x") == MalformedBody("is not exactly one zlib stream")
    assert body.open_stored(stored[:-1]) == MalformedBody("is not exactly one zlib stream")
    assert body.open_stored(b"x" + stored) == MalformedBody("is not a zlib stream")
    assert body.open_stored(b"E" + stored) == Encrypted()
    monkeypatch.setattr(body, "PLAIN_LIMIT", 10)
    assert body.open_stored(stored) == MalformedBody("inflates to more than 10 bytes")


def test_every_zlib_stream_without_a_dictionary_is_read() -> None:
    """Writers use 78; what a reader takes is all of RFC 1950 but preset dictionaries."""
    stored, ref = body.store(Body({"raw": [1, 2]}), bytes(32))
    assert stored[0] == 0x78
    plain = zlib.decompress(stored)
    for window in range(9, 16):
        for level in (0, 1, 6, 9):
            packer = zlib.compressobj(level, zlib.DEFLATED, window)
            opened = body.open_stored(packer.compress(plain) + packer.flush())
            assert isinstance(opened, body.Opened)
            assert opened.root == ref.root
    packer = zlib.compressobj(zdict=plain)
    assert body.open_stored(packer.compress(plain) + packer.flush()) == body.MalformedBody("is not a zlib stream")
