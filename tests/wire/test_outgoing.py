"""What may not be lost keeps its order; of what ages only the latest goes out; nobody ever waits."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.outgoing import Outgoing, Overflow

STEPS = st.lists(st.one_of(st.none(), st.tuples(st.sampled_from("abc"), st.integers())), max_size=30)


async def drain(outgoing: Outgoing[object]) -> list[object]:
    return [message async for message in outgoing]


async def test_what_is_put_comes_out_in_order() -> None:
    outgoing: Outgoing[object] = Outgoing()
    for number in range(100):
        assert outgoing.put(number)
    outgoing.close()
    assert await drain(outgoing) == list(range(100))


async def test_the_latest_offer_takes_the_place_of_the_older() -> None:
    outgoing: Outgoing[object] = Outgoing()
    outgoing.offer("telemetry", "old")
    outgoing.put("outcome")
    outgoing.offer("telemetry", "new")
    outgoing.close()
    assert await drain(outgoing) == ["new", "outcome"]


@given(STEPS)
def test_of_any_history_every_put_and_the_last_of_each_offer_remain(steps: list[tuple[str, int] | None]) -> None:
    """None puts, (key, value) offers: against the plainest model, a list that is searched."""
    outgoing: Outgoing[object] = Outgoing()
    expected: list[tuple[Hashable, object]] = []
    for number, step in enumerate(steps):
        if step is None:
            outgoing.put(number)
            expected.append((object(), number))
            continue
        key, value = step
        outgoing.offer(key, value)
        place = next((i for i, (known, _) in enumerate(expected) if known == key), len(expected))
        expected[place : place + 1] = [(key, value)]
    assert len(outgoing) == len(expected)
    outgoing.close()
    assert asyncio.run(drain(outgoing)) == [message for _, message in expected]


async def test_a_full_queue_ends_the_stream_and_loses_nothing_silently() -> None:
    outgoing: Outgoing[object] = Outgoing(limit=2)
    assert outgoing.put(1)
    assert outgoing.put(2)
    assert outgoing.offer("slot", 3)  # slots are bounded by their keys and do not count
    assert not outgoing.put(4)
    assert outgoing.closed
    with pytest.raises(Overflow, match="more than 2"):
        await drain(outgoing)


async def test_room_is_made_by_draining() -> None:
    outgoing: Outgoing[object] = Outgoing(limit=1)
    for number in range(5):
        assert outgoing.put(number)
        assert await anext(outgoing) == number


async def test_a_waiting_writer_is_woken() -> None:
    outgoing: Outgoing[object] = Outgoing()
    asyncio.get_running_loop().call_later(0.01, outgoing.put, "late")
    async with asyncio.timeout(5):
        assert await anext(outgoing) == "late"
    asyncio.get_running_loop().call_later(0.01, outgoing.close)
    async with asyncio.timeout(5):
        assert await drain(outgoing) == []


async def test_closed_takes_nothing_more() -> None:
    outgoing: Outgoing[object] = Outgoing()
    outgoing.close()
    assert not outgoing.put(1)
    assert not outgoing.offer("slot", 1)
    assert await drain(outgoing) == []
