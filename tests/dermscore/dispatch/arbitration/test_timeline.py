"""What stands when, in logs too long for the laws: the sweep's parts beside plain tellings of them."""

from __future__ import annotations

import random

import pytest

from dermscore.dispatch import Mode
from dermscore.dispatch.arbitration.claims import Claim, Known
from dermscore.dispatch.arbitration.timeline import Coming, timeline
from tests.dermscore.dispatch.arbitration.programs import NODE, event, program


def many_claims(chance: random.Random, many: int, minutes: int, resume: bool = False) -> list[Claim]:
    """Claims to one mode, highest first, known an hour ahead at most."""
    programs = {name: program(rank, "resume" if resume else "terminate") for rank, name in enumerate("PQR")}
    log = []
    for number in range(many):
        start = chance.randrange(minutes)
        issued = start - chance.randrange(60)
        end = start + chance.randrange(1, 90)
        log.append(event(f"{number}", chance.choice("PQR"), start, end, issued=issued, MaxLimW=1.0))
    return Known(programs, {NODE: log}, 10**12).claims(NODE)[Mode.MAX_LIM_W]


@pytest.mark.parametrize("many", [63, 64, 65, 64 * 64, 5_000])
@pytest.mark.parametrize("minutes", [40, 1440])
def test_the_highest_that_comes_is_found_among_thousands(many: int, minutes: int) -> None:
    """Of one, two and three levels, also where these are full; within 40 minutes most reach to the end of the log."""
    chance = random.Random(many)
    claims = many_claims(chance, many, minutes)
    coming, among = Coming(claims), set[int]()
    assert coming.highest(0) is None
    coming.drop(0)
    for number, place in enumerate(sorted(range(many), key=lambda place: (claims[place].start_ms, place))):
        for other in chance.sample(range(many), 2):
            if claims[other].start_ms > claims[place].start_ms:
                coming.add(other)
                among.add(other)
        coming.drop(place)
        among.discard(place)
        if number % 50 < 2:
            rivals = [other for other in among if claims[other].start_ms < claims[place].end_ms and other < place]
            assert coming.highest(place) == min(rivals, default=None)


def test_the_whole_of_a_full_tree_is_looked_through() -> None:
    log = [event(f"{number:04}", "P", 1 + number % 7, 99, issued=0, MaxLimW=1.0) for number in range(64 * 64 - 1)]
    log.append(event("early", "Q", 0.5, 100, issued=0, MaxLimW=1.0))
    claims = Known({"P": program(1), "Q": program(2)}, {NODE: log}, 0).claims(NODE)[Mode.MAX_LIM_W]
    for other in (0, 2_000, 64 * 64 - 2):
        coming = Coming(claims)
        coming.add(other)
        assert coming.highest(len(log) - 1) == other


def test_of_thousands_that_resume_the_highest_in_effect_stands() -> None:
    claims = many_claims(random.Random(2), 5_000, minutes=14_400, resume=True)
    course = timeline(claims)
    assert not course.lost
    for number, (since_ms, top) in enumerate(course.segments):
        if number % 20 == 0:
            live = [claim for claim in claims if claim.start_ms <= since_ms < claim.stop_ms]
            assert top is (live[0] if live else None)
