"""Evidence files of any making, right or wrong: written from the format page apart from `audit.evidence`.

`Trail` is a log in memory. `complete` and `sample` make the members of an evidence file of it, as the page says; a test
alters them, and `pack` writes the manifest of what is there then, signed. So a wrong file is wrong in one place, not in
its manifest.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from persons import approved, at, key_of, person, request
from trail_helpers import ORIGIN

from audit import approval, secrecy
from audit.format import body, checkpoint, note, proof, record, tree
from audit.format.body import Body, BodyRef
from audit.format.checkpoint import Checkpoint
from audit.format.note import Signature, VerifierKey, verifier_key
from audit.format.record import Entry, Header, Reading
from audit.witness import cosignature

KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC: Final[VerifierKey] = verifier_key(ORIGIN, KEY.public_key())
WITNESS: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(2, 34)))
WITNESS_NAME: Final = "compliance.example/w1"
WITNESS_KEY: Final = cosignature.witness_key(WITNESS_NAME, WITNESS.public_key())
BODY_KEY: Final = bytes(range(1, 33))
START: Final = at("2026-01-01T00:00:00Z")
MINUTE: Final = 60_000_000
RING: Final = approval.Ring((person("ana"), person("ben", "ENGINEER"), person("vi", "VIEWER")))

CONTRACT, OLD, POLICY, OTHER = (sha256(text).hexdigest() for text in (b"contract", b"old", b"policy", b"other"))
APPROVAL: Final = approved(request("contract", CONTRACT))
BY_ONE: Final = approved(request("contract", OTHER), "ana", "vi")


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


@dataclass(frozen=True, slots=True)
class Trail:
    """A log in memory: its lines without newlines, and for each its stored body, empty for none."""

    lines: tuple[bytes, ...]
    bodies: tuple[bytes, ...]

    @property
    def leaves(self) -> list[bytes]:
        return [record.line_hash(line) for line in self.lines]

    @property
    def size(self) -> int:
        return len(self.lines)

    def header(self, seq: int) -> Header:
        return record.decode(self.lines[seq])


def entries() -> list[Entry]:
    """A record of every kind that a table, a count or a proof looks at; texts that a spreadsheet could stumble over."""
    values = Body({"point": ["F1.P", "F2.P"], "raw": [1.5, -2], "rule": ["=1+1", "é, \U0001f50b"]})
    changed = {"contract": CONTRACT, "old": OLD, "approval": digest(APPROVAL)}
    by_one = {"contract": OTHER, "old": CONTRACT, "approval": digest(BY_ONE)}
    return [
        Entry("log.start", n=1_000_000, digests={"key": PUBLIC.digest}, body=Body({"key": [str(PUBLIC)]})),
        Entry("gateway", decision="started", digests={"config": "cd" * 32, "policy": POLICY}),
        Entry("link", decision="opened", peer="headend.example", digests={"policy": POLICY}),
        Entry("face", decision="listening", peer="10.0.0.7:20000", session="s1"),
        Entry("crossing.out", dir="out", decision="admitted", n=2, digests={"policy": POLICY}, body=values),
        Entry("denied", dir="in", decision="NOT_AUTHORIZED", peer="=cmd|x", n=17, reason='said "no",\n\tor so'),
        Entry("contract.change", decision="in force", digests=changed, rule="CHG-9"),
        Entry("crossing.out", dir="out", decision="refused", reason="-stale", rule="+x", session="@", body=values),
        Entry("isolation", decision="isolated", peer="ops", reason="\tdrill"),
        Entry("contract.change", decision="in force", digests=by_one, rule="CHG-10"),
        Entry("contract.change", decision="refused", digests={"contract": OLD}, rule="CHG,11"),
        Entry("isolation", decision="rejoined", peer="ops"),
        Entry("log.step", decision="forward", n=5_000_000),
        Entry("crossing.in", dir="in", decision="allowed", digests={"policy": OTHER}, n=1),
        Entry("crossing.out", dir="out", decision="admitted", n=2, digests={"policy": POLICY}, body=values),
        Entry("denied", dir="in", decision="NOT_AUTHORIZED", peer="10.0.0.9", n=3),
        Entry("gateway", decision="stopped"),
        Entry("log.close"),
    ]


def trail(said: Sequence[Entry] | None = None, encrypted: bool = False, every_us: int = MINUTE) -> Trail:
    """A record every `every_us` from START on. The clock steps by 5 s at each `log.step`."""
    lines: list[bytes] = []
    bodies: list[bytes] = []
    ahead = 0
    for seq, entry in enumerate(entries() if said is None else said):
        ahead += 5_000_000 if entry.kind == "log.step" else 0
        reading = Reading(START + seq * every_us + ahead, seq * every_us, "boot-1", "synchronised")
        stored, ref = store(entry.body, seq, encrypted and not entry.kind.startswith("log."))
        prev = record.line_hash(lines[-1]).hex() if lines else record.FIRST_PREV
        lines.append(record.encode(record.header(replace(entry, body=None), reading, ORIGIN, seq, ref, prev)))
        bodies.append(stored)
    return Trail(tuple(lines), tuple(bodies))


def store(values: Body | None, seq: int, encrypted: bool) -> tuple[bytes, BodyRef | None]:
    if values is None:
        return b"", None
    stored, ref = body.store(values, seq.to_bytes(32, "big"))
    if not encrypted:
        return stored, ref
    sealed = secrecy.encrypt(stored, BODY_KEY, seq.to_bytes(12, "big"), ORIGIN, seq)
    return sealed, BodyRef(digest(sealed), len(sealed), ref.root)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a manifest says besides its members."""

    origin: str = ORIGIN
    request: str = "RFI-2026-7"
    begin: str = "2026-01-01T00:03:30Z"
    end: str = "2026-01-01T00:14:30Z"
    kinds: str = "*"
    mode: str = "complete"
    first: int = 3
    count: int = 13
    made: str = "2026-02-01T00:00:00Z"

    def takes(self, header: Header) -> bool:
        in_period = at(self.begin) <= header.t < at(self.end)
        return in_period and (self.kinds == "*" or any(_is_of(header.kind, kind) for kind in self.kinds.split(",")))


def _is_of(kind: str, asked: str) -> bool:
    return kind.startswith(asked[:-1]) if asked.endswith("*") else kind == asked


@dataclass(slots=True)
class Made:
    """The members of an evidence file, without its manifest. Owned by the test that alters them."""

    asked: Asked
    members: dict[str, bytes] = field(default_factory=dict)
    signers: Sequence[str] = ("ana",)

    def text(self) -> bytes:
        """The manifest's text for these members."""
        asked = self.asked
        head = (
            f"derms.evidence/1\n{asked.origin}\n{asked.request}\n{asked.begin} {asked.end}\n{asked.kinds}\n"
            f"{asked.mode} {asked.first} {asked.count}\n{asked.made}\n"
        )
        lines = [f"{digest(data)} {len(data)} {name}\n" for name, data in sorted(self.members.items())]
        return (head + "".join(lines)).encode()

    def signed(self, text: bytes) -> bytes:
        """The manifest of this text."""
        return text + b"\n" + b"".join(note.signature_line(signature_of(name, text)) for name in self.signers)

    def pack(self, manifest: bytes | None = None, method: int = zipfile.ZIP_DEFLATED) -> bytes:
        """The whole file; the manifest is that of the members, unless another is given."""
        written = self.signed(self.text()) if manifest is None else manifest
        return zipped([("manifest", written), *self.members.items()], method)


def signature_of(name: str, text: bytes) -> Signature:
    public = verifier_key(name, key_of(name).public_key())
    return Signature(name, public.key_id, key_of(name).sign(text))


def zipped(members: Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file as the page has it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in members:
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, method)
    return out.getvalue()


def signed_checkpoint(size: int, root: bytes, origin: str = ORIGIN, key: Ed25519PrivateKey = KEY) -> bytes:
    return checkpoint.sign(Checkpoint(origin, size, root), key)


def cosigned(size: int, root: bytes, time_s: int = 1_790_000_000, origin: str = ORIGIN) -> bytes:
    """A checkpoint with the witness's line behind the log's own."""
    text = checkpoint.text(Checkpoint(origin, size, root))
    line = cosignature.cosign(text, WITNESS_NAME, WITNESS, time_s)
    return signed_checkpoint(size, root, origin) + note.signature_line(line)


def witness(made: Made, log: Trail, size: int, root: bytes | None = None) -> Made:
    """Put in what the witness cosigned, and how the log goes on from there. `root`: another one than the log had."""
    held = log.leaves
    made.members["log/cosigned"] = cosigned(size, tree.root_of(held[:size]) if root is None else root)
    made.members["log/cosigned-after"] = hex_lines(proof.roots(proof.consistency(size, log.size), held))
    return made


def hex_lines(hashes: Iterable[bytes]) -> bytes:
    return b"".join(each.hex().encode() + b"\n" for each in hashes)


def complete(log: Trail, asked: Asked, *, values: bool = True) -> Made:
    """Evidence of a range of lines. `values` False withholds the bodies."""
    seqs = range(asked.first, asked.first + asked.count)
    return prove(_made(log, asked, seqs, values), log, seqs)


def sample(log: Trail, asked: Asked, seqs: Sequence[int], *, values: bool = True) -> Made:
    """Evidence of these records."""
    chosen = replace(asked, mode="sample", first=seqs[0], count=len(seqs))
    return prove(_made(log, chosen, seqs, values), log, seqs)


def prove(made: Made, log: Trail, seqs: Sequence[int]) -> Made:
    """Put in the lines of these records, the log's checkpoint, and what joins them: all as this log has it."""
    held = log.leaves
    made.members["log/checkpoint"] = signed_checkpoint(log.size, tree.root_of(held))
    made.members["log/headers.jsonl"] = b"".join(log.lines[seq] + b"\n" for seq in seqs)
    if made.asked.mode == "complete":
        before = [tree.root_of(held[first:behind]) for first, behind in tree.peak_ranges(seqs[0])]
        made.members["log/before"] = hex_lines(before)
        made.members["log/after"] = hex_lines(proof.roots(proof.consistency(seqs[-1] + 1, log.size), held))
    else:
        paths = [proof.roots(proof.inclusion(seq, log.size), held) for seq in seqs]
        made.members["log/paths"] = b"".join(b" ".join(step.hex().encode() for step in path) + b"\n" for path in paths)
    return made


def _made(log: Trail, asked: Asked, seqs: Sequence[int], values: bool) -> Made:
    taken = [seq for seq in seqs if asked.takes(log.header(seq))]
    members = {
        f"approvals/{digest(APPROVAL)}": APPROVAL,
        f"approvals/{digest(BY_ONE)}": BY_ONE,
        f"documents/{POLICY}": b"policy",
        f"documents/{CONTRACT}": b"contract",
        "statement.txt": b"Of what was asked.\n",
        "report.html": b"<script>alert(1)</script>",
        "VERIFY.txt": b"Drop this file on the page.\n",
        "tables/permissions.csv": b"who,may\r\nnobody,nothing\r\n",
    }
    if values:
        members["log/bodies.bin"] = b"".join(log.bodies[seq] for seq in taken)
    return Made(asked, members | tables([log.header(seq) for seq in taken], members))


RECORD_COLUMNS: Final = ["seq", "time", "kind", "dir", "decision", "rule", "reason", "peer", "session", "n"]
NOT_CONFIGURATION: Final = {
    *("approval", "subject", "evidence", "review", "root", "kept", "headers", "bodies", "file", "old"),
}


def tables(asked_for: Sequence[Header], members: Mapping[str, bytes]) -> dict[str, bytes]:
    """Every table of these records."""
    takes = {
        "records": asked_for,
        "denials": [header for header in asked_for if header.kind == "denied"],
        "crossings": [header for header in asked_for if header.dir],
        "sessions": [header for header in asked_for if header.kind in ("link", "face")],
        "isolation": [header for header in asked_for if header.kind == "isolation"],
        "restarts": [header for header in asked_for if header.kind.startswith("log.") or header.kind == "gateway"],
    }
    made = {name: [RECORD_COLUMNS, *map(_record_row, taken)] for name, taken in takes.items()}
    made["configuration"] = [["seq", "time", "kind", "name", "digest", "document"], *_configuration(asked_for, members)]
    head = ["seq", "time", "decision", "contract", "old", "ticket", "author", "effective", "approved_by"]
    made["changes"] = [head, *(_change(each, members) for each in asked_for if each.kind == "contract.change")]
    return {f"tables/{name}.csv": as_csv(rows) for name, rows in made.items()}


def as_csv(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    for row in rows:
        writer.writerow([f"'{text}" if text[:1] and text[0] in "=+-@\t\r" else text for text in row])
    return out.getvalue().encode()


def time_of(header: Header) -> str:
    return f"{approval.written(header.t)[:-1]}.{header.t % 1_000_000:06d}Z"


def _record_row(header: Header) -> list[str]:
    return [
        str(header.seq), time_of(header), header.kind, header.dir, header.decision, header.rule, header.reason,
        header.peer, header.session, str(header.n),
    ]  # fmt: skip


def _configuration(asked_for: Sequence[Header], members: Mapping[str, bytes]) -> list[list[str]]:
    rows, in_force = [], dict[str, str]()
    for header in asked_for:
        for name in sorted(header.digests.keys() - NOT_CONFIGURATION):
            named = header.digests[name]
            if in_force.get(name) != named:
                in_force[name] = named
                there = "yes" if f"documents/{named}" in members else "no"
                rows.append([str(header.seq), time_of(header), header.kind, name, named, there])
    return rows


def _change(header: Header, members: Mapping[str, bytes]) -> list[str]:
    given = members.get(f"approvals/{header.digests.get('approval')}")
    said = [header.rule, "", "", ""]
    if given is not None:
        parsed = approval.parse(given)
        asked = parsed.request
        said = [asked.ticket, asked.author, approval.written(asked.effective), " ".join(parsed.signers)]
    digests = [header.digests.get(name, "") for name in ("contract", "old")]
    return [str(header.seq), time_of(header), header.decision, *digests, *said]
