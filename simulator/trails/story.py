"""The story of a rehearsed trail: publications, commands and incidents, each told in its own time.

Everything that happens is a generator that does something, and yields the moment at which it goes on. The agenda takes
whoever is next; nothing sleeps, the host's clock is set.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Final

from gateway.service import ALIVE_MS, TICK_S
from simulator.trails import control, site
from simulator.trails.host import Clock
from simulator.trails.plan import DAY_US, MINUTE_US, SECOND_US, Incident, Plan, What
from simulator.trails.site import Files
from simulator.trails.standin import Goes, StandIn
from simulator.trails.trail import Trail

QUIET_US: Final = ALIVE_MS * 1000 + int(TICK_S * SECOND_US)
"""After how long a gateway says that it lives, where it had nothing else to say."""


class Story:
    """Tells a plan into a trail. Owner of every field, and of the gateway's, the trail's and the clock's."""

    def __init__(
        self, plan: Plan, seed: int, files: Files, gateway: StandIn, trail: Trail, clock: Clock, period_us: int
    ) -> None:
        self._plan = plan
        self._files = files
        self._gateway = gateway
        self._trail = trail
        self._clock = clock
        self._period_us = period_us
        self._stale_us = site.stale_after_s(period_us // SECOND_US) * SECOND_US
        self._chance = random.Random(f"story/{seed}")
        self._revision = 0
        self._restarts = 0

    def tell(self, day_is_over: Callable[[int], None]) -> None:
        """All of it but the end. `day_is_over` is told after each day how many there were."""
        goings = [
            self._first_day(),
            self._publications(),
            self._quiet(),
            self._minutes(),
            self._days(day_is_over),
            *(self._told(incident) for incident in self._plan.incidents),
            *(self._command(at) for at in self._plan.commands_us),
        ]
        agenda = [(0, number, going) for number, going in enumerate(goings)]
        while agenda:
            at, number, going = heapq.heappop(agenda)
            self._clock.now_us = at
            following = next(going, None)
            if following is not None and following < self._plan.end_us:
                heapq.heappush(agenda, (following, number, going))
        self._clock.now_us = self._plan.end_us

    # What goes on all the time.

    def _first_day(self) -> Goes:
        yield SECOND_US
        yield from self._gateway.start_with(self._files, self._gateway.ticket())

    def _publications(self) -> Goes:
        at = 5 * SECOND_US
        while True:
            yield at + self._chance.randrange(200_000)
            if self._gateway.stream:
                self._gateway.publish()
            at += self._period_us

    def _quiet(self) -> Goes:
        """A sign of life in each minute in which there is nothing else to say."""
        while True:
            yield self._clock.now_us + max(SECOND_US, QUIET_US - self._trail.silent_us)
            if self._trail.takes and self._trail.silent_us >= QUIET_US:
                self._gateway.say_alive()

    def _minutes(self) -> Goes:
        while True:
            yield self._clock.now_us + MINUTE_US
            if self._trail.takes:
                self._trail.tell_denials()

    def _days(self, day_is_over: Callable[[int], None]) -> Goes:
        """At the end of each: a cosignature, and what has become full is packed."""
        for day in itertools.count(1):
            yield day * DAY_US - MINUTE_US
            self._gateway.cosign()
            self._trail.pack()
            day_is_over(day)

    def _command(self, at_us: int) -> Goes:
        yield at_us
        for after_us, made in self._gateway.command():
            yield self._clock.now_us + after_us
            self._trail.record(made())

    # The incidents.

    def _told(self, incident: Incident) -> Goes:
        tales: dict[What, Callable[[Incident], Goes]] = {
            What.RESTART: self._restart,
            What.CRASH: self._crash,
            What.POWER_CUT: self._power_cut,
            What.LINK_LOSS: self._link_loss,
            What.CLOCK_STEP: self._clock_step,
            What.DISK_FULL: self._disk_full,
            What.SCANNER: self._scanner,
            What.STRANGER: self._stranger,
            What.OVER_LIMIT: self._over_limit,
            What.LATE: self._late_readings,
            What.ISOLATION: self._isolation,
            What.CONTRACT_CHANGE: self._contract_change,
            What.CONTRACT_REFUSED: self._contract_refused,
            What.KEY_CHANGE: self._key_change,
            What.WITNESS_LOST: self._witness_lost,
            What.REVIEW: self._review,
        }
        yield incident.begin_us
        yield from tales[incident.what](incident)

    def _restart(self, incident: Incident) -> Goes:
        self._restarts += 1
        self._gateway.stop(f"maintenance, ticket {self._gateway.ticket()}")
        yield incident.end_us
        if self._restarts % 2 == 0:
            self._clock.reboot(30 * SECOND_US)
        yield from self._gateway.start()

    def _crash(self, incident: Incident) -> Goes:
        self._gateway.crash()
        yield incident.end_us
        yield from self._gateway.start()

    def _power_cut(self, incident: Incident) -> Goes:
        self._gateway.cut_power()
        yield incident.end_us
        self._clock.reboot(40 * SECOND_US)
        yield from self._gateway.start()

    def _link_loss(self, incident: Incident) -> Goes:
        stream = self._gateway.stream
        self._gateway.unhear("the connection was reset")
        yield from self._go_stale(incident, stream)
        yield incident.end_us
        self._gateway.hear()

    def _go_stale(self, incident: Incident, stream: str) -> Goes:
        """What is not heard of for long enough is shown as lost."""
        if incident.begin_us + self._stale_us < incident.end_us:
            yield incident.begin_us + self._stale_us
            self._gateway.worsen("stale", stream)

    def _clock_step(self, incident: Incident) -> Goes:
        by_us = self._chance.choice([-1, 1]) * self._chance.randrange(1_500_000, 90_000_000)
        self._trail.step_clock(by_us)
        yield incident.end_us
        self._trail.step_clock(-by_us)

    def _disk_full(self, incident: Incident) -> Goes:
        self._trail.fill_disk()
        yield from self._go_stale(incident, self._gateway.stream)  # shown at once; the gap counts its record
        yield incident.end_us
        self._trail.free_disk()

    def _scanner(self, incident: Incident) -> Goes:
        knocks = self._chance.randrange(200, 2000)
        gap_us = (incident.end_us - incident.begin_us) // knocks
        for number in range(knocks):
            self._trail.deny(control.scan(number))
            yield self._clock.now_us + gap_us

    def _stranger(self, incident: Incident) -> Goes:
        for number in itertools.count():
            self._trail.deny(control.stranger(number))
            if self._clock.now_us >= incident.end_us:
                return
            yield self._clock.now_us + 20 * SECOND_US

    def _over_limit(self, incident: Incident) -> Goes:
        while self._clock.now_us < incident.end_us:
            self._trail.deny(control.over_limit(self._gateway.contract, self._gateway.sessions, self._chance))
            yield self._clock.now_us + 30 * SECOND_US

    def _late_readings(self, incident: Incident) -> Goes:
        self._gateway.late = True
        yield incident.end_us

    def _isolation(self, incident: Incident) -> Goes:
        by = self._chance.choice(["ana.lopez", "otto.berg"])
        self._gateway.isolate(by, f"work at the headend, ticket {self._gateway.ticket()}")
        for _ in range(self._chance.randrange(1, 4)):
            yield self._clock.now_us + 10 * MINUTE_US
            self._trail.deny(control.blocked(self._gateway.sessions))
        yield incident.end_us
        self._gateway.rejoin(by, "the work is done")
        yield self._clock.now_us + 2 * SECOND_US
        self._gateway.hear()

    def _contract_change(self, incident: Incident) -> Goes:
        ticket = self._gateway.ticket()
        self._gateway.stop(f"another contract, ticket {ticket}")
        yield incident.end_us
        self._revision += 1
        yield from self._gateway.start_with(site.revised(self._files, self._revision, ticket), ticket)

    def _contract_refused(self, incident: Incident) -> Goes:
        """It is brought with one approval where two are needed; the old one is put back."""
        ticket = self._gateway.ticket()
        self._gateway.stop(f"another contract, ticket {ticket}")
        yield (incident.begin_us + incident.end_us) // 2
        self._revision += 1
        self._gateway.try_with(site.revised(self._files, self._revision, ticket), ticket)
        yield incident.end_us
        yield from self._gateway.start()

    def _key_change(self, incident: Incident) -> Goes:
        self._gateway.stop(f"change of the trail's key, ticket {self._gateway.ticket()}")
        yield (incident.begin_us + incident.end_us) // 2
        self._gateway.change_key()
        yield incident.end_us
        yield from self._gateway.start()

    def _witness_lost(self, incident: Incident) -> Goes:
        self._gateway.lose_witness()
        yield incident.end_us
        self._gateway.find_witness()

    def _review(self, incident: Incident) -> Goes:
        self._gateway.review()
        yield incident.end_us
