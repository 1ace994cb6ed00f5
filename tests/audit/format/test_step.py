"""Steps of the clock: recorded by a log, and told between two readings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from trail_helpers import ORIGIN, SEGMENT, headers_of

from audit.format import step
from audit.format.note import VerifierKey
from audit.format.record import Entry, Reading, Timed
from audit.log import Log
from audit.verify import Verified, verify

HOUR = 3_600_000_000
BEGIN = Reading(1_760_000_000_000_000, 5_000_000, "boot-1", "synchronised")

readings = st.builds(
    Reading,
    st.integers(10**15, 10**15 + 10**7),
    st.integers(0, 10**7),
    st.sampled_from(["boot-1", "boot-1", "boot-2"]),
    st.just("unknown"),
)


def reading(after_us: int, stepped_us: int = 0, boot: str = "boot-1") -> Reading:
    return Reading(BEGIN.t + after_us + stepped_us, BEGIN.mono_us + after_us, boot, "unknown")


@given(readings, st.lists(readings, max_size=6))
def test_what_is_told_keeps_the_promise(before: Reading, following: list[Reading]) -> None:
    """Whatever the clocks do within a boot, a writer that tells its steps breaks no promise of telling them."""
    mono = before.mono_us
    ordered = []
    for one in following:
        mono += one.mono_us
        ordered.append(Reading(one.t, mono, "boot-1", ""))
    first = Reading(before.t, before.mono_us, "boot-1", "")
    told = step.told(first, [Timed(Entry("x"), one) for one in ordered])
    assert [timed.reading for timed in told if timed.entry.kind == "x"] == ordered
    last = first
    for timed in told:
        against = step.objection(timed.entry.kind, last, timed.reading)
        assert against is None or not against.holds(step.THRESHOLD_US)
        if timed.entry.kind == "log.step":
            assert step.steps(last, timed.reading)
        last = timed.reading


def test_an_opening_needs_no_record_in_front_of_it() -> None:
    stepped = Timed(Entry("log.open"), reading(10, stepped_us=HOUR))
    assert step.told(BEGIN, [stepped]) == (stepped,)
    assert step.told(None, [stepped]) == (stepped,)
    assert step.across_opening(None, BEGIN) == ()
    assert step.across_opening(BEGIN, reading(10)) == ()
    assert step.across_opening(BEGIN, reading(10, HOUR, boot="boot-2")) == ()


def ticking(*read: Reading) -> Callable[[], Reading]:
    """These readings, then the last one for ever."""
    left = list(read)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_a_step_is_a_record(tmp_path: Path, key: Ed25519PrivateKey, public: VerifierKey) -> None:
    trail = tmp_path / "trail"
    Log.init(trail, key, ORIGIN, segment_lines=SEGMENT)
    clock = ticking(reading(0), reading(10), reading(20, HOUR), reading(30, HOUR), reading(40, HOUR - 2_000_000))
    with Log.open(trail, key, clock=clock, segment_lines=SEGMENT) as log:
        for _ in range(3):
            log.submit([Entry("x"), Entry("y")]).result(timeout=30)
    with Log.open(trail, key, clock=ticking(reading(60)), segment_lines=SEGMENT) as log:
        log.submit([Entry("x")]).result(timeout=30)
    headers = headers_of(trail)
    assert [header.kind for header in headers] == [
        "log.start", "x", "y", "log.step", "x", "y", "x", "y", "log.step", "log.close",
        "log.open", "log.step", "x", "log.close",
    ]  # fmt: skip
    told = [(header.decision, header.n) for header in headers if header.kind == "log.step"]
    assert told == [("forward", HOUR), ("back", 2_000_000), ("back", HOUR - 2_000_000)]
    assert headers[3].reason == "UTC went forward by 3600.000000 s against the monotonic clock"
    verdict = verify(trail, [public], segment_lines=SEGMENT)
    assert isinstance(verdict, Verified)
    assert verdict.clock_steps == 3


def test_submissions_count_their_own_records_only(tmp_path: Path, key: Ed25519PrivateKey) -> None:
    trail = tmp_path / "trail"
    Log.init(trail, key, ORIGIN, segment_lines=SEGMENT)
    clock = ticking(reading(0), reading(10, HOUR))
    with Log.open(trail, key, clock=clock, segment_lines=SEGMENT) as log:
        released = log.submit([Entry("x"), Entry("y")]).result(timeout=30)
    assert (released.first_seq, released.last_seq) == (2, 3)
