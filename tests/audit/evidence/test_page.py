"""The page for a browser over evidence files: both verifiers are held to one verdict over whatever a test makes."""

from __future__ import annotations

import random
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from maker import (
    BODY_KEY,
    PUBLIC,
    RING,
    START,
    WITNESS_KEY,
    WITNESS_NAME,
    Asked,
    Made,
    Trail,
    complete,
    cosigned,
    entries,
    prove,
    sample,
    trail,
    witness,
    zipped,
)
from test_two_verifiers import mutated
from trail_helpers import ORIGIN, SOAK
from two_verifiers import evidence_by_page, verify_evidence

from audit.evidence.verdict import EvidenceTampered, EvidenceVerified
from audit.format import body, record, tree
from audit.format.body import Body, BodyRef
from audit.format.record import Entry, Reading
from audit.secrecy import KeyFolder
from audit.verify.verdict import CouldNotTell

COUNT = 4000 if SOAK else 60
KEYS = f"{PUBLIC}\n".encode()
LOG = trail()
SEQS = (4, 7, 9, 14)
Put = Callable[[bytes], Path]


@pytest.fixture
def put(tmp_path: Path) -> Put:
    def write(data: bytes) -> Path:
        path = tmp_path / "evidence.zip"
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def body_keys(tmp_path: Path) -> KeyFolder:
    folder = tmp_path / "keys"
    folder.mkdir()
    (folder / "00000000.key").write_text(f"{BODY_KEY.hex()}\n")
    return KeyFolder(folder)


def verified(path: Path, **given: Any) -> dict[str, Any]:
    """What the page says of a good file; ours says the same."""
    assert isinstance(verify_evidence(path, [PUBLIC], **given), EvidenceVerified)
    keys = given.get("body_keys")
    by_page = evidence_by_page(path, KEYS, body_keys=keys and keys.folder)["verdict"]
    assert by_page["verdict"] == "verified"
    return by_page  # type: ignore[no-any-return]


def test_a_range_of_the_log(put: Put) -> None:
    said = verified(put(complete(LOG, Asked()).pack()), ring=RING)
    assert (said["mode"], said["first"], said["records"], said["asked_for"]) == ("complete", 3, 13, 11)
    assert (said["complete_up_to"], said["denied"], said["clock_steps"]) == ("2026-01-01T00:14:30Z", 17, 1)
    assert (said["bodies"], said["values_withheld"], said["approvals_unchecked"]) == (3, False, 2)


def test_a_whole_log_and_more_than_it_had(put: Put) -> None:
    whole = Asked(begin="2025-12-31T00:00:00Z", end="2027-01-01T00:00:00Z", first=0, count=LOG.size)
    said = verified(put(complete(LOG, whole).pack(method=zipfile.ZIP_STORED)), ring=RING)
    assert said["complete_up_to"] == "2026-01-01T00:17:05.000000Z"


@pytest.mark.parametrize("first", range(LOG.size))
def test_every_range_is_joined_to_the_root(put: Put, first: int) -> None:
    """The period is one that every such range covers or does not: both say the same of it."""
    for count in range(1, LOG.size - first + 1):
        made = complete(LOG, Asked(first=first, count=count))
        verdict = verify_evidence(put(made.pack(method=zipfile.ZIP_STORED)), [PUBLIC])
        if isinstance(verdict, EvidenceTampered):
            assert "period" in verdict.what or verdict.member == "log/headers.jsonl"


@pytest.mark.parametrize("size", [1, 2, 3, 17, 18])
def test_samples_of_logs_of_many_sizes(put: Put, size: int) -> None:
    log = trail(entries()[:size])
    whole = Asked(begin="2025-12-31T00:00:00Z", end="2027-01-01T00:00:00Z")
    for seqs in (range(size), [size - 1], [0]):
        said = verified(put(sample(log, whole, seqs).pack()))
        assert (said["mode"], said["complete_up_to"], said["records"]) == ("sample", None, len(seqs))


@pytest.mark.parametrize(
    ("kinds", "count"), [("denied", 1), ("contract.change,log.*", 4), ("crossing.in,crossing.out", 4), ("x", 0)]
)
def test_some_kinds(put: Put, kinds: str, count: int) -> None:
    assert verified(put(complete(LOG, Asked(kinds=kinds)).pack()))["asked_for"] == count


def test_a_period_without_records(put: Put) -> None:
    asked = Asked(begin="2026-01-01T00:03:30Z", end="2026-01-01T00:03:40Z", first=3, count=2)
    said = verified(put(complete(LOG, asked).pack()))
    assert (said["records"], said["asked_for"], said["bodies"]) == (2, 0, 0)


def test_withheld_values(put: Put) -> None:
    said = verified(put(complete(LOG, Asked(), values=False).pack()))
    assert (said["values_withheld"], said["bodies"]) == (True, 0)


def test_encrypted_values_without_and_with_their_keys(put: Put, body_keys: KeyFolder) -> None:
    path = put(complete(trail(encrypted=True), Asked()).pack())
    assert (verified(path)["encrypted_bodies"], verified(path)["decrypted_bodies"]) == (3, 0)
    assert verified(path, body_keys=body_keys)["decrypted_bodies"] == 3
    body_keys.path(0).write_text("no key\n")
    assert isinstance(verify_evidence(path, [PUBLIC], body_keys=body_keys), CouldNotTell)
    body_keys.path(0).write_text(f"{'00' * 32}\n")
    assert verified(path, body_keys=body_keys)["decrypted_bodies"] == 0


@pytest.mark.parametrize("size", [LOG.size, 5, 0])
def test_a_cosigned_checkpoint(put: Put, size: int) -> None:
    path = put(witness(complete(LOG, Asked()), LOG, size).pack())
    assert isinstance(verify_evidence(path, [PUBLIC], witness_keys=[WITNESS_KEY]), EvidenceVerified)
    said = evidence_by_page(path, KEYS, witness=f"{WITNESS_KEY}\n".encode())["verdict"]
    assert said["cosigned"] == {"by": WITNESS_NAME, "size": size, "time": "2026-09-21T14:13:20Z"}


def test_denials_beyond_what_a_double_holds(put: Put) -> None:
    said = [Entry("log.start", n=1, digests={"key": PUBLIC.digest}), *[Entry("denied", n=2**53 - 1)] * 3]
    path = put(complete(trail(said), Asked(first=0, count=4, begin="2025-01-01T00:00:00Z")).pack())
    assert verified(path)["denied"] == 3 * (2**53 - 1)


def test_values_however_they_were_deflated(put: Put) -> None:
    """The page inflates bodies by itself: every kind of block, short windows and long, and copies across them."""
    text = " ".join(str(number * 7919 % 1003 / 8) for number in range(9000)) + "é" * 9000
    packed, ref = body.store(
        Body({"text": [text, text[:40000]], "raw": [number / 7 for number in range(99)]}), bytes(32)
    )
    plain = zlib.decompress(packed)
    deflaters = [
        zlib.compressobj(level, zlib.DEFLATED, window, memory, strategy)
        for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED, zlib.Z_FILTERED)
        for level, window, memory in ((0, 15, 8), (1, 9, 1), (6, 15, 8), (9, 12, 9))
    ]
    stored = [deflater.compress(plain) + deflater.flush() for deflater in deflaters]
    lines: list[bytes] = []
    for seq, data in enumerate(stored):
        prev = record.line_hash(lines[-1]).hex() if lines else record.FIRST_PREV
        own = BodyRef(sha256(data).hexdigest(), len(data), ref.root)
        reading = Reading(START + seq, seq, "b", "c")
        lines.append(record.encode(record.header(Entry("x"), reading, ORIGIN, seq, own, prev)))
    asked = Asked(first=0, count=len(lines), begin="2025-01-01T00:00:00Z")
    path = put(complete(Trail(tuple(lines), tuple(stored)), asked).pack())
    assert verified(path)["bodies"] == len(stored) == 20


WRONG: dict[str, Callable[[Made], object]] = {
    "by somebody whom the ring does not know": lambda made: setattr(made, "signers", ("cy",)),
    "by somebody with another's key": lambda made: setattr(made, "signers", ("ana", "vi", "nobody")),
    "made before anybody was valid": lambda made: setattr(
        made, "asked", replace(made.asked, made="2020-01-01T00:00:00Z")
    ),
    "another log's": lambda made: setattr(made, "asked", replace(made.asked, origin="example.com/other")),
    "a later first": lambda made: setattr(made, "asked", replace(made.asked, first=4)),
    "fewer lines": lambda made: setattr(made, "asked", replace(made.asked, count=12)),
    "more lines": lambda made: setattr(made, "asked", replace(made.asked, count=14)),
    "beyond the log": lambda made: setattr(made, "asked", replace(made.asked, first=6)),
    "a longer period": lambda made: setattr(made, "asked", replace(made.asked, begin="2026-01-01T00:02:59Z")),
    "a row hidden": lambda made: made.members.update({"tables/denials.csv": b"seq\r\n"}),
    "a document exchanged": lambda made: made.members.update({f"documents/{'ab' * 32}": b"another"}),
    "a forged cosignature": lambda made: made.members.update(
        {"log/cosigned": cosigned(18, tree.root_of(LOG.leaves)).replace(b"w1 ", b"w1 A", 1)}
    ),
    "cosigned for another root": lambda made: witness(made, LOG, 18, bytes(32)),
    "cosigned for an earlier state of another log": lambda made: witness(made, LOG, 5, bytes(32)),
    "cosigned for nothing, with a root": lambda made: witness(made, LOG, 0, bytes(32)),
    "cosigned, and not how the log goes on": lambda made: witness(made, LOG, 5).members.pop("log/cosigned-after"),
    "cosigned, and the log goes on from elsewhere": lambda made: witness(made, LOG, 5).members.update(
        {"log/cosigned-after": witness(made, LOG, 6).members["log/cosigned-after"]}
    ),
    "cosigned for more": lambda made: made.members.update({"log/cosigned": cosigned(19, bytes(32))}),
    "another's cosignature": lambda made: made.members.update({"log/cosigned": cosigned(1, bytes(32), origin="x.y/z")}),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("mode", ["complete", "sample"])
def test_one_thing_wrong(put: Put, name: str, mode: str) -> None:
    made = complete(LOG, Asked()) if mode == "complete" else sample(LOG, Asked(), SEQS)
    WRONG[name](made)
    verify_evidence(put(made.pack()), [PUBLIC], ring=RING, witness_keys=[WITNESS_KEY])


# At random. What is altered is signed anew, so that every step is reached, and not the manifest's digests alone.


def any_evidence(log: Trail, chance: random.Random) -> tuple[Made, tuple[int, ...]]:
    values = chance.random() < 0.8
    if chance.random() < 0.6:
        made, seqs = complete(log, Asked(), values=values), tuple(range(3, 16))
    else:
        seqs = chance.choice([SEQS, (4,), (5, 6, 8, 14)])
        made = sample(log, Asked(), seqs, values=values)
    if chance.random() < 0.5:
        witness(made, log, chance.choice([18, 10, 17]), chance.choice([None, None, bytes(32)]))
    return made, seqs


def any_given(chance: random.Random, body_keys: KeyFolder) -> dict[str, Any]:
    return {
        "ring": chance.choice([None, RING]),
        "witness_keys": chance.choice([(), (WITNESS_KEY,)]),
        "body_keys": chance.choice([None, body_keys]),
    }


@pytest.mark.timeout(1800)
def test_members(put: Put, body_keys: KeyFolder) -> None:
    """A member is altered, or taken away."""
    chance, seen = random.Random("members"), set()
    logs = [LOG, trail(encrypted=True)]
    for _ in range(COUNT):
        made, _ = any_evidence(chance.choice(logs), chance)
        name = chance.choice(sorted(made.members))
        if chance.random() < 0.2:
            del made.members[name]
        else:
            made.members[name] = mutated(made.members[name], chance)
        seen.add(type(verify_evidence(put(made.pack()), [PUBLIC], **any_given(chance, body_keys))))
    assert seen >= {EvidenceVerified, EvidenceTampered}


@pytest.mark.timeout(1800)
def test_manifests(put: Put, body_keys: KeyFolder) -> None:
    """Its text is altered and signed, or its signatures are."""
    chance, seen = random.Random("manifests"), set()
    for _ in range(COUNT):
        made, _ = any_evidence(LOG, chance)
        manifest = made.signed(mutated(made.text(), chance))
        if chance.random() < 0.2:
            text = made.text()
            manifest = text + b"\n" + mutated(made.signed(text)[len(text) + 1 :], chance)
        seen.add(type(verify_evidence(put(made.pack(manifest)), [PUBLIC], **any_given(chance, body_keys))))
    assert seen >= {EvidenceVerified, EvidenceTampered}


@pytest.mark.timeout(1800)
def test_lines(put: Put, body_keys: KeyFolder) -> None:
    """A line is altered, and the checkpoint and its proofs are those of the altered log: whoever has the key can."""
    chance, seen = random.Random("lines"), set()
    for _ in range(COUNT):
        made, seqs = any_evidence(LOG, chance)
        seq = seqs[-1] if chance.random() < 0.8 else chance.choice(seqs)
        lines = list(LOG.lines)
        lines[seq] = mutated(lines[seq], chance).replace(b"\n", b"")
        prove(made, Trail(tuple(lines), LOG.bodies), seqs)
        seen.add(type(verify_evidence(put(made.pack()), [PUBLIC], **any_given(chance, body_keys))))
    assert seen >= {EvidenceVerified, EvidenceTampered}


@pytest.mark.timeout(1800)
def test_zip_files(put: Put) -> None:
    """Bytes of the file are altered, cut off, or put in."""
    chance, seen = random.Random("zip files"), set()
    packed = [complete(LOG, Asked()).pack(method=method) for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]
    for _ in range(COUNT):
        data = bytearray(chance.choice(packed))
        place = chance.choice([chance.randrange(len(data)), len(data) - chance.randrange(1, 1200)])
        gone = chance.choice([0, 1, 1, 1, 4])
        data[place : place + gone] = chance.randbytes(chance.choice([0, 1, 1, 1, 4]))
        seen.add(type(verify_evidence(put(bytes(data)), [PUBLIC])))
    assert seen >= {EvidenceTampered, CouldNotTell}


def test_a_bomb_is_not_inflated(put: Put) -> None:
    """It says that it is small, and is not: the reading stops one byte later."""
    small, large = bytes(1000), bytes(50_000_000)
    data = zipped([("manifest", large)]).replace(len(large).to_bytes(4, "little"), len(small).to_bytes(4, "little"))
    assert isinstance(verify_evidence(put(data), [PUBLIC]), CouldNotTell)


def test_what_people_are_told(put: Put) -> None:
    told = evidence_by_page(put(complete(LOG, Asked(), values=False).pack()), KEYS)
    assert told["words"] == [
        "VERIFIED",
        "Complete for request RFI-2026-7: 11 records of every kind of example.com/gateway-1, "
        "from 2026-01-01T00:03:30Z to 2026-01-01T00:14:30Z.",
        "Up to 2026-01-01T00:14:30Z by the log's own clock there is no other between the first and the last of these "
        "lines: the file has every record from number 3 to 15 of the log.",
        "If the log's clock was ever set back before or behind them, other records may bear a time of the period: "
        "verifying the whole log tells.",
        "Made by ana at 2026-02-01T00:00:00Z; NOT JUDGED who that is: nobody gave the ring of persons.",
        "Values withheld: the records speak of values that this file does not have.",
        "2 approvals not judged: nobody gave the ring of persons.",
        "17 denials recorded.",
        "The log's clock was stepped 1 time: look at the log.step records before you rely on times.",
        "Not cosigned, or no witness's key was given: whether this is the log's newest state, only a witness can tell.",
        "Whether requirements are met is the Responsible Entity's to determine.",
    ]
    assert [row["seq"] for row in told["exceptions"]] == [5, 7, 10]
    assert [row["what"] for row in told["timeline"]] == ["a step of the clock", "the clock was set"]


def test_a_contract_that_nobody_approved_is_an_exception(put: Put) -> None:
    ring = "".join(f"{person}\n" for person in RING.persons).encode()
    told = evidence_by_page(put(complete(LOG, Asked()).pack()), KEYS, ring=ring)
    assert told["verdict"]["not_approved"] == 1
    assert any(word.startswith("NOT APPROVED: 1 change of the contract") for word in told["words"])
    assert (told["exceptions"][-1]["seq"], told["exceptions"][-1]["kind"]) == (9, "contract.change")


def test_a_tampered_file_names_what_and_where(put: Put) -> None:
    made = complete(LOG, Asked())
    made.members["log/bodies.bin"] = b"y" + made.members["log/bodies.bin"][1:]
    told = evidence_by_page(put(made.pack()), KEYS)
    assert told["words"][0] == "TAMPERED"
    assert told["words"][2] == "in log/bodies.bin"
    assert told["verdict"]["first_bad"] == 4


def test_the_digests_of_this_file_are_sha_256(put: Put) -> None:
    """Of a member far longer than what is hashed at once."""
    made = complete(LOG, Asked())
    made.members["report.html"] = random.Random("long").randbytes(3_000_001)
    assert f"{sha256(made.members['report.html']).hexdigest()} 3000001 report.html".encode() in made.text()
    verified(put(made.pack()))
