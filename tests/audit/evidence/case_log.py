"""A log for evidence: two days of a boundary, two changes of its contract, denials, an isolation, encrypted values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from persons import RING, approved, at, key_of, request
from trail_helpers import ORIGIN, SEGMENT, counting_salt

from audit.evidence.given import Given, Maker
from audit.evidence.make import Made, make
from audit.evidence.request import Request, asked
from audit.format import checkpoint, note
from audit.format.body import Body
from audit.format.note import VerifierKey, verifier_key
from audit.format.record import Entry, Reading
from audit.log import Log
from audit.secrecy import KeyFolder
from audit.witness.cosignature import WitnessKey, cosign, witness_key

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC: VerifierKey = verifier_key(ORIGIN, KEY.public_key())
WITNESS_KEY_PRIVATE = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
WITNESS: WitnessKey = witness_key("compliance.example/w1", WITNESS_KEY_PRIVATE.public_key())

BEGIN = at("2026-01-05T00:00:00Z")
STEP_S = 3600
"""One record an hour: record n of the log is of hour n."""
FROM, TO = at("2026-01-05T05:30:00Z"), at("2026-01-06T04:30:00Z")
"""So records 6 to 28 are of the period, and record 5 stands before it, record 29 behind it."""
MADE = at("2026-02-01T09:00:00Z")

POINTS = (
    "name,path,kind,quantity,unit,outstation,type,index,register,scale,offset,deadband,class,low,high,"
    "max_rate_per_s,stale_after_s,min_members,min_coverage_pct,positive_means,reason,owner,ticket,bcsi,retired,comment\r\n"
    "F1 power,feeder/F1,all,power_w,kW,main,AI,0,,1,0,0,2,-100,100,5,10,3,80,injection,"
    '"visibility, F1",OT,CHG-1001,{bcsi},no,\r\n'
)
COMMANDS = (
    "name,path,mode,unit,outstation,type,index,scale,offset,low,high,max_step_w,control,hold,on_master_loss,"
    "master_timeout_s,on_isolate,primacy,status_point,feedback_timeout_s,reason,owner,ticket,retired,comment\r\n"
    "F1 target,feeder/F1,target,kW,main,AO,0,1,0,-90,90,5000,sbo,60,hold,,release,1,F1 state,30,control,OT,CHG-1002,"
    "no,\r\n"
)


def contract(bcsi: str = "no", boundary: str = "masters: []") -> bytes:
    """A contract's document."""
    files = {"boundary.yaml": boundary, "commands.csv": COMMANDS, "points.csv": POINTS.format(bcsi=bcsi)}
    return json.dumps(files, separators=(",", ":")).encode()


OLD, NEW = contract(), contract(boundary="masters: [one]")
CONFIG = b"config: 1\n"


def digest(data: bytes) -> str:
    return sha256(data).hexdigest()


def hourly(start: int = BEGIN) -> Callable[[], Reading]:
    """One reading an hour; the writer reads the clock once for the log's own first record."""
    hours = iter(range(100_000))

    def read() -> Reading:
        t = next(hours) * STEP_S * 1_000_000
        return Reading(start + t, 5_000_000 + t, "boot-1", "synchronised")

    return read


def approval(subject: bytes, *names: str) -> bytes:
    return approved(request("contract", digest(subject)), *names)


def entries(first: bytes, second: bytes) -> Sequence[Entry]:
    """35 of them; `first` and `second` approve the old and the new contract."""
    force = {"config": digest(CONFIG), "contract": digest(OLD)}
    now = {**force, "contract": digest(NEW)}

    def change(new: bytes, old: bytes, by: bytes, decision: str = "in force") -> Entry:
        digests = {"contract": digest(new), "old": digest(old), "approval": digest(by)}
        return Entry("contract.change", rule="CHG-1", decision=decision, digests=digests)

    def crossing(number: int, digests: dict[str, str]) -> Entry:
        body = Body({"point": ["F1 power"], "raw": [number]})
        return Entry("crossing.out", dir="out", decision="admitted", n=1, session="ab", digests=digests, body=body)

    return [
        Entry("gateway", decision="started", digests=force),
        change(OLD, b"", first),
        Entry("link", decision="opened", peer="headend:7451", session="ab", digests=force),
        Entry("face", decision="listening", reason='=cmd|" /C calc"', digests=force),
        *(crossing(number, force) for number in range(8)),
        Entry("denied", dir="out", decision="refused", rule="unsigned", reason="+1, \"no\"\r\nkey", n=3, digests=force),
        *(crossing(number, force) for number in range(8, 12)),
        change(NEW, OLD, second),
        change(OLD, NEW, first, "refused"),
        Entry("denied", dir="in", peer="@10.0.0.7", decision="NOT_AUTHORIZED", rule="-", n=4, digests=now),
        Entry("isolation", decision="isolated", peer="ana", reason="exercise", digests=now),
        Entry("isolation", decision="rejoined", peer="ana", digests=now),
        *(crossing(number, now) for number in range(12, 20)),
        Entry("gateway", decision="stopped", digests=now),
    ]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A log's folder, the documents and body keys beside it."""

    log: Path
    documents: Path
    body_keys: KeyFolder

    def given(self, **changed: object) -> Given:
        given = {"keys": [PUBLIC], "ring": RING, "witness_keys": [WITNESS], "documents": (self.documents,)}
        return Given(**{**given, **changed})  # type: ignore[arg-type]

    def make(
        self, out: Path, asked_for: Request | None = None, maker: str = "ana", replace: bool = False, **changed: object
    ) -> Made:
        made = make(
            self.log, asked_for or Request(asked(FROM, TO), "RFI-7"), out, Maker(maker, key_of(maker)),
            self.given(**changed), now=MADE, replace=replace, segment_lines=SEGMENT,
        )  # fmt: skip
        assert isinstance(made, Made), made
        return made


def build(folder: Path, encrypted: bool = False, segment_lines: int = SEGMENT) -> Case:
    """The log with its documents, cosigned up to the end."""
    case = Case(folder / "trail", folder / "documents", KeyFolder(folder / "body-keys"))
    case.documents.mkdir(parents=True)
    case.body_keys.folder.mkdir()
    for name, data in (("old.json", OLD), ("new.json", NEW), ("gateway.yaml", CONFIG), ("other.txt", b"no record")):
        (case.documents / name).write_bytes(data)
    first, second = approval(OLD), approval(NEW)
    Log.init(case.log, KEY, ORIGIN, segment_lines=segment_lines)
    keys = case.body_keys if encrypted else None
    with Log.open(
        case.log, KEY, clock=hourly(), salt=counting_salt(), body_keys=keys, segment_lines=segment_lines
    ) as log:
        submit(log, entries(first, second))
    (case.log / "approvals").mkdir(exist_ok=True)
    for each in (first, second):
        (case.log / "approvals" / digest(each)).write_bytes(each)
    cosign_log(case.log)
    return case


def submit(log: Log, given: Sequence[Entry]) -> None:
    """Each an hour after the one before. The first is waited for: the log's own first record reads the clock, too."""
    log.submit([given[0]]).result(timeout=30)
    for future in [log.submit([entry]) for entry in given[1:]]:
        future.result(timeout=30)


def cosign_log(log: Path, time_s: int = 1_770_000_000) -> None:
    """As a witness that has seen the log as it is."""
    data = (log / "checkpoint").read_bytes()
    _, signed = checkpoint.parse(data)
    line = cosign(signed.text, WITNESS.name, WITNESS_KEY_PRIVATE, time_s)
    (log / "cosigned").write_bytes(data + note.signature_line(line))
