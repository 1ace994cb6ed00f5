"""The report: what it says of each verdict, and that nothing in a log can make it say something else."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import busy_trail
import pytest
from busy_trail import HOSTILE, HOUR_US, NOON_US
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.format.layout import Layout
from audit.format.note import VerifierKey
from audit.format.statement import Rebase
from audit.telling import report
from audit.telling.report import DISCLAIMER, Facts
from audit.telling.tally import tally
from audit.verify import Verified, verify
from audit.verify.scope import EVERYTHING, Scope
from audit.verify.timeline import Listed, Moment, Silence, Timeline
from audit.verify.verdict import CouldNotTell, Tampered
from audit.witness.coverage import Coverage, NotWitnessed

MADE_US = NOON_US + 100 * HOUR_US


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory, key: Ed25519PrivateKey, public: VerifierKey) -> Facts:
    trail = busy_trail.make(tmp_path_factory.mktemp("told"), key)
    verdict = verify(trail, [public])
    assert isinstance(verdict, Verified)
    counted = tally(Layout(trail), verdict.records, EVERYTHING)
    return Facts("trail", MADE_US, EVERYTHING, verdict, None, counted)


class Read(HTMLParser):
    """A page as a browser takes it: its tags, its attributes, its text outside the style sheet."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attrs}
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text += data


OURS = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "div", "section", "ul", "li",
        "table", "thead", "tbody", "tr", "th", "td"}  # fmt: skip


def read(facts: Facts) -> Read:
    page = report.page(facts)
    found = Read(page)
    assert found.tags <= OURS
    assert found.names <= {"lang", "charset", "http-equiv", "content", "name", "class", "scope"}
    assert "://" not in page
    assert not any(word in page.lower() for word in ("compliant", "certified"))
    assert DISCLAIMER in found.text
    return found


def test_a_verified_log(facts: Facts) -> None:
    text = read(facts).text
    assert "\u2713 VERIFIED" in text
    assert "Of the 13 records that the log's signed checkpoint covers, none was altered" in text
    assert "Proved complete up to 2026-11-26T12:00:00.000000Z by its clock; that is 1 d 4 h before now" in text
    assert "isolated, by" in text
    assert '@top-left { content: "Audit trail example.com/gateway-1, 2026-11-27";' in report.page(facts)
    assert "no witness's key was given" in text
    assert "; the whole log." in text.replace("\n", " ")
    assert text.index("VERIFIED") < text.index("Counts") < text.index("Timeline") < text.index("Crossings by day")


def test_hostile_texts_are_text(facts: Facts) -> None:
    page = report.page(facts)
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;\\x1b[2J\\u202e &amp;amp;" in page
    folder = 'x"}</style><script>alert(1)</script>\udcff'
    told = read(replace(facts, folder=folder, verdict=CouldNotTell(HOSTILE), tally=None))
    assert "\\udcff" in told.text
    assert "<script>alert('x')</script>\\x1b[2J" in told.text


def test_tampered_and_could_not_tell(facts: Facts) -> None:
    text = read(
        replace(facts, verdict=Tampered(7, Path("trail/headers/x"), "record 7 was altered", 7), tally=None)
    ).text
    assert "\u2717 TAMPERED" in text
    assert "record 7 was altered, in trail/headers/x." in text
    assert "The 7 records before it chain without a break." in text
    assert "Counts" not in text
    assert "? COULD NOT TELL" in read(replace(facts, verdict=CouldNotTell("no key"), tally=None)).text


@pytest.mark.parametrize(
    ("reach", "words"),
    [
        (NotWitnessed("there is no word"), "13 newest records not yet cosigned by the witness"),
        (Coverage("w", 12, 1_795_000_000, 1), "1 newest record not yet cosigned by the witness"),
        (Coverage("w", 13, 1_795_000_000, 0), "Cosigned by w up to 13 records at"),
    ],
)
def test_the_witness(facts: Facts, reach: Coverage | NotWitnessed, words: str) -> None:
    text = read(replace(facts, reach=reach)).text
    assert words in text
    assert "no witness's key was given" not in text


def test_a_period(facts: Facts) -> None:
    since = read(replace(facts, scope=Scope(since=NOON_US))).text
    assert "values and happenings from 2026-11-23T12:00:00.000000Z to its end; chain" in since
    until = read(replace(facts, scope=Scope(until=NOON_US))).text
    assert "from its beginning to before 2026-11-23T12:00:00.000000Z; chain" in until


def test_what_is_not_listed_is_said(facts: Facts) -> None:
    assert isinstance(facts.verdict, Verified)
    told = Timeline(
        gaps=Listed(5, (Moment(3, NOON_US, "no disk"),)),
        silence_count=1,
        silences=(Silence(4, NOON_US, 3 * HOUR_US),),
    )
    verdict = replace(
        facts.verdict, timeline=told, unreleased_bytes=None, rebased_from=Rebase("example.com/old", 7, "ab" * 32)
    )
    text = read(replace(facts, verdict=verdict, tally=None)).text
    assert "Not listed: gap: 4 more." in text
    assert "no record for 3 h behind this one" in text
    assert "silent 1 time for more than 1 min, the longest 3 h behind record 4" in text
    assert "cannot be counted" in text
    assert "7 records of example.com/old, root abab" in text
    assert "Crossings by day" not in text


def test_an_empty_log(facts: Facts) -> None:
    assert isinstance(facts.verdict, Verified)
    empty = replace(
        facts.verdict, records=1, proved_until=None, openings=0, timeline=Timeline(), bodies=0, unreleased_bytes=0
    )
    text = read(replace(facts, verdict=empty, tally=None, reach=Coverage("w", 1, 1, 0))).text
    assert "Of the 1 record that" in text
    assert "None yet." in text
    assert "To be explained or looked after\nNothing." in text
    assert "Timeline\nNone." in text
