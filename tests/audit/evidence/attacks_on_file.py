"""Attacks on what stands around the records: members, manifest, checkpoint, cosignature, tables, the zip file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from typing import Final

from attack import TAMPERED, UNTOLD, VERIFIED, Attack, altering, drop, putting, without
from case_log import KEY, ORIGIN, PUBLIC
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from forge import Forge, Parts, by_hand, deflated, hash_lines, pack
from persons import at, key_of

from audit.evidence.members import AFTER, BEFORE, BODIES, CHECKPOINT, COSIGNED, COSIGNED_AFTER, HEADERS, MANIFEST
from audit.format import checkpoint, note, proof
from audit.format.note import verifier_key
from audit.format.tree import root_of

BASES: Final = ("complete", "sample", "encrypted", "whole")
MALLORY: Final = Ed25519PrivateKey.from_private_bytes(b"m" * 32)
RECORDS: Final = "tables/records.csv"


def attacks() -> Iterator[Attack]:
    yield from _good()
    yield from _members()
    yield from _checkpoints()
    yield from _cosignatures()
    yield from _for_people()
    yield from _manifests()
    yield from _zips()


def _good() -> Iterator[Attack]:
    for base in BASES:
        yield Attack(f"good, {base}", Forge.pack, VERIFIED, base=base)
        yield Attack(f"good, {base}, nothing but the key", Forge.pack, VERIFIED, base=base, ring=False, witness=False)
        yield Attack(f"good, {base}, signed again", Forge.sign, VERIFIED, base=base)
    yield Attack("good, values read", Forge.pack, VERIFIED, base="encrypted", body_keys=True)
    yield Attack("good, values withheld", without(BODIES), VERIFIED)
    yield Attack("good, no tables", lambda forge: drop(forge, "tables/"), VERIFIED)
    yield Attack("good, nothing for people", lambda forge: drop(forge, "statement", "VERIFY", "verifier"), VERIFIED)
    yield Attack("good, written by hand", lambda forge: by_hand(forge).close(), VERIFIED)
    yield Attack("good, extra fields and flags", _with_extras, VERIFIED)


def _with_extras(forge: Forge) -> bytes:
    return by_hand(forge, HEADERS, extra=b"\x01\x00\x02\x00ab", flags=1 << 11 | 1 << 2).close()


# Members that were changed, and nobody signed that


def _members() -> Iterator[Attack]:
    for name in (
        AFTER, BEFORE, BODIES, CHECKPOINT, COSIGNED, HEADERS, RECORDS, "tables/permissions.csv", "statement.txt",
        "VERIFY.txt", "verifier.html", "requirements.csv",
    ):  # fmt: skip
        yield Attack(f"a bit of {name}", lambda forge, name=name: _flipped(forge, name), TAMPERED, name)
        yield Attack(f"a byte more in {name}", lambda forge, name=name: _longer(forge, name), TAMPERED, name)
        yield Attack(f"no {name}", lambda forge, name=name: _gone(forge, name), TAMPERED, name)
    yield Attack("a member more", lambda forge: _put(forge, "tables/zeal.csv", b"x"), TAMPERED, "tables/zeal.csv")
    two = {"zz.txt": b"x", "aa.txt": b"y"}
    yield Attack("two members more", lambda forge: _put_all(forge, two), TAMPERED, "aa.txt")
    yield Attack("no manifest", lambda forge: _gone(forge, MANIFEST), UNTOLD)


def _flipped(forge: Forge, name: str) -> bytes:
    data = bytearray(forge.members[name])
    data[len(data) // 2] ^= 1
    forge.members[name] = bytes(data)
    return forge.pack()


def _longer(forge: Forge, name: str) -> bytes:
    forge.members[name] += b"\n"
    return forge.pack()


def _gone(forge: Forge, name: str) -> bytes:
    del forge.members[name]
    return forge.pack()


def _put(forge: Forge, name: str, data: bytes) -> bytes:
    return _put_all(forge, {name: data})


def _put_all(forge: Forge, more: dict[str, bytes]) -> bytes:
    forge.members |= more
    return forge.pack()


# The log's checkpoint, and the witness's


def _checkpoints() -> Iterator[Attack]:
    yield Attack("checkpoint missing", without(CHECKPOINT), TAMPERED, CHECKPOINT)
    yield Attack("checkpoint: no note", putting(CHECKPOINT, b"checkpoint\n"), TAMPERED, CHECKPOINT)
    yield Attack("checkpoint: too long", altering(CHECKPOINT, lambda data: data + data * 400), TAMPERED, CHECKPOINT)
    yield Attack("checkpoint: another size", _checked(size=70), TAMPERED, AFTER)
    yield Attack("checkpoint: another root", _checked(root=bytes(32)), TAMPERED, HEADERS)
    grown = altering(CHECKPOINT, lambda data: data.replace(b"\n33\n", b"\n34\n"))
    yield Attack("checkpoint: text altered", grown, TAMPERED, CHECKPOINT)
    yield Attack("checkpoint: another log's", _checked(origin="example.com/gateway-2"), TAMPERED, CHECKPOINT)
    yield Attack("checkpoint: another key of the name", _checked(MALLORY), TAMPERED, CHECKPOINT)
    forged = altering(CHECKPOINT, lambda data: data[:-9] + b"AAAAAA==\n")
    yield Attack("checkpoint: signature cut", forged, TAMPERED, CHECKPOINT)
    yield Attack("checkpoint: wrong signature beside a right one", _two_signatures, TAMPERED, CHECKPOINT)
    yield Attack("checkpoint: signature of a stranger beside", _stranger, VERIFIED)
    other = verifier_key("example.com/gateway-2", KEY.public_key())
    yield Attack("the key of another log", Forge.pack, UNTOLD, keys=(other,))
    of_name = verifier_key(ORIGIN, MALLORY.public_key())
    yield Attack("the key of another epoch", Forge.pack, TAMPERED, CHECKPOINT, keys=(of_name,))
    yield Attack("both keys", Forge.pack, VERIFIED, keys=(of_name, PUBLIC))
    yield Attack("signed by another log's key", _by_other_name, TAMPERED, CHECKPOINT, keys=(other,))
    yield Attack("no key", Forge.pack, UNTOLD, keys=())


def _checked(key: Ed25519PrivateKey = KEY, **changes: object) -> Callable[[Forge], bytes]:
    def act(forge: Forge) -> bytes:
        forge.check_anew(key, **changes)
        return forge.sign()

    return act


def _two_signatures(forge: Forge) -> bytes:
    wrong = note.Signature(ORIGIN, PUBLIC.key_id, bytes(64))
    forge.members[CHECKPOINT] += note.signature_line(wrong)
    return forge.sign()


def _stranger(forge: Forge) -> bytes:
    forge.members[CHECKPOINT] += note.signature_line(note.Signature("stranger", b"abcd", bytes(64)))
    return forge.sign()


def _by_other_name(forge: Forge) -> bytes:
    """The note names the log, and is signed by a key of another name, which is the one that was given."""
    text = checkpoint.text(forge.newest)
    forge.members[CHECKPOINT] = note.sign(text, "example.com/gateway-2", KEY)
    return forge.sign()


def _cosignatures() -> Iterator[Attack]:
    forged = altering(COSIGNED, lambda data: data[:-20] + b"A" + data[-19:])
    yield Attack("cosignature forged", forged, TAMPERED, COSIGNED)
    yield Attack("cosignature forged, and no witness's key", forged, VERIFIED, witness=False)
    yield Attack("cosigned: no note", putting(COSIGNED, b"x"), TAMPERED, COSIGNED)
    yield Attack("cosigned: too long", altering(COSIGNED, lambda data: data * 400), TAMPERED, COSIGNED)
    yield Attack("not cosigned", without(COSIGNED), VERIFIED)
    yield Attack("not cosigned, and a proof of it", _only_the_proof, VERIFIED)
    yield Attack("cosigned by another witness", _cosigned(name="another.example/w2"), VERIFIED)
    yield Attack("cosigned by another, of another log", _cosigned(name="x/w", origin="a/b"), VERIFIED)
    yield Attack("cosigned: another log", _cosigned(origin="example.com/gateway-2"), TAMPERED, COSIGNED)
    yield Attack("cosigned: more records", _cosigned(size=34), TAMPERED, COSIGNED)
    yield Attack("cosigned: another root", _cosigned(root=bytes(32)), TAMPERED, COSIGNED)
    yield Attack("cosigned: time altered", altering(COSIGNED, _later), TAMPERED, COSIGNED)
    for base in ("complete", "sample"):
        yield Attack(f"{base}: no proof", without(COSIGNED_AFTER), TAMPERED, COSIGNED_AFTER, base=base)
        longer = altering(COSIGNED_AFTER, lambda data: data + b"ab" * 32 + b"\n")
        yield Attack(f"{base}: a proof of what needs none", longer, TAMPERED, COSIGNED_AFTER, base=base)
        fewer = _cosigned(size=12, root=bytes(32), proved=33)
        yield Attack(f"{base}: fewer records, and no proof", fewer, TAMPERED, COSIGNED_AFTER, base=base)
    yield Attack("no proof, and no witness's key", without(COSIGNED_AFTER), VERIFIED, witness=False)
    yield from _cosigned_earlier()


def _cosigned_earlier() -> Iterator[Attack]:
    """The witness saw fewer records than the checkpoint covers."""
    for size in (0, 1, 2, 12, 16, 31, 32):
        yield Attack(f"whole: cosigned at {size}", _seen(size), VERIFIED, base="whole")
        fork = _cosigned(size=size, root=bytes(32))
        yield Attack(f"whole: a fork cosigned at {size}", fork, TAMPERED, COSIGNED, base="whole")
    yield Attack("whole: another log of the name, and its own proof", _fork, TAMPERED, COSIGNED, base="whole")
    other = _cosigned(name="another.example/w2", size=12, root=bytes(32))
    yield Attack("whole: a fork cosigned by another witness", other, VERIFIED, base="whole")
    altered: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
        ("missing a hash", lambda data: data[65:]),
        ("a hash more", lambda data: data + data[:65]),
        ("empty", lambda data: b""),
        ("upper case", bytes.upper),
        ("no last newline", lambda data: data[:-1]),
        ("carriage returns", lambda data: data.replace(b"\n", b"\r\n")),
        ("spaces", lambda data: data.replace(b"\n", b" ", 1)),
        ("an empty line", lambda data: data + b"\n"),
    )
    for what, alter in altered:
        yield Attack(f"proof: {what}", _seen(12, alter), TAMPERED, COSIGNED_AFTER, base="whole")
    turned = _seen(12, lambda data: b"".join(reversed(data.splitlines(True))))
    yield Attack("proof: turned round", turned, TAMPERED, COSIGNED, base="whole")
    digit = _seen(12, lambda data: (b"1" if data[:1] == b"0" else b"0") + data[1:])
    yield Attack("proof: another hash", digit, TAMPERED, COSIGNED, base="whole")
    yield Attack(
        "proof: of another size", _cosigned(size=12, root=bytes(32), proved=16), TAMPERED, COSIGNED_AFTER, base="whole"
    )
    yield Attack("proof: altered, and nobody signed that", _unsigned, TAMPERED, COSIGNED_AFTER, base="whole")


def _cosigned(**changes: object) -> Callable[[Forge], bytes]:
    def act(forge: Forge) -> bytes:
        forge.cosign(**changes)  # type: ignore[arg-type]
        return forge.sign()

    return act


def _seen(size: int, alter: Callable[[bytes], bytes] = bytes) -> Callable[[Forge], bytes]:
    """A witness has seen the log when it had so many records; the proof of that altered. Of the whole log only."""

    def act(forge: Forge) -> bytes:
        forge.cosign(size=size, root=root_of(forge.leaves[:size]))
        forge.members[COSIGNED_AFTER] = alter(forge.members[COSIGNED_AFTER])
        return forge.sign()

    return act


def _only_the_proof(forge: Forge) -> bytes:
    del forge.members[COSIGNED]
    return forge.sign()


def _fork(forge: Forge) -> bytes:
    """A log of the same name and key was written anew behind the witness's back: with the proof of what it has seen."""
    other = [forge.leaves[0], *(sha256(leaf).digest() for leaf in forge.leaves[1:])]
    forge.cosign(size=12, root=root_of(other[:12]))
    forge.members[COSIGNED_AFTER] = hash_lines(proof.roots(proof.consistency(12, len(other)), other))
    return forge.sign()


def _unsigned(forge: Forge) -> bytes:
    forge.members[COSIGNED_AFTER] = b"ab" * 32 + b"\n"
    return forge.pack()


def _later(data: bytes) -> bytes:
    parsed = note.parse(data)
    *others, own = parsed.signatures
    late = replace(own, signature=(1_780_000_000).to_bytes(8, "big") + own.signature[8:])
    return parsed.text + b"\n" + b"".join(map(note.signature_line, (*others, late)))


# What is for people, signed by whoever makes the file


def _for_people() -> Iterator[Attack]:
    altered: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
        ("a row hidden", lambda data: b"".join(row for row in data.splitlines(True) if b"denied" not in row)),
        ("a row twice", lambda data: data + data.splitlines(True)[-1]),
        ("a cell altered", lambda data: data.replace(b",refused,", b",allowed,", 1)),
        ("no columns", lambda data: data.split(b"\r\n", 1)[1]),
        ("newlines", lambda data: data.replace(b"\r\n", b"\n")),
        ("quotes", lambda data: data.replace(b",admitted,", b',"admitted",', 1)),
        ("a formula", lambda data: data.replace(b"'@10", b"@10", 1)),
        ("a byte order mark", lambda data: b"\xef\xbb\xbf" + data),
        ("empty", lambda data: b""),
        ("its columns only", lambda data: data.split(b"\r\n")[0] + b"\r\n"),
        ("no last line end", lambda data: data[:-2]),
    )
    for what, alter in altered:
        yield Attack(f"records.csv: {what}", altering(RECORDS, alter), TAMPERED, RECORDS)
    hidden = altering("tables/denials.csv", lambda data: data.split(b"\r\n")[0] + b"\r\n")
    yield Attack("denials.csv: all hidden", hidden, TAMPERED, "tables/denials.csv")
    other = altering("tables/changes.csv", lambda data: data.replace(b"ana ben", b"ana cy", 1))
    yield Attack("changes.csv: another name", other, TAMPERED, "tables/changes.csv")
    said = altering("tables/configuration.csv", lambda data: data.replace(b",yes", b",no", 1))
    yield Attack("configuration.csv: a document denied", said, TAMPERED, "tables/configuration.csv")
    yield Attack("the document of a row taken away", _without_document, TAMPERED, "tables/configuration.csv")
    yield Attack("the approvals taken away", lambda forge: drop(forge, "approvals/"), TAMPERED, "tables/changes.csv")
    lie = b"All 3 records: none is left out.\n"
    yield Attack("another statement", putting("statement.txt", lie), VERIFIED)
    for folder in ("documents/", "approvals/"):
        name = f"{folder}{'ab' * 32}"
        yield Attack(f"{folder} not by its digest", putting(name, b"x"), TAMPERED, name)
        yield Attack(f"{folder} not by a digest", putting(f"{folder}x", b"x"), TAMPERED, f"{folder}x")
    extra = sha256(b"x").hexdigest()
    yield Attack("a document that nobody names", putting(f"documents/{extra}", b"x"), VERIFIED)
    yield Attack("a table that nobody knows", putting("tables/other.csv", b"x"), VERIFIED)


def _without_document(forge: Forge) -> bytes:
    name = next(name for name in forge.members if name.startswith("documents/"))
    return drop(forge, name)


# The manifest


def _manifests() -> Iterator[Attack]:
    yield Attack("manifest by a stranger", lambda forge: forge.sign("mallory"), TAMPERED, MANIFEST)
    yield Attack("manifest by a stranger, no ring", lambda forge: forge.sign("mallory"), VERIFIED, ring=False)
    yield Attack("manifest by another of the ring", lambda forge: forge.sign("ben"), VERIFIED)
    yield Attack("manifest by a viewer", lambda forge: forge.sign("vi"), VERIFIED)
    early = at("2020-01-01T00:00:00Z")
    yield Attack("made before its person was valid", lambda forge: forge.sign(made=early), TAMPERED, MANIFEST)
    late = at("2035-01-01T00:00:00Z")
    yield Attack("made when its person was not valid any more", lambda forge: forge.sign(made=late), TAMPERED, MANIFEST)
    yield Attack("manifest: a name that is another's", _another_key, TAMPERED, MANIFEST)
    yield Attack("manifest: signature wrong", _manifest_with(lambda data: _last_signature(data)), TAMPERED, MANIFEST)
    yield Attack(
        "manifest: signature wrong, no ring", _manifest_with(lambda data: _last_signature(data)), VERIFIED, ring=False
    )
    altered = _manifest_with(lambda data: data.replace(b"RFI-7", b"RFI-8"))
    yield Attack("manifest: request altered", altered, TAMPERED, MANIFEST)
    yield Attack("manifest: a stranger's signature beside", _manifest_with(_strangers), VERIFIED)
    yield Attack("manifest: a name of the ring beside, of no key of it", _manifest_with(_name_of_the_ring), VERIFIED)
    yield Attack("manifest: one right, one wrong", _manifest_with(_right_and_wrong), TAMPERED, MANIFEST)
    yield Attack(
        "manifest: no signature", _manifest_with(lambda data: data.split(b"\n\n")[0] + b"\n\n"), TAMPERED, MANIFEST
    )
    yield Attack("manifest: empty", _manifest_with(lambda data: b""), TAMPERED, MANIFEST)
    yield Attack("manifest: no UTF-8", _manifest_with(lambda data: b"\xff" + data), TAMPERED, MANIFEST)
    yield Attack("manifest: too long", _manifest_with(lambda data: data + b" " * 2**24), TAMPERED, MANIFEST)
    period = "2026-01-05T05:30:00Z 2026-01-06T04:30:00Z"
    spelled = (
        ("derms.evidence/1", "derms.evidence/2"),
        ("\nRFI-7\n", "\nRFI 7\n"),
        ("\nRFI-7\n", "\n\n"),
        (period, "2026-01-05T05:30:00Z 2026-01-05T05:30:00Z"),
        (period, "2026-01-06T05:30:00Z 2026-01-05T05:30:00Z"),
        (period, "2026-01-05T05:30:00Z  2026-01-06T04:30:00Z"),
        (period, "2026-02-30T05:30:00Z 2026-03-06T04:30:00Z"),
        (period, "2026-01-05T05:30:60Z 2026-01-06T04:30:00Z"),
        (period, "2026-01-05t05:30:00z 2026-01-06T04:30:00Z"),
        ("\n*\n", "\n**\n"),
        ("\n*\n", "\n*,denied\n"),
        ("\n*\n", "\nlink,denied\n"),
        ("\n*\n", "\ndenied,denied\n"),
        ("\n*\n", "\nDenied\n"),
        ("\n*\n", "\n\n"),
        ("\n*\n", "\ndenied,\n"),
        ("\n*\n", "\nlog.*.open\n"),
        ("\n*\n", f"\n{'a' * 65}\n"),
        ("complete 5 25", "complete 05 25"),
        ("complete 5 25", "complete 5 0"),
        ("complete 5 25", "complete -5 25"),
        ("complete 5 25", "Complete 5 25"),
        ("complete 5 25", "complete 5"),
        ("complete 5 25", "complete 6553600000001 25"),
        ("complete 5 25", "complete 5 6553600000001"),
        ("complete 5 25", "complete 5 99999999999999999999"),
        (" VERIFY.txt\n", " VERIFY.txt \n"),
        (" VERIFY.txt\n", " ../VERIFY.txt\n"),
        (" VERIFY.txt\n", " manifest\n"),
        (" VERIFY.txt\n", " zzz\n"),
        (" VERIFY.txt\n", " VERIFY.txt\r\n"),
    )
    for old, new in spelled:
        yield Attack(
            f"manifest: {old!r} as {new!r}", lambda forge, old=old, new=new: forge.text(old, new), TAMPERED, MANIFEST
        )
    yield Attack("manifest: a member twice", _twice_listed, TAMPERED, MANIFEST)
    yield Attack("manifest: a length too large", _long_member, TAMPERED, MANIFEST)
    yield Attack("manifest: a leading zero", _padded_length, TAMPERED, MANIFEST)
    yield Attack("manifest: another digest", _other_digest, TAMPERED, "VERIFY.txt")
    more = lambda forge: forge.text("complete 5 25", "complete 5 26")  # noqa: E731
    yield Attack("manifest: more records", more, TAMPERED, HEADERS)
    beyond = lambda forge: forge.text("complete 5 25", "complete 9 25")  # noqa: E731
    yield Attack("manifest: beyond the checkpoint", beyond, TAMPERED, HEADERS)
    kinds = lambda forge: forge.text("\n*\n", "\nlog.*,log.open\n")  # noqa: E731
    yield Attack("manifest: kinds as they may be", kinds, TAMPERED, BODIES)


def _manifest_with(alter: Callable[[bytes], bytes]) -> Callable[[Forge], bytes]:
    def act(forge: Forge) -> bytes:
        forge.members[MANIFEST] = alter(forge.members[MANIFEST])
        return forge.pack()

    return act


def _last_signature(data: bytes) -> bytes:
    parsed = note.parse(data, 2**24)
    (own,) = parsed.signatures
    return parsed.text + b"\n" + note.signature_line(replace(own, signature=bytes(64)))


def _strangers(data: bytes) -> bytes:
    return data + note.signature_line(note.Signature("mallory", b"abcd", b"x"))


def _name_of_the_ring(data: bytes) -> bytes:
    """Nobody's digest covers these lines: whoever has the file can add one."""
    text, lines = data.split(b"\n\n")
    return text + b"\n\n" + note.signature_line(note.Signature("ben", bytes(4), b"junk" * 16)) + lines


def _right_and_wrong(data: bytes) -> bytes:
    ben = verifier_key("ben", key_of("ben").public_key())
    return data + note.signature_line(note.Signature("ben", ben.key_id, bytes(64)))


def _another_key(forge: Forge) -> bytes:
    """Mallory's key under the name of ana: another key id."""
    text = str(replace(forge.told, members=forge.listed())).encode()
    forge.members[MANIFEST] = note.sign(text, "ana", key_of("mallory"))
    return forge.pack()


def _listed_as(forge: Forge, alter: Callable[[str], str]) -> bytes:
    line = next(str(member) for member in forge.listed() if member.name == "VERIFY.txt")
    return forge.text(f"{line}\n", f"{alter(line)}\n")


def _twice_listed(forge: Forge) -> bytes:
    return _listed_as(forge, lambda line: f"{line}\n{line}")


def _long_member(forge: Forge) -> bytes:
    return _listed_as(forge, lambda line: f"{line.split()[0]} 2147483648 VERIFY.txt")


def _padded_length(forge: Forge) -> bytes:
    return _listed_as(forge, lambda line: line.replace(" ", " 0", 1))


def _other_digest(forge: Forge) -> bytes:
    return _listed_as(forge, lambda line: "00" + line[2:])


# The zip file


def _zips() -> Iterator[Attack]:
    yield Attack("zip: empty file", lambda forge: b"", UNTOLD)
    yield Attack("zip: no members", lambda forge: pack([]), UNTOLD)
    yield Attack("zip: text", lambda forge: b"VERIFIED\n" * 99, UNTOLD)
    for less in (1, 21, 22, 60, 3000):
        yield Attack(f"zip: {less} bytes cut", lambda forge, less=less: forge.pack()[:-less], UNTOLD)
    yield Attack("zip: half", lambda forge: forge.pack()[: len(forge.pack()) // 2], UNTOLD)
    yield Attack("zip: bytes in front", lambda forge: b"#!/bin/sh\n" + forge.pack(), UNTOLD)
    yield Attack("zip: bytes behind", lambda forge: forge.pack() + b"\n", UNTOLD)
    yield Attack("zip: another zip in front", lambda forge: pack([("manifest", b"x")]) + forge.pack(), UNTOLD)
    yield Attack("zip: another zip behind", lambda forge: forge.pack() + pack([("manifest", b"x")]), UNTOLD)
    yield Attack("zip: comment", lambda forge: by_hand(forge).close(comment=b"hello"), UNTOLD)
    yield Attack("zip: a comment that is the end", _two_ends, UNTOLD)
    for what, told in (
        ("two disks", {"disk": 1}),
        ("fewer entries told", {"count": 20}),
        ("more entries told", {"count": 99}),
        ("counts differ", {"here": 3}),
        ("directory elsewhere", {"begin": 0}),
        ("directory shorter", {"length": 90}),
        ("zip64", {"count": 0xFFFF}),
        ("zip64 offset", {"begin": 0xFFFFFFFF}),
    ):
        yield Attack(f"zip: {what}", lambda forge, told=told: by_hand(forge).close(**told), UNTOLD)
    yield Attack("zip: bytes behind the directory", lambda forge: by_hand(forge).close(behind=b"x" * 9), UNTOLD)
    text = "VERIFY.txt"
    for what, told in (
        ("encrypted", {"flags": 1}),
        ("data descriptor", {"flags": 8, "between": bytes(16)}),
        ("patched data", {"flags": 32}),
        ("masked headers", {"flags": 1 << 13}),
        ("method 12", {"method": 12}),
        ("method 9", {"method": 9}),
        ("on another disk", {"disk": 1}),
        ("another name in its own header", {"local": b"VERIFY.tx_"}),
        ("a longer name in its own header", {"local": b"VERIFY.txt.exe"}),
        ("bytes behind it", {"between": b"hidden"}),
        ("its size larger", {"size": 9999}),
        ("its size smaller", {"size": 10}),
        ("its size zero", {"size": 0}),
        ("its size zip64", {"size": 0xFFFFFFFF}),
        ("its size over the limit", {"size": 0x80000000}),
        ("its data longer", {"length": 9999}),
        ("its data shorter", {"length": 10}),
        ("no deflate stream", {"packed": b"\xff" * 40}),
        ("a deflate stream cut short", {"packed": deflated(b"x" * 1000)[:-3]}),
        ("bytes behind its stream", {"packed": deflated(b"x") + b"more", "size": 1}),
        ("two streams", {"packed": deflated(b"x") + deflated(b"y"), "size": 1}),
        ("no data", {"packed": b""}),
        ("stored, and sizes differ", {"method": 0, "size": 3}),
        ("a bomb", {"packed": deflated(bytes(2**24))}),
        ("at the place of another", {"at": 0}),
        ("beyond the end", {"at": 2**31}),
    ):
        yield Attack(f"zip: {what}", lambda forge, told=told: by_hand(forge, text, **told).close(), UNTOLD)
    yield Attack("zip: stored members", _all_stored, VERIFIED)
    yield Attack("zip: in another order", _reordered, VERIFIED)
    yield Attack("zip: a member that no entry names", _unnamed, UNTOLD)
    yield Attack("zip: entries in another order than members", _entries_reversed, UNTOLD)
    yield Attack("zip: an entry twice", _entry_twice, UNTOLD)
    yield Attack("zip: a member twice", lambda forge: _added(forge, b"VERIFY.txt"), TAMPERED)
    yield Attack("zip: manifest twice", lambda forge: _added(forge, b"manifest"), TAMPERED)
    for name in (
        b"../VERIFY.txt", b"a/../b", b"./a", b"a/.", b"..", b".", b"", b"/etc/passwd", b"a//b", b"a/", b"C:\\x", b"a b",
        b"caf\xc3\xa9.txt", b"a\x00b", b"a\nb", b"\xff",
    ):  # fmt: skip
        yield Attack(f"zip: a member called {name!r}", lambda forge, name=name: _added(forge, name), TAMPERED)
    yield Attack("zip: a member called ..a", lambda forge: _added(forge, b"..a"), TAMPERED, "..a")
    missing = lambda forge: pack([("../a", b"x")])  # noqa: E731
    yield Attack("zip: a bad name, and no manifest", missing, UNTOLD)


def _two_ends(forge: Forge) -> bytes:
    """A comment that ends as an end record does, so that some readers see another directory."""
    return by_hand(forge).close(comment=pack([("manifest", b"x")]))


def _all_stored(forge: Forge) -> bytes:
    parts = Parts()
    for name, data in forge.members.items():
        parts.add(name.encode(), data, method=0)
    return parts.close()


def _reordered(forge: Forge) -> bytes:
    return pack(sorted(forge.members.items(), reverse=True))


def _unnamed(forge: Forge) -> bytes:
    parts = by_hand(forge)
    parts.add(b"statement.txt", b"another")
    parts.entries.pop()
    return parts.close()


def _entries_reversed(forge: Forge) -> bytes:
    parts = by_hand(forge)
    parts.entries.reverse()
    return parts.close()


def _entry_twice(forge: Forge) -> bytes:
    parts = by_hand(forge)
    parts.entries.append(parts.entries[-1])
    return parts.close()


def _added(forge: Forge, name: bytes) -> bytes:
    parts = by_hand(forge)
    parts.add(name, b"x")
    return parts.close()
