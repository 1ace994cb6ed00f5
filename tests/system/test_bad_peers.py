"""Those who dial in, or are dialled, without the right to it; and a second process in a folder that has one."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.system.home import (
    BATTERY,
    FOUND_WRONG,
    GOOD,
    GUERNSEY,
    JERSEY,
    SECOND_BATTERY,
    Home,
    Running,
    ask,
    change,
    derms_in,
    eventually,
    expire,
)
from wire import pki as authority

# --- over the streams ------------------------------------------------------------------------------------------------


def test_agents_that_may_not_are_refused_with_a_reason_on_both_sides(home: Home, start: Callable[..., Running]) -> None:
    headend = start("headend", "run", home.headend)
    headend.has_said("headend is up")
    good = start(*home.agent("run", BATTERY))
    good.has_said("registered")

    stranger = "00000000-0000-4000-8000-000000000001"
    fleet = home.folder / "more.yaml"
    fleet.write_text(
        (home.headend / "assets.yaml").read_text(encoding="utf-8") + f"  - {json.dumps(GOOD | {'id': stranger})}\n"
    )
    authority.add(home.pki, [stranger])
    moved = home.folder / "moved.yaml"  # says that Jersey's battery is Guernsey's
    text = (home.headend / "assets.yaml").read_text(encoding="utf-8")
    moved.write_text(text.replace(f"site_id: {JERSEY}", f"site_id: {GUERNSEY}", 1), encoding="utf-8")
    expire(home, f"agents/{SECOND_BATTERY}")

    unknown = start(*home.agent("run", stranger, fleet))
    thief = start(*home.agent("run", GUERNSEY, moved))
    site = start(*home.agent("run", JERSEY))
    late = start(*home.agent("run", SECOND_BATTERY))
    unknown.has_said("refused by the headend", f"agent {stranger} may not claim {stranger}")
    thief.has_said("refused by the headend", f"agent {GUERNSEY} may not claim {BATTERY}")
    site.has_said("refused by the headend", f"agent {BATTERY} speaks for asset {BATTERY}")
    late.has_said("it may not accept our certificate; its own log says why")
    headend.has_said(
        f"agent {stranger} may not claim {stranger}",
        f"agent {GUERNSEY} may not claim {BATTERY}",
        f"agent {BATTERY} speaks for asset {BATTERY}",
        "certificate has expired",
    )
    _, agents = ask(home, "GET", "/agents")
    assert [line["asset_id"] for line in agents if line["connected"]] == [BATTERY]
    assert good.process.poll() is None
    assert "link down" not in good.said


def test_a_gateway_believes_nobody_whose_key_it_does_not_trust(home: Home, start: Callable[..., Running]) -> None:
    start("headend", "run", home.headend).has_said("headend is up")
    authority.init(home.folder / "other", [])
    change(home.gateway / "gateway.yaml", str(home.pki / "publisher.pub"), str(home.folder / "other" / "publisher.pub"))
    gateway = start("gateway", "run", home.gateway)
    gateway.has_said("publication refused", "is not one of the trusted publishing keys")
    eventually((home.gateway / "status.json").exists)
    code, said = derms_in(home.folder, "gateway", "status", "gateway", "--json")
    status = json.loads(said)
    assert code == FOUND_WRONG
    assert (status["headend_link"], status["good"]) == ("down", 0)
    assert any("not believed" in each for each in status["wrong"])
    assert gateway.stop() == 0

    trail, key = home.gateway / "trail", home.gateway / "keys" / "audit.pub"
    code, said = derms_in(home.folder, "audit", "show", trail, "--json")
    kinds = [json.loads(line)["kind"] for line in said.splitlines()]
    assert "denied" in kinds
    assert "crossing.out" not in kinds
    assert derms_in(home.folder, "audit", "verify", trail, "--key", key)[0] == 0


def test_two_of_one_kind_in_one_folder(home: Home, start: Callable[..., Running]) -> None:
    first = {start(who, "run", home.folder / who): who for who in ("headend", "gateway")}
    for running, who in first.items():
        running.has_said({"headend": "headend is up", "gateway": "listening"}[who])
    for who, told in (
        ("headend", "a headend runs in headend already"),
        ("gateway", "trail is open in another process"),
    ):
        code, said = derms_in(home.folder, who, "run", who)
        assert code == FOUND_WRONG
        assert told in said
    assert all(running.process.poll() is None for running in first)
