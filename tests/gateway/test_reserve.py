"""Space kept back: held, given up when the disk is full, held again when there is room."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway import reserve
from gateway.reserve import Reserve
from tests.gateway.stand_in import eventually

SIZE = 1_000_000


class Disk:
    """What the trail and the file system say, as the test has them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.room = 100 * SIZE
        self.takes = True
        self.told: list[str] = []
        self.reserve = Reserve(path, SIZE, lambda: self.takes, self.tell, self.free)

    def tell(self, decision: str, _reason: str) -> None:
        self.told.append(decision)

    def free(self, folder: Path) -> int:
        assert folder == self.path.parent
        return self.room


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    monkeypatch.setattr(reserve, "LOOK_S", 0.001)
    return Disk(tmp_path / "trail.reserve")


async def running(disk: Disk, story: Callable[[], Awaitable[None]]) -> None:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(disk.reserve.run())
        await story()
        task.cancel()


async def test_it_is_given_up_when_the_disk_is_full_and_held_again_when_there_is_room(disk: Disk) -> None:
    async def story() -> None:
        await eventually(disk.path.exists)
        status = disk.path.stat()
        assert (status.st_size, status.st_mode & 0o777) == (SIZE, 0o600)
        assert status.st_blocks * 512 >= SIZE  # space, not a hole
        disk.takes, disk.room = False, 0
        await eventually(lambda: disk.reserve.given_up)
        assert not disk.path.exists()
        disk.takes, disk.room = True, 2 * SIZE - 1
        await asyncio.sleep(0.02)
        assert disk.reserve.given_up
        disk.room = 2 * SIZE
        await eventually(lambda: not disk.reserve.given_up)
        assert disk.path.stat().st_size == SIZE
        assert disk.told == ["low on space", "space again"]

    await running(disk, story)


async def test_a_trail_that_fails_with_room_on_its_disk_keeps_the_reserve(disk: Disk) -> None:
    async def story() -> None:
        disk.takes = False
        await eventually(disk.path.exists)
        await asyncio.sleep(0.02)
        assert not disk.reserve.given_up

    await running(disk, story)


async def test_who_takes_it_away_by_hand_or_changes_its_size_finds_it_again(disk: Disk) -> None:
    async def story() -> None:
        disk.path.write_bytes(b"another size")
        await eventually(lambda: disk.path.exists() and disk.path.stat().st_size == SIZE)
        disk.path.unlink()
        await eventually(disk.path.exists)

    await running(disk, story)


async def test_where_there_is_no_room_for_it_at_all_space_is_short_from_the_start(disk: Disk) -> None:
    disk.reserve = Reserve(disk.path.parent / "nowhere" / "reserve", SIZE, lambda: True, disk.tell)

    async def story() -> None:
        await eventually(lambda: disk.reserve.given_up)
        await asyncio.sleep(0.01)
        assert disk.told == ["low on space"]

    await running(disk, story)


async def test_none_is_held_where_none_is_wanted(disk: Disk) -> None:
    disk.reserve = Reserve(disk.path, 0, lambda: False, disk.tell)
    await disk.reserve.run()
    assert not disk.path.exists()


def test_the_room_on_a_disk_is_what_the_system_says(tmp_path: Path) -> None:
    assert reserve.room_in(tmp_path) > 0
