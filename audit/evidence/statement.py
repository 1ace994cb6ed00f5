"""What an evidence file says of itself in plain words: `statement.txt` and `VERIFY.txt`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from audit.approval import written
from audit.evidence.gathering import LISTED, Change
from audit.evidence.request import ALL_KINDS, NO_ID, Asked
from audit.format.kinds import LOSSES
from audit.words import many, printable, utc

DISCLAIMER: Final = (
    "Nothing in this file says that a requirement of any standard applies, or is met. Those determinations are the\n"
    "Responsible Entity's. The file shows what this log recorded at this boundary, and what proves it; nothing more.\n"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the statement tells. Times in UTC microseconds; `kinds` and `asked_for` count records.

    `first` to `first` + `lines` - 1 are the lines, at `times`; of a sample they are some of `population` records.
    `clock_steps`: in all of the log. `cosigned`: how far a witness's word reaches, in words. `missing`: digests not at
    hand, each with the name that a record gives it.
    """

    mark: str
    origin: str
    request: str
    asked: Asked
    made: int
    made_by: str
    key: str
    size: int
    root: str
    first: int
    lines: int
    times: tuple[int, int]
    log_ended: bool
    sampled: bool
    population: int
    seed: str
    kinds: Mapping[str, int]
    asked_for: Mapping[str, int]
    changes: Sequence[Change]
    changes_total: int
    with_bodies: int
    withheld: bool
    documents: int
    missing: Mapping[str, str]
    approvals: int
    approvals_missing: Sequence[str]
    cosigned: str
    pruned: int
    clock_steps: int


def statement(facts: Facts) -> str:
    """`statement.txt`; the first line is the mark, if there is one."""
    parts = [
        ("", _head(facts)),
        ("What was asked", _asked(facts)),
        ("What is in the file, and whether something was left out", _completeness(facts)),
        ("Contract changes", _changes(facts)),
        ("Records asked for, by kind", _counts(facts.asked_for)),
        ("All records in the file, by kind", _counts(facts.kinds)),
        ("What is missing", _missing(facts)),
        ("What this is worth", _worth(facts)),
    ]
    told = (
        ("\n" + heading + "\n" + "-" * len(heading) + "\n" if heading else "", tuple(body)) for heading, body in parts
    )
    return "".join(heading + "".join(f"{line}\n" for line in body) for heading, body in told if body)


def _head(facts: Facts) -> Iterator[str]:
    if facts.mark:
        yield facts.mark
    yield f"Evidence of the log {facts.origin}" + ("" if facts.request == NO_ID else f", request {facts.request}")
    yield f"made {written(facts.made)} by {facts.made_by}"


def _asked(facts: Facts) -> Iterator[str]:
    yield f"Records from {written(facts.asked.since)} (included) to {written(facts.asked.until)} (not included), UTC"
    yield f"of {kinds_in_words(facts.asked)}, by the log's own clock."


def kinds_in_words(asked: Asked) -> str:
    """`all kinds`, or `kind denied`, or `kinds denied, log.*`."""
    if asked.kinds == ALL_KINDS:
        return "all kinds"
    return f"kind{'s' if len(asked.kinds) > 1 else ''} {', '.join(asked.kinds)}"


def losses_in_words(count: int) -> str:
    return f"The log itself says {many(count, 'time')} that something was lost (log.gap, log.cut in these lines)."


def _completeness(facts: Facts) -> Iterator[str]:
    period = f"from {written(facts.asked.since)} to {written(facts.asked.until)}"
    if facts.sampled:
        asked = kinds_in_words(facts.asked)
        yield f"A sample: {facts.lines} of {many(facts.population, 'record')} of {asked} {period}."
        yield "These are the ones with the smallest SHA-256 of the seed, a newline, the record's number and a newline."
        yield f"The seed was {facts.seed}"
        if facts.seed == facts.root:
            yield "That is the log's root, for the auditor gave no seed: a record later it would have been another."
        yield "The file proves that these records are in the log, and nothing of the others, nor how many they are."
        return
    yield f"All {many(facts.population, 'record')} of {kinds_in_words(facts.asked)} {period}: none is left out."
    last = facts.first + facts.lines - 1
    yield "Between the first and the last of these lines nobody has to believe that:"
    yield f"every one of the {facts.lines:,} records from number {facts.first} to {last}, of whatever kind, is in the"
    yield f"file, and hashes join them to the log's signed checkpoint, which covers {facts.size:,} records."
    begin = "It is the log's first record." if facts.first == 0 else "It stands before the period."
    end = "It was the log's newest record." if last == facts.size - 1 else "It stands behind the period."
    yield f"The first of them is of {utc(facts.times[0])}. {begin}"
    yield f"The last of them is of {utc(facts.times[1])}. {end}"
    lost = sum(facts.kinds.get(kind, 0) for kind in LOSSES)
    if lost:
        yield losses_in_words(lost)
    if facts.log_ended:
        yield f"THE LOG HAD NO MORE: the evidence is complete up to {utc(facts.times[1])} only."
    yield f"The log's clock was stepped {many(facts.clock_steps, 'time')}, in all of the log. No record whose time"
    yield "is of the period stands outside of this range; of that, the maker's word is all there is."
    if facts.pruned:
        yield f"{many(facts.pruned, 'record')} of the log were pruned, none of this range; their times cannot be seen."


def _changes(facts: Facts) -> Iterator[str]:
    if not facts.changes:
        return
    two = sum(change.approval is not None and len(change.approval.signers) > 1 for change in facts.changes)
    yield f"{many(facts.changes_total, 'contract change')}, {two} with the names of two persons or more:"
    for change in facts.changes:
        yield from _change(change)
    if facts.changes_total > LISTED:
        yield "The others stand in tables/changes.csv."
    yield "The names are those that stand under the approvals, and anybody can add one: whether they were good, a"
    yield "verifier tells who is given the ring of persons."


def _change(change: Change) -> Iterator[str]:
    header, given = change.header, change.approval
    yield f"  {utc(header.t)}  {printable(header.decision)}  (record {header.seq})"
    yield f"    contract {header.digests.get('contract', 'not named')}"
    if given is None:
        yield f"    ticket {printable(header.rule) or 'none'}; no approval is in the file"
        return
    asked = given.request
    yield f"    ticket {asked.ticket}; asked by {asked.author}, in effect from {written(asked.effective)}"
    yield f"    signed by {', '.join(given.signers)}"


def _counts(counts: Mapping[str, int]) -> Iterator[str]:
    for kind in sorted(counts):
        yield f"  {counts[kind]:>12,}  {kind}"


def _missing(facts: Facts) -> Iterator[str]:
    if facts.withheld:
        yield f"The values of {many(facts.with_bodies, 'record')} were withheld; their digests stand in the records."
    if facts.missing:
        yield f"Documents that records name and that were not at hand ({facts.documents} are in the file):"
        yield from (f"  {name} {digest}" for digest, name in facts.missing.items())
    if len(facts.missing) >= LISTED:
        yield "  and perhaps others"
    if facts.approvals_missing:
        yield f"Approvals that records name and that the log has not ({facts.approvals} are in the file):"
        yield from (f"  {digest}" for digest in facts.approvals_missing)
    yield facts.cosigned
    yield "Anything that was recorded behind the checkpoint, or never recorded."


def _worth(facts: Facts) -> Iterator[str]:
    yield f"Root {facts.root} over {facts.size:,} records,"
    yield f"signed by {facts.key}"
    yield "VERIFY.txt says how to check that. This statement, and what else is here for people, is as true as whoever"
    yield "signed the manifest; the tables are checked against the records."
    yield from DISCLAIMER.splitlines()


def how_to_verify(mark: str, origin: str, key: str, approved: bool) -> str:
    """`VERIFY.txt`. `key`: the verifier key that was in force; `approved`: whether approvals are in the file."""
    ring = (
        "Give it the ring of persons, too (--ring): it judges who made this file and the approvals in it.\n"
        if approved
        else "With the ring of persons (--ring) it judges who made this file, too.\n"
    )
    return (f"{mark}\n" if mark else "") + (
        f"""How to check this file

You need the verifier key of the log {origin}, and you need it from elsewhere: never from this
file. This is the key that was in force, for comparison only:

  {key}

1. With a browser. Open your own copy of verifier.html (the one in this file may have been put there by whoever
   altered the rest), and drop the zip file and the key on it. It needs no network.

2. With derms, wherever it is installed:

     derms audit verify FILE.zip --key audit.pub

   {ring}
3. By hand. Unpack the zip file. This checks that every member is the one that the manifest names:

     sed -nE 's/^([0-9a-f]{{64}}) [0-9]+ (.+)$/\\1  \\2/p' manifest | sha256sum --check

   How to check the signatures of the manifest and of log/checkpoint with openssl, and a record against the
   checkpoint, stands in the project's page verify-by-hand.

Read first what was asked: the period, the kinds and whether it is a sample, in the manifest or in statement.txt.

"""
        + DISCLAIMER
    )
