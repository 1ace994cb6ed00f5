"""One agent: the loops of its assets, its link, and the state files, tied together. It listens nowhere."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from agent import marks, state
from agent.drivers import Clock, table
from agent.link import Link
from agent.loop import TICK_S, AssetLoop, Kept
from agent.marks import Marks
from agent.reports import Reports
from agent.state import Saved, Unreadable
from daemon import clock, logs
from daemon.run import Stop
from dermscore.errors import BadInput, NotSetUp, Problem
from dermscore.model import Asset, Fleet
from wire import dial
from wire.identity import TlsFiles

log = logs.get(__name__)

SAVE_S = 1.0
# A predecessor that was told to end may take a moment; one that holds on longer is a second agent of the same asset.
CLAIM_S = 5.0
# The longest wait between two dials; a large fleet must not come back all at once.
REDIAL_CAP_S = dial.CAP_S
_FAREWELL_S = 3.0


@dataclass(frozen=True, slots=True)
class Spec:
    """What one agent process needs to know. `id` names its certificate: an asset's or a site's id."""

    id: str
    assets: tuple[Asset, ...]
    headend: str
    pki: Path
    state: Path | None = None
    redial_cap_s: float = REDIAL_CAP_S


def assets_of(fleet: Fleet, agent_id: str) -> tuple[Asset, ...]:
    """The assets that an agent of this id speaks for: the asset itself, or all of a site.

    Raises:
        BadInput: it names neither, or a site without assets.
    """
    if agent_id in fleet.assets:
        return (fleet.assets[agent_id],)
    if agent_id not in fleet.sites:
        raise BadInput([Problem("--id", "", f"{agent_id} is neither an asset nor a site of the assets file")])
    members = tuple(asset for asset in fleet.assets.values() if asset.site_id == agent_id)
    if not members:
        raise BadInput([Problem("--id", "", f"site {agent_id} has no assets in the assets file")])
    return members


def check(spec: Spec) -> None:
    """Raises NotSetUp or BadInput for what would keep this agent from starting. An expired certificate does not."""
    table.check(spec.assets)
    identity = TlsFiles.agent(spec.pki, spec.id).load().identity
    if (identity.role, identity.id) != ("agent", spec.id):
        file = TlsFiles.agent(spec.pki, spec.id).cert
        raise BadInput([Problem(str(file), "", f"is the certificate of {identity.urn}, not of agent {spec.id}")])


def check_unexpired(spec: Spec, now: Clock = clock.now) -> None:
    """Raises NotSetUp or BadInput where no headend would let this agent in, because its certificate has expired."""
    TlsFiles.agent(spec.pki, spec.id).load().require_unexpired(now().utc_ms)


def check_all(specs: Sequence[Spec]) -> None:
    """Raises BadInput with everything that would keep any of these agents from starting."""
    problems: list[Problem] = []
    for spec in specs:
        try:
            check(spec)
        except BadInput as bad:
            problems += bad.problems
        except NotSetUp as missing:
            problems.append(Problem(f"agent {spec.id}", "", str(missing)))
    if problems:
        raise BadInput(problems)


async def run(spec: Spec, stop: Stop, now: Clock = clock.now) -> None:
    """Run the agent until it is asked to stop.

    Raises:
        NotSetUp, BadInput: something it needs is missing or wrong, or another process drives one of its assets.
    """
    check(spec)
    try:
        check_unexpired(spec)
    except BadInput as expired:  # the device is controlled all the same; only the link is missing
        log.error("no headend will let this agent in", agent=spec.id, why=str(expired))
    with ExitStack() as held:
        for asset in spec.assets if spec.state is not None else ():
            assert spec.state is not None
            held.enter_context(await _claim(spec.state, asset.id))
        reports = Reports()
        loops = [_loop(spec, asset, reports, now) for asset in spec.assets]
        files = TlsFiles.agent(spec.pki, spec.id)
        link = Link(spec.id, loops, reports, spec.headend, files, now, redial_cap_s=spec.redial_cap_s)
        await _work(spec, loops, link, stop)


async def _work(spec: Spec, loops: Sequence[AssetLoop], link: Link, stop: Stop) -> None:
    keeper = Keeper(spec.state, loops, link) if spec.state is not None else None
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop.run()) for loop in loops]
        if spec.state is not None and keeper is not None:
            tasks.append(group.create_task(keeper.run()))
            tasks.append(group.create_task(Watch(spec.state, loops).run()))
        linking = group.create_task(link.run())
        reason = await stop.wait()
        log.info("agent ends", agent=spec.id, why=reason)
        if link.leave():
            await asyncio.wait([linking], timeout=_FAREWELL_S)
        for task in (*tasks, linking):
            task.cancel()
    if keeper is not None:
        await keeper.save()


class Keeper:
    """Writes the state files, once a second and off the event loop: a stuck disk stops no control loop.

    Owner: the one task that calls `run`, then the one that calls `save` when that has ended.
    """

    def __init__(self, folder: Path, loops: Sequence[AssetLoop], link: Link) -> None:
        self._folder = folder
        self._loops = loops
        self._link = link
        self._boot = state.boot_id()
        self._failed = False

    async def run(self) -> None:
        while True:
            await self.save()
            await asyncio.sleep(SAVE_S)

    async def save(self) -> None:
        link = "up" if self._link.up else "down"
        saved = [saved for loop in self._loops if (saved := loop.saved(self._boot, link)) is not None]
        try:
            await asyncio.to_thread(self._write, saved)
        except OSError as error:
            if not self._failed:
                log.error("state cannot be saved", folder=str(self._folder), why=str(error))
            self._failed = True
            return
        self._failed = False

    def _write(self, states: Sequence[Saved]) -> None:
        for saved in states:
            state.save(state.path_of(self._folder, saved.asset_id), saved)


class Watch:
    """Looks for the site's marks as often as the loops tick, and off the event loop: a stuck disk stops no loop.

    Owner: the one task that calls `run`.
    """

    def __init__(self, folder: Path, loops: Sequence[AssetLoop]) -> None:
        self._folder = folder
        self._loops = loops
        self._failed = False

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(TICK_S)

    async def look(self) -> None:
        """Where it cannot be told what is set, what was set before stays so."""
        try:
            found = await asyncio.to_thread(self._read)
        except OSError as error:
            if not self._failed:
                log.error("the site's marks cannot be read; they stay as they were", why=str(error))
            self._failed = True
            return
        self._failed = False
        for loop, each in zip(self._loops, found, strict=True):
            loop.heed(each)

    def _read(self) -> list[Marks]:
        return [marks.read(self._folder, loop.asset.id) for loop in self._loops]


def _loop(spec: Spec, asset: Asset, reports: Reports, now: Clock) -> AssetLoop:
    """The loop of one asset, going on from what its state file says."""
    boot = state.boot_id()
    saved = None if spec.state is None else _load(state.path_of(spec.state, asset.id), asset.id)
    driver = table.open_driver(asset, now, saved, boot)
    return AssetLoop(asset, driver, reports, now, _kept(saved, now, boot, _marks(spec, asset)))


def _marks(spec: Spec, asset: Asset) -> Marks:
    """Raises BadInput where it cannot be told whether people have locked the asset: then nobody drives it."""
    try:
        return Marks() if spec.state is None else marks.read(spec.state, asset.id)
    except OSError as error:
        raise BadInput([Problem(str(spec.state), asset.id, f"the site's marks cannot be read: {error}")]) from None


def _kept(saved: Saved | None, now: Clock, boot: str, set_now: Marks) -> Kept:
    """What holds of a saved state here and now. An intent is kept within one boot: later its end is in doubt."""
    if saved is None:
        return Kept(marks=set_now)
    age_ms = round((saved.setpoint_age_s + saved.elapsed_s(now(), boot)) * 1000)
    return Kept(saved.tick, age_ms, saved.held if boot and boot == saved.boot else None, saved.fallback, set_now)


def _load(path: Path, asset_id: str) -> Saved | None:
    try:
        return state.load(path, asset_id)
    except Unreadable as why:
        log.warning("state file is not used, the device starts afresh", file=str(path), why=str(why))
        return None


async def _claim(folder: Path, asset_id: str) -> state.Claimed:
    deadline_s = asyncio.get_running_loop().time() + CLAIM_S
    while True:
        try:
            return state.claim(folder, asset_id)
        except BlockingIOError:
            if asyncio.get_running_loop().time() > deadline_s:
                what = "another agent drives this asset with the same state folder; end that one first"
                raise BadInput([Problem(str(folder), asset_id, what)]) from None
        await asyncio.sleep(0.1)
