"""What each key of dispatch.yaml does in a running headend, and what it does not: docs/reference/policy-yaml.md."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from textwrap import dedent, indent

import pytest

from daemon.config import packaged
from dermscore.intent import IntentState
from dermscore.policy import load_folder
from headend.filing import NotTaken


@pytest.fixture
def under(tmp_path, restart):
    """`async with under(text) as desk:` is a desk under a dispatch.yaml of operator, default and this."""

    def start(programs: str = "", more: str = ""):
        folder = tmp_path / "policy"
        folder.mkdir(exist_ok=True)
        (folder / "access.yaml").write_text(packaged("policies/headend/access.yaml").read_text())
        text = dedent(
            """\
            version: 1
            programs:
              scada: {primacy: 1, max_duration_s: 86400}
              operator: {primacy: 5, max_duration_s: 14400}
              default: {primacy: 10, max_duration_s: 3600}
            """
        )
        (folder / "dispatch.yaml").write_text(text + indent(dedent(programs), "  ") + dedent(more))
        return restart(load_folder(folder))

    return start


def asked(answer) -> dict[str, float | None]:
    return {placed.asset_id: placed.intent.setpoint_w for placed in answer.kept.intents}


@pytest.mark.parametrize("node", ["feeder/F12/site/S1", "feeder/F12"])
@pytest.mark.parametrize("mode", ["ExpLimW", "MaxLimW", "GenLimW"])
async def test_a_default_limit_bounds_what_is_dispatched(under, ids, node, mode):
    async with under(f"utility: {{primacy: 9, max_duration_s: 60, defaults: {{{node}: {{{mode}: 9.0e6}}}}}}\n") as desk:
        desk.connect(ids.b1, ids.b2)
        answer = await desk.ask(ids.path, 18)
        assert asked(answer) == {ids.b1: 5e6, ids.b2: 4e6}
        assert answer.kept.dispatch.shortfall_w == 9e6
        assert f"{mode} 9 MW" in answer.kept.dispatch.causes[0]
        assert "default of program utility" in answer.kept.dispatch.causes[0]
        assert isinstance(await desk.ask(ids.b1, 10, asset=True), NotTaken)


@pytest.mark.parametrize("mode", ["ImpLimW", "LoadLimW"])
async def test_a_default_limit_bounds_what_is_taken_in(under, ids, mode):
    async with under(f"utility: {{primacy: 9, max_duration_s: 60, defaults: {{/: {{{mode}: 9.0e6}}}}}}\n") as desk:
        desk.connect(ids.b1, ids.b2)
        assert asked(await desk.ask(ids.path, -18)) == {ids.b1: -5e6, ids.b2: -4e6}


@pytest.mark.parametrize("mode", ["Connect", "Energize"])
async def test_a_default_that_is_switched_off_leaves_nothing_but_0(under, ids, mode):
    off = f"utility: {{primacy: 9, max_duration_s: 60, defaults: {{{ids.path}: {{{mode}: false}}}}}}\n"
    async with under(off) as desk:
        desk.connect(ids.b1)
        answer = await desk.ask(ids.b1, 5, asset=True)
        assert isinstance(answer, NotTaken)
        assert f"{mode} off" in answer.reason
        assert asked(await desk.ask(ids.b1, 0, asset=True)) == {ids.b1: 0.0}


@pytest.mark.parametrize("mode", ["TargetW", "FixedW", "FixedVar"])
async def test_a_default_setpoint_is_sent_to_nobody_and_stands_against_nothing(under, ids, mode):
    held = f"utility: {{primacy: 0, max_duration_s: 60, defaults: {{{ids.path}: {{{mode}: 7.0e6}}}}}}\n"
    async with under(held) as desk:
        desk.connect(ids.b1)
        assert asked(await desk.ask(ids.b1, 5, asset=True)) == {ids.b1: 5e6}
        await desk.ask(ids.b1, None, asset=True)
        assert [intent.setpoint_w for intent in desk.sent[ids.b1]] == [5e6, None]


@pytest.mark.parametrize(
    ("amount", "mw", "placed_mw"),
    [
        ("export_limit_w: 9.0e6", 18, 9),
        ("generation_limit_w: 9.0e6", 18, 9),
        ("import_limit_w: 9.0e6", -18, -9),
        ("load_limit_w: 9.0e6", -18, -9),
        ("soc_reserve_pct: 60", 18, 0),
        ("soc_min_pct: 60", 18, 0),
        ("soc_max_pct: 40", -18, 0),
        ("ramp_w_per_s: 1", 18, 18),
        ("fallback_ramp_w_per_s: 1", 18, 18),
    ],
)
async def test_a_limit_bounds_a_dispatch_and_a_ramp_does_not(under, ids, amount, mw, placed_mw):
    more = f"limits: [{{paths: [{ids.path}], {amount}, reason: agreed}}]\n"
    async with under("", more) as desk:
        desk.connect(ids.b1, ids.b2)
        answer = await desk.ask(ids.path, mw)
        assert answer.kept.dispatch.placed_w == pytest.approx(placed_mw * 1e6)


async def test_a_limit_counts_in_its_windows_for_what_stands_too(under, ids, clocks, wait_until):
    begins = datetime.fromtimestamp(clocks.now.utc_ms / 1000, UTC) + timedelta(hours=1)
    ends = begins + timedelta(hours=1)
    window = f"windows: [{{begins: '{begins:%H:%M}', ends: '{ends:%H:%M}', zone: Etc/UTC}}]"
    async with under("", f"limits: [{{paths: [{ids.path}], export_limit_w: 5.0e6, reason: peak, {window}}}]\n") as desk:
        desk.connect(ids.b1)
        await desk.ask(ids.path, 9, duration_s=10_000, identifier="before")
        for number, setpoint_w in enumerate((9e6, 5e6, 9e6), start=1):
            await wait_until(lambda number=number: len(desk.sent[ids.b1]) == number)
            assert desk.sent[ids.b1][-1].setpoint_w == setpoint_w
            clocks.pass_s(3660)
            desk.hear(ids.b1, setpoint_w, setpoint_w=setpoint_w)


async def test_a_rebound_follows_nothing_that_the_headend_takes(under, ids, clocks, wait_until):
    more = f"rebounds: [{{paths: [{ids.path}], export_limit_w: 0, lasts_s: 3600, reason: pick-up}}]\n"
    async with under("", more) as desk:
        desk.connect(ids.b1)
        await desk.ask(ids.path, 0, duration_s=60, identifier="curtailed")
        desk.report(desk.sent[ids.b1][-1], IntentState.FOLLOWING, 0.0)
        clocks.pass_s(61)
        desk.hear(ids.b1)
        assert asked(await desk.ask(ids.path, 9)) == {ids.b1: 9e6}


async def test_a_market_programme_is_dispatched_like_any_other(under, ids):
    async with under(f"day_ahead: {{primacy: 6, max_duration_s: 60, market: true, paths: [{ids.path}]}}\n") as desk:
        desk.connect(ids.b1)
        assert asked(await desk.ask(ids.path, 9, program="day_ahead")) == {ids.b1: 9e6}
        assert isinstance(await desk.ask("feeder/F12", 9, program="day_ahead"), NotTaken)
