"""The report that people print: one HTML page, without scripts and without a network. Pure: facts in, text out.

Everything that is not ours is escaped: what a log says may have been written by anybody. No colour means anything by
itself, so that the page may be printed in black.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from audit.telling.spoken import freshness, happenings, not_cosigned, to_explain, what_stands
from audit.telling.tally import Tally
from audit.verify.scope import Scope
from audit.verify.timeline import Listed
from audit.verify.verdict import Tampered, Verdict, Verified
from audit.witness import attested
from audit.witness.attested import Reach
from audit.words import lasting, many, printable, utc

DISCLAIMER: Final = (
    "This report says what was checked in an audit trail and what was found. It is no determination: whether any "
    "requirement is met, the Responsible Entity determines."
)
_SHORT: Final = re.compile(r"[0-9TZ:.-]{27}|[a-z][a-z0-9. _-]{0,23}|[0-9]{1,16}")
"""Times, kinds and the numbers of records: cells that are not broken into lines."""
_NO_CSS: Final = re.compile(r"[^A-Za-z0-9._/:, -]")


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report tells. `folder` as it was given, `made` in UTC microseconds by the clock of whoever made it.

    `tally` is counted from the bytes that were verified; None where the log did not verify.
    """

    folder: str
    made: int
    scope: Scope
    verdict: Verdict
    reach: Reach | None
    tally: Tally | None


def page(facts: Facts) -> str:
    """The whole page."""
    name = facts.verdict.origin if isinstance(facts.verdict, Verified) else facts.folder
    title = f"Audit trail {name}, {_day(facts.made)}"
    parts = [
        f"<h1>Audit trail {_text(name)}</h1>",
        f"<p>Checked {_text(utc(facts.made))} by this computer's clock; folder {_text(facts.folder)};",
        f"{_period(facts)}.</p>",
        *_verdict(facts),
    ]
    if isinstance(facts.verdict, Verified):
        parts += _of_verified(facts, facts.verdict)
    parts += [*_yourself(facts.verdict), f"<p class=small>{_text(DISCLAIMER)}</p>"]
    return _HEAD.format(title=_text(title), running=_NO_CSS.sub("?", title)) + "\n".join(parts) + "\n</body></html>\n"


def _period(facts: Facts) -> str:
    since, until = facts.scope.since, facts.scope.until
    if since is None and until is None:
        return "the whole log"
    begins = "its beginning" if since is None else _text(utc(since))
    ends = "its end" if until is None else f"before {_text(utc(until))}"
    return f"values and happenings from {begins} to {ends}; chain, keys and root over the whole log"


def _verdict(facts: Facts) -> list[str]:
    word, said = _word(facts)
    return [f"<div class=verdict><p class=word>{word}</p>", *(f"<p>{_text(one)}</p>" for one in said), "</div>"]


def _word(facts: Facts) -> tuple[str, list[str]]:
    """The verdict in a word, as HTML, and in sentences."""
    match facts.verdict:
        case Verified() as verified:
            return "&#x2713; VERIFIED", [
                f"Of the {many(verified.records, 'record')} that the log's signed checkpoint covers, none was altered, "
                "none slipped in, and none taken away without a record that says so.",
                _sentence(freshness(verified.proved_until, facts.made)),
                _sentence(attested.in_words(facts.reach, verified.records)),
            ]
        case Tampered(_, where, what) as tampered:
            return "&#x2717; TAMPERED", [f"{what}, in {where}.", what_stands(tampered)]
    return "? COULD NOT TELL", [facts.verdict.why, "Treat this as an alarm until somebody has found out why."]


def _of_verified(facts: Facts, verdict: Verified) -> list[str]:
    parts = [
        *_section("Counts", _table(("what", "how many"), _counts(facts, verdict))),
        *_section("To be explained or looked after", _list(_exceptions(facts, verdict))),
        *_section("Timeline", _timeline(facts, verdict)),
    ]
    if facts.tally is not None:
        parts += _of_tally(facts.tally)
    return [*parts, *_section("Keys and witness", _table(("what", "which"), _keys(facts, verdict)))]


def _counts(facts: Facts, verdict: Verified) -> list[Sequence[object]]:
    unreleased = verdict.unreleased_bytes
    rows: list[Sequence[object]] = [
        ("records that the checkpoint covers", verdict.records),
        ("of them, pruned by a record that says so", verdict.pruned_records),
        ("bodies of values", verdict.bodies),
        ("of them, encrypted", verdict.encrypted_bodies),
        ("of the encrypted, read with their keys", verdict.decrypted_bodies),
        ("of them, left out by what was asked", verdict.bodies_unread),
        ("openings of the log", verdict.openings),
        ("ends without closing", verdict.timeline.unclosed.count),
        ("cuts after a crash", verdict.cuts),
        ("gaps for want of disk", verdict.gaps),
        ("steps of the clock", verdict.clock_steps),
        ("changes of the key", verdict.key_changes),
        ("denials", verdict.timeline.denials),
        ("bytes behind the checkpoint, no part of this", "cannot be counted" if unreleased is None else unreleased),
    ]
    uncovered = not_cosigned(facts.reach, verdict.records)
    rows.append(("newest records not yet cosigned", "not asked" if uncovered is None else uncovered))
    return rows


def _exceptions(facts: Facts, verdict: Verified) -> list[str]:
    uncovered = not_cosigned(facts.reach, verdict.records)
    found = to_explain(verdict)
    if uncovered is None:
        found.append(
            "no witness's key was given: a log that was rolled back, or written anew with its own key, looks sound"
        )
    elif uncovered:
        found.append(f"{many(uncovered, 'newest record')} not yet cosigned by the witness")
    for kind, listed in () if facts.tally is None else facts.tally.happenings:
        refused = [one for one in listed.moments if one.what.startswith(_REFUSED)]
        found += [f"{kind}: record {one.seq}, {utc(one.t)}, {one.what}" for one in refused]
    return found


_REFUSED: Final = ("refused", "isolated", "ALARM", "not cosigned", "not recorded", "findings")
"""How what a happening says begins where somebody should be able to explain it."""


def _timeline(facts: Facts, verdict: Verified) -> str:
    groups = [*happenings(verdict.timeline), *(() if facts.tally is None else facts.tally.happenings)]
    rows = [(one.seq, utc(one.t), kind, one.what) for kind, listed in groups for one in listed.moments]
    rows += [
        (one.after, utc(one.since), "silence", f"no record for {lasting(one.lasted_us)} behind this one")
        for one in verdict.timeline.silences
    ]
    told = ((str(seq), *rest) for seq, *rest in sorted(rows))
    table = _table(("record", "UTC, by the log's clock", "what", "in words"), told)
    more = [f"{kind}: {listed.count - len(listed.moments)} more" for kind, listed in groups if _cut(listed)]
    return table + (f"<p>Not listed: {_text('; '.join(more))}.</p>" if more else "")


def _cut(listed: Listed) -> bool:
    return listed.count > len(listed.moments)


def _of_tally(tally: Tally) -> list[str]:
    days = [
        (_day(day.start), day.out_records, day.out_things, day.in_records, day.in_things, day.denials)
        for day in tally.days
    ]
    denials = [
        (
            "(others)" if one.peer is None else one.peer,
            one.rule or "",
            one.count,
            one.records,
            utc(one.since),
            utc(one.until),
        )
        for one in tally.denials
    ]
    heads = ("day (UTC)", "out: records", "what they stand for", "in: records", "what they stand for", "denied")
    return [
        *_section("Crossings by day, out to SCADA and in from it", _table(heads, days)),
        *_section(
            "Denials by peer and rule", _table(("peer", "rule", "how often", "records", "first", "last"), denials)
        ),
        *_section("Records by kind", _table(("kind", "records"), tally.kinds)),
    ]


def _keys(facts: Facts, verdict: Verified) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = [
        ("log", verdict.origin),
        ("signed by", str(verdict.key)),
        ("root, hexadecimal", verdict.root),
        ("size", verdict.records),
        ("witness", attested.in_words(facts.reach, verdict.records)),
    ]
    if verdict.rebased_from is not None:
        old = verdict.rebased_from
        rows.append(("carries on after a restore", f"{old.size} records of {old.origin}, root {old.root}"))
    return rows


def _yourself(verdict: Verdict) -> list[str]:
    steps = [
        "Have the log's verifier key (audit.pub) from whoever made it, never from the log's folder, and compare it "
        "with the one in this report.",
        "With the program: derms audit verify LOG --key audit.pub --witness-key witness.pub",
        "With a browser alone: derms audit page --out verifier.html writes a page that checks the same without a "
        "network; it is another program than the one that made this report.",
        "With sha256sum and openssl alone: docs/howto/verify-by-hand.md.",
    ]
    if isinstance(verdict, Verified):
        steps.append(
            "Ask the witness, or whoever kept an earlier checkpoint, whether a log of "
            f"{many(verdict.records, 'record')} with this root follows what they saw."
        )
    return _section("How to check it yourself", _list(steps))


def _section(title: str, body: str) -> list[str]:
    return [f"<section><h2>{_text(title)}</h2>", body, "</section>"]


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else "<p>Nothing.</p>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    head = "".join(f"<th scope=col>{_text(one)}</th>" for one in heads)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>\n" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>" if body else "<p>None.</p>"


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"<td class=number>{value:,}</td>"
    return f"<td{' class=short' if _SHORT.fullmatch(str(value)) else ''}>{_text(str(value))}</td>"


def _text(text: str) -> str:
    return escape(printable(text))


def _day(micros: int) -> str:
    return utc(micros)[:10]


_HEAD: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
@page {{ margin: 20mm 15mm; @top-left {{ content: "{running}"; font: 9pt sans-serif; }}
  @bottom-right {{ content: counter(page) " / " counter(pages); font: 9pt sans-serif; }} }}
body {{ font: 10.5pt/1.45 sans-serif; color: #000; background: #fff; }}
body {{ max-width: 60rem; margin: 2rem auto; padding: 0 1rem; overflow-wrap: anywhere; }}
h1 {{ font-size: 1.5rem; }}
h2 {{ font-size: 1.1rem; margin: 1.6rem 0 .4rem; break-after: avoid; }}
.verdict {{ border: 3px double #000; padding: .4rem 1rem; break-inside: avoid; }}
.word {{ font-size: 1.5rem; font-weight: bold; margin: .2rem 0; }}
table {{ border-collapse: collapse; width: 100%; font-size: .9em; }}
th, td {{ border: 1px solid #777; padding: .15rem .4rem; text-align: left; vertical-align: top; }}
th {{ border-bottom-width: 2px; }} thead {{ display: table-header-group; }} tr {{ break-inside: avoid; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }}
.short, th {{ white-space: nowrap; overflow-wrap: normal; }}
.small {{ font-size: .85em; border-top: 1px solid #777; padding-top: .5rem; }}
@media print {{ body {{ margin: 0; max-width: none; padding: 0; }} }}
</style></head><body>
"""
