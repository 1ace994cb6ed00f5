"""A rebuildable index for searches, outside the log's folder: in which blocks of records a text can stand.

It says only where to look; whatever is found is read from the log, and no verdict depends on it. Deleting it costs the
time to make it anew. It holds the peaks of the tree over the records that it covers, so it is added to only where
these, with the lines that came since, make the checkpoint's root. Else it is of another log, or of one that was put
back or altered, and is made anew.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final

from audit.errors import AuditError, BadEntry
from audit.format import body as bodies
from audit.format import record
from audit.format.body import Encrypted, MalformedBody
from audit.format.canonical import Scalar, string
from audit.format.checkpoint import Checkpoint
from audit.format.layout import Layout
from audit.format.record import Scanned
from audit.format.tree import Growing
from audit.reading import released
from audit.reading.released import Bodies, Line, Position
from audit.telling.search import Values, Wanted

BLOCK: Final = 1024
"""Records of a block: a whole number of them makes a segment."""
_APPLICATION: Final = 0x64656B31
_VERSION: Final = 2
_UNREAD: Final = "?"
"""The term of a block with a body that could not be looked into: anything may stand there."""
_KEYED: Final = "!"
"""The term of a block whose bodies were looked into with a key: who has it no more could not look there."""
_IN_BODY: Final = {"point": "P", "refused": "P", "id": "I"}
_TEXT: Final = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_LINE: Final = re.compile(
    rb'"decision":(%b),"digests":.*"kind":"([^"]+)","mono_us":.*,"peer":(%b),"prev":.*,"rule":(%b),"seq":[0-9]+,'
    rb'"session":(%b),"t":([0-9]+),"v":1\}$' % (_TEXT, _TEXT, _TEXT, _TEXT),
    re.DOTALL,
)
_SCHEMA: Final = """
CREATE TABLE whole (origin TEXT, peaks BLOB, line_at INTEGER, body_at INTEGER);
CREATE TABLE block (number INTEGER PRIMARY KEY, line_at INTEGER, body_at INTEGER, since INTEGER, until INTEGER);
CREATE TABLE term (text TEXT, block INTEGER, PRIMARY KEY (text, block)) WITHOUT ROWID;
"""

Tell = Callable[[int, int], None]


class BadIndex(AuditError):
    """The file cannot be used as an index, and is not ours to replace."""


@contextmanager
def opened(path: Path, layout: Layout, newest: Checkpoint, files: Bodies, tell: Tell) -> Iterator[Index]:
    """The index in `path`, made if it is not there and brought up to the checkpoint. BadIndex, and as of `records`."""
    if layout.folder.resolve() in path.resolve().parents:
        raise BadIndex(f"{path} is in the log's folder: an index is no part of a log, keep it elsewhere")
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as store:
            _claim(store, path)
            index = Index(store, layout, newest)
            index.update(files, tell)
            yield index
    except sqlite3.Error as problem:
        raise BadIndex(f"{path} cannot be used as an index ({problem}): name another file, or delete it") from None


def _claim(store: sqlite3.Connection, path: Path) -> None:
    """Make sure that the file is ours: empty, or made by this."""
    (application,) = store.execute("PRAGMA application_id").fetchone()
    (tables,) = store.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != _APPLICATION and tables:
        raise BadIndex(f"{path} is a database of something else: name another file")
    store.execute("PRAGMA synchronous = OFF")  # nothing is lost with it that cannot be made anew


class Index:
    """An open index. Owned by whoever opened it."""

    def __init__(self, store: sqlite3.Connection, layout: Layout, newest: Checkpoint) -> None:
        self._store = store
        self._layout = layout
        self._newest = newest
        self.end = Position()
        """Behind the last record that is covered."""

    def update(self, files: Bodies, tell: Tell) -> None:
        """Cover all full blocks of the log; anew where what is there is not of this log."""
        self._store.execute("BEGIN IMMEDIATE")
        if not (self._begin() and self._extend(files, tell)):
            self._clear()
            if not self._extend(files, tell):
                raise BadIndex(
                    f"the lines of {self._layout.folder} do not have the root that its checkpoint signs: verify it"
                )
        self._store.execute("COMMIT")

    def _begin(self) -> bool:
        """Take up what is there; False where it cannot be of this log."""
        (version,) = self._store.execute("PRAGMA user_version").fetchone()
        ours = version == _VERSION
        row = self._store.execute("SELECT origin, peaks, line_at, body_at FROM whole").fetchone() if ours else None
        if row is None or row[0] != self._newest.origin:
            return False
        (blocks,) = self._store.execute("SELECT count(*) FROM block").fetchone()
        peaks = tuple(row[1][at : at + 32] for at in range(0, len(row[1]), 32))
        self._tree, self.end = Growing(blocks * BLOCK, peaks), Position(blocks * BLOCK, *row[2:])
        return bool(self.end.seq <= self._newest.size)

    def _clear(self) -> None:
        for name in ("whole", "block", "term"):
            self._store.execute(f"DROP TABLE IF EXISTS {name}")
        for statement in _SCHEMA.strip().split("\n"):
            self._store.execute(statement)
        self._store.execute(f"PRAGMA application_id = {_APPLICATION}")
        self._store.execute(f"PRAGMA user_version = {_VERSION}")
        self._tree, self.end = Growing(), Position()

    def _extend(self, files: Bodies, tell: Tell) -> bool:
        """Read on to the checkpoint's end; whether the lines have its root."""
        block = _Block(self.end)
        tree = Growing(self._tree.size, self._tree.peaks)
        for leaf, line in released.leaves(self._layout, self._newest.size, self.end):
            tree.push(leaf)
            if line is not None:
                block.take(line, files, self._newest.origin)
            if tree.size % BLOCK == 0:
                self._put(block, tree)
                block = _Block(self.end)
                tell(tree.size, self._newest.size)
        return tree.root() == self._newest.root

    def _put(self, block: _Block, tree: Growing) -> None:
        number = tree.size // BLOCK - 1
        times = (min(block.times, default=None), max(block.times, default=None))
        self._store.execute("INSERT INTO block VALUES (?, ?, ?, ?, ?)", (number, *block.begin[1:], *times))
        self._store.executemany("INSERT INTO term VALUES (?, ?)", ((term, number) for term in block.terms))
        self.end = Position(tree.size, *block.end[1:])
        self._tree = Growing(tree.size, tree.peaks)
        self._store.execute("DELETE FROM whole")
        whole = (self._newest.origin, b"".join(tree.peaks), *block.end[1:])
        self._store.execute("INSERT INTO whole VALUES (?, ?, ?, ?)", whole)

    def lines(self, asked: Wanted, values: Values, files: Bodies) -> Iterator[Line]:
        """The lines of the blocks in which it can stand, and those that no block covers yet.

        What `files` has no key for (any more) can stand anywhere, though whoever made the index could look.
        """
        for number in self._blocks(asked, values, files):
            row = self._store.execute("SELECT line_at, body_at FROM block WHERE number = ?", (number,)).fetchone()
            begin = Position(number * BLOCK, *row)
            for line in released.lines(self._layout, self._newest.size, begin):
                if line.at.seq >= begin.seq + BLOCK:
                    break
                yield line
        yield from released.lines(self._layout, self._newest.size, self.end)

    def _blocks(self, asked: Wanted, values: Values, files: Bodies) -> list[int]:
        """The numbers of the blocks in which everything that is asked for stands."""
        found = self._numbers(
            "SELECT number FROM block WHERE (? IS NULL OR until >= ?) AND (? IS NULL OR since < ?)",
            (asked.since, asked.since, asked.until, asked.until),
        )
        if asked.kinds:
            found &= set().union(*map(self._of_kind, asked.kinds))
        exact = {"D": asked.decision, "E": asked.peer, "R": asked.rule, "S": asked.session}
        for term in [f"{name}{string(value)}" for name, value in exact.items() if value is not None]:
            found &= self._numbers("SELECT block FROM term WHERE text = ?", (term,))
        for name, value in (("P", values.point), ("I", values.command)):
            if value is not None:
                terms = (f"{name}{string(value)}", _UNREAD)
                found &= self._numbers("SELECT block FROM term WHERE text IN (?, ?)", terms) | self._closed(files)
        return sorted(found)

    def _closed(self, files: Bodies) -> set[int]:
        """The numbers of the blocks that were looked into with a key which `files` does not have."""
        keyed = self._numbers("SELECT block FROM term WHERE text = ?", (_KEYED,))
        return {number for number in keyed if files.key(number * BLOCK) is None}

    def _of_kind(self, kind: str) -> set[int]:
        if not kind.endswith("*"):
            return self._numbers("SELECT block FROM term WHERE text = ?", (f"K{kind}",))
        begin = f"K{kind[:-1]}"
        return self._numbers("SELECT block FROM term WHERE text >= ? AND text < ?", (begin, f"{begin}\x7f"))

    def _numbers(self, select: str, given: Sequence[object]) -> set[int]:
        return {number for (number,) in self._store.execute(select, tuple(given))}


class _Block:
    """A block in the making. Owned by `Index._extend`."""

    def __init__(self, begin: Position) -> None:
        self.begin = self.end = begin
        self.times: set[int] = set()
        self.terms: set[str] = set()

    def take(self, line: Line, files: Bodies, origin: str) -> None:
        # What `_LINE` would take for ever to search is no header: in one, no text can look like a member.
        found = _LINE.search(line.text) if isinstance(record.scan(line.text), Scanned) else None
        if found is None:
            raise ValueError(f"record {line.at.seq} is not a version 1 header")
        decision, kind, peer, rule, session, t = found.groups()
        self.times.add(int(t))
        self.terms |= _of_header(decision, kind, peer, rule, session)
        self._take_body(files.plain(line, origin), keyed=files.key(line.at.seq) is not None)
        self.end = line.after

    def _take_body(self, plain: bytes | Encrypted | MalformedBody | None, keyed: bool) -> None:
        read = bodies.read(plain) if isinstance(plain, bytes) else plain
        if isinstance(read, tuple):
            self.terms |= {_KEYED} if keyed else set()
            columns = read[0]
            self.terms |= {_term(key, value) for name, key in _IN_BODY.items() for value in columns.get(name, ())}
        elif read is not None:
            self.terms.add(_UNREAD)


@lru_cache(maxsize=4096)
def _of_header(decision: bytes, kind: bytes, peer: bytes, rule: bytes, session: bytes) -> frozenset[str]:
    """The terms of a header, of texts as they are spelled in the line."""
    spelled = {b"D": decision, b"E": peer, b"K": kind, b"R": rule, b"S": session}
    parts = json.loads(rule).split(",") if b"," in rule else []
    return frozenset((name + text).decode() for name, text in spelled.items()) | {_term("R", part) for part in parts}


@lru_cache(maxsize=65_536)
def _term(name: str, value: Scalar) -> str:
    """A text as a term; only texts are asked for, and only such as can be spelled."""
    try:
        return f"{name}{string(value)}" if isinstance(value, str) else name
    except BadEntry:
        return name
