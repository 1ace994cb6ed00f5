"""What is kept for the headend across sessions."""

from __future__ import annotations

from dataclasses import replace

from agent.reports import Reports
from dermscore.intent import IntentState
from wire.convert import AssetEvent, Report, Severity

REPORT = Report("b1", "e1", 1, "d1", IntentState.RECEIVED, "", 0, None)
EVENT = AssetEvent("b1", "device_lost", Severity.ALARM, "no answer", 0)


def test_without_a_session_the_last_word_on_each_intent_waits() -> None:
    reports, said = Reports(), []
    reports.report(REPORT)
    reports.report(replace(REPORT, state=IntentState.ACTIVE))
    reports.report(replace(REPORT, revision=2))
    reports.event(EVENT)
    reports.attach(lambda what: said.append(what) is None)
    assert said == [replace(REPORT, state=IntentState.ACTIVE), replace(REPORT, revision=2), EVENT]


def test_reports_are_repeated_in_a_new_session_and_events_are_not() -> None:
    reports, first, second = Reports(), [], []
    reports.attach(lambda what: first.append(what) is None)
    reports.report(REPORT)
    reports.event(EVENT)
    reports.detach()
    reports.attach(lambda what: second.append(what) is None)
    assert first == [REPORT, EVENT]
    assert second == [REPORT]


def test_an_event_that_could_not_be_said_waits_for_the_next_session() -> None:
    reports, said = Reports(), []
    reports.attach(lambda _: False)
    reports.event(EVENT)
    reports.detach()
    reports.attach(lambda what: said.append(what) is None)
    assert said == [EVENT]


def test_every_asset_of_a_large_site_keeps_its_last_words() -> None:
    reports, said = Reports(), []
    sites = [replace(REPORT, asset_id=f"b{number}") for number in range(1_000)]
    for report in sites:
        reports.report(report)
    for revision in range(2, 1_000):  # a busy asset pushes out no other's
        reports.report(replace(REPORT, asset_id="b0", revision=revision))
    reports.attach(lambda what: said.append(what) is None)
    assert [what for what in said if what.asset_id != "b0"] == sites[1:]


def test_what_is_kept_is_bounded() -> None:
    reports, said = Reports(kept_intents=4, kept_events=4), []
    for revision in range(1, 100):
        reports.report(replace(REPORT, revision=revision))
        reports.event(replace(EVENT, time_ms=revision))
    reports.attach(lambda what: said.append(what) is None)
    assert [what.revision for what in said if isinstance(what, Report)] == [96, 97, 98, 99]
    assert [what.time_ms for what in said if isinstance(what, AssetEvent)] == [96, 97, 98, 99]
