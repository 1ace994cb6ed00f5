"""Whether an evidence file can be believed: the file, keys from elsewhere, a verdict.

The steps and their order are those of `docs/reference/evidence-format.md`, "Verifying". Nothing is unpacked to disk,
and memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from audit import approval
from audit.approval import Approval, Ring
from audit.errors import BadKey
from audit.evidence import lines, manifest, subtrees
from audit.evidence.archive import Archive, Unreadable
from audit.evidence.contents import Bodies, Contents, Progress
from audit.evidence.lines import Read
from audit.evidence.manifest import Manifest
from audit.evidence.members import APPROVALS, BODIES, CHECKPOINT, COSIGNED, COSIGNED_AFTER, MANIFEST
from audit.evidence.signers import NotSigned, signers
from audit.evidence.verdict import EvidenceTampered, EvidenceVerdict, EvidenceVerified, Stop, bad
from audit.format import checkpoint, note, proof
from audit.format.checkpoint import Checkpoint
from audit.format.layout import SEGMENT_LINES
from audit.format.note import NOTE_LIMIT, MalformedNote, Note, VerifierKey
from audit.secrecy import BodyKeys
from audit.verify.verdict import CouldNotTell
from audit.witness.cosignature import WitnessKey
from audit.witness.coverage import Contradicted, Coverage, Witnessed, witnessed

__all__ = ["CouldNotTell", "EvidenceTampered", "EvidenceVerdict", "EvidenceVerified", "verify"]


def verify(
    path: Path,
    public_keys: Sequence[VerifierKey],
    *,
    ring: Ring | None = None,
    witness_keys: Sequence[WitnessKey] = (),
    body_keys: BodyKeys | None = None,
    progress: Progress | None = None,
    segment_lines: int = SEGMENT_LINES,
) -> EvidenceVerdict:
    """The verdict on an evidence file by keys that come from outside it.

    `ring` judges who made it and the approvals in it; `progress` hears how many records' values were checked;
    `segment_lines` is for tests.
    """
    given = _Given(tuple(public_keys), ring, tuple(witness_keys), body_keys, progress, segment_lines)
    try:
        if not public_keys:
            return CouldNotTell("no key was given; evidence is verified with the log's key, from elsewhere")
        with Archive(path) as archive:
            return _judge(archive, given)
    except Stop as stop:
        return stop.verdict
    except Unreadable as problem:
        return CouldNotTell(f"{path} is not an evidence file: {problem}")
    except OSError as problem:
        return CouldNotTell(f"a file cannot be read: {problem}")
    except BadKey as problem:
        return CouldNotTell(str(problem))


@dataclass(frozen=True, slots=True)
class _Given:
    """What came from outside."""

    keys: tuple[VerifierKey, ...]
    ring: Ring | None
    witnesses: tuple[WitnessKey, ...]
    body_keys: BodyKeys | None
    progress: Progress | None
    segment_lines: int


def _judge(archive: Archive, given: _Given) -> EvidenceVerified:
    """Steps 1 to 11."""
    told, makers = _members(archive, given.ring)
    newest, signer = _checkpoint(archive, told.origin, given.keys)
    found = lines.read(archive, told, newest)
    bodies = Bodies(given.progress)
    if BODIES in archive:
        bodies.check(archive, told, given.body_keys, given.segment_lines)
    lines.check_tree(archive, told, newest, found.tree)
    lines.check_period(archive, told, newest, found)
    contents = Contents(told, given.ring, lambda digest: _approval(archive, digest))
    contents.check(archive)
    cosigned = _cosigned(archive, newest, given.witnesses)
    early = lines.ended_early(told, found)
    return EvidenceVerified(
        key=signer,
        size=newest.size,
        root=newest.root.hex(),
        manifest=told,
        made_by=makers,
        made_by_judged=given.ring is not None,
        asked_for=found.asked_for,
        complete_up_to=_complete_up_to(told, found, early),
        log_ended=early and not told.sampled,
        bodies=bodies.checked,
        encrypted_bodies=bodies.encrypted,
        decrypted_bodies=bodies.decrypted,
        values_withheld=BODIES not in archive and found.with_bodies > 0,
        approvals_unchecked=contents.approvals_unchecked,
        not_approved=contents.not_approved,
        denied=contents.denied,
        clock_steps=found.clock_steps,
        lost=found.lost,
        cosigned=cosigned,
    )


def _complete_up_to(told: Manifest, found: Read, early: bool) -> int | None:
    if told.sampled:
        return None
    return found.last.t if early else told.asked.until


def _members(archive: Archive, ring: Ring | None) -> tuple[Manifest, tuple[str, ...]]:
    """Steps 1 to 3: the members are those that the manifest names, and a person stands for it: these do."""
    measured = {each.entry.name: each for each in archive.measure()}
    if MANIFEST not in archive:
        raise Stop(CouldNotTell("there is no manifest in it: it is no evidence file"))
    if not archive.names_are_good():
        raise bad(None, "a member has a name that none may have, or one that another has, too")
    told, signed = _manifest(archive)
    for member in told.members:
        there = measured.pop(member.name, None)
        if there is None:
            raise bad(member.name, f"{member.name} is missing: the manifest names it")
        if (there.entry.size, there.digest) != (member.length, member.digest):
            raise bad(member.name, f"{member.name} is not the one that the manifest names")
    for name in sorted(measured.keys() - {MANIFEST}):
        raise bad(name, f"{name} is not in the manifest: it was put in later")
    makers = signers(signed, told.made, ring)
    if isinstance(makers, NotSigned):
        raise bad(MANIFEST, f"the manifest cannot be believed: {makers.why}")
    return told, makers


def _manifest(archive: Archive) -> tuple[Manifest, Note]:
    data = archive.read(MANIFEST, manifest.LIMIT)
    if data is None:
        raise bad(MANIFEST, f"the manifest is longer than {manifest.LIMIT} bytes")
    try:
        return manifest.parse(data)
    except MalformedNote as problem:
        raise bad(MANIFEST, f"the manifest {problem}") from None


def _checkpoint(archive: Archive, origin: str, keys: Sequence[VerifierKey]) -> tuple[Checkpoint, VerifierKey]:
    """Step 4."""
    data = archive.read(CHECKPOINT, NOTE_LIMIT)
    if data is None:
        raise bad(CHECKPOINT, "the log's checkpoint is missing, or too long to be one")
    try:
        newest, signed = checkpoint.parse(data)
    except MalformedNote as problem:
        raise bad(CHECKPOINT, f"the checkpoint {problem}") from None
    if newest.origin != origin:
        raise bad(CHECKPOINT, f"the checkpoint is of {newest.origin}, and the manifest says {origin}")
    found = note.check(signed, keys)
    if isinstance(found, note.Signed):
        if found.key.name != origin:
            raise bad(CHECKPOINT, f"the checkpoint is signed by a key of another name, {found.key.name}")
        return newest, found.key
    if not found.forged and all(key.name != origin for key in keys):
        names = ", ".join(sorted({key.name for key in keys}))
        raise Stop(CouldNotTell(f"the key given is for {names}, and this is evidence of {origin}: give that log's key"))
    altered = "the checkpoint's signature is wrong: its text or the signature was altered"
    other = "the checkpoint is not signed by the key given: another key was in force, or it was signed anew"
    raise bad(CHECKPOINT, altered if found.forged else other)


def _approval(archive: Archive, digest: str) -> Approval | None:
    """The approval of this digest, if it is there and has the form of one."""
    data = archive.read(APPROVALS + digest, NOTE_LIMIT)
    try:
        return None if data is None or sha256(data).hexdigest() != digest else approval.parse(data)
    except MalformedNote:
        return None


def _cosigned(archive: Archive, newest: Checkpoint, keys: Sequence[WitnessKey]) -> Coverage | None:
    """Step 10."""
    if not keys or COSIGNED not in archive:
        return None
    data = archive.read(COSIGNED, NOTE_LIMIT)
    word = Contradicted("the cosigned checkpoint is too long to be one") if data is None else witnessed(data, keys)
    if isinstance(word, Contradicted):
        raise bad(COSIGNED, word.what)
    if not isinstance(word, Witnessed):
        return None
    had = word.checkpoint
    if had.origin != newest.origin or had.size > newest.size:
        raise bad(
            COSIGNED, f"{word.key.name} has cosigned another log, or {had.size} records, which are more than these"
        )
    steps = lines.hashes_of(archive, COSIGNED_AFTER, len(subtrees.after(had.size, newest.size)))
    if steps is None:
        raise bad(COSIGNED_AFTER, f"the proof is missing, or is none, that {word.key.name} has cosigned this log")
    if not proof.is_consistent(had.size, had.root, newest.size, newest.root, steps):
        raise bad(COSIGNED, f"the {had.size} records that {word.key.name} has cosigned are not proved to be this log's")
    return Coverage(word.key.name, had.size, word.time_s, newest.size - had.size)
