"""The demo's processes: output in a file each, killed or stopped on purpose, never left behind."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STOP_WITHIN_S = 10.0


class StoppedEarly(Exception):
    """A process ended that should be running. Carries the last lines it wrote."""


@dataclass
class Child:
    """One process of the system under the demo's eye. Owner of every field: the demo's event loop."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None

    async def start(self, *, talks: bool = False) -> asyncio.subprocess.Process:
        """Start it, tied to us but in a session of its own, so that Ctrl-C reaches the demo alone.

        `talks` keeps its stdin and stdout.
        """
        pipe = asyncio.subprocess.PIPE
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "simulator.tethered",
                str(os.getpid()),
                *self.argv,
                stdin=pipe if talks else asyncio.subprocess.DEVNULL,
                stdout=pipe if talks else log,
                stderr=log,
                env={**os.environ, **self.env},
                start_new_session=True,
            )
        return self.process

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def kill(self) -> None:
        """SIGKILL: it gets no chance to say goodbye, and what ended so has not ended by itself."""
        if self.process is not None and self.running:
            self.process.kill()
            await self.process.wait()
            self.process = None

    async def stop(self) -> None:
        """SIGTERM, time to drain, then SIGKILL."""
        if self.process is None or not self.running:
            return
        self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_WITHIN_S)
        except TimeoutError:
            await self.kill()

    def last_words(self, lines: int = 8) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def require_running(self) -> None:
        """Raises StoppedEarly where the process has ended by itself."""
        if self.process is not None and self.process.returncode is not None:
            raise StoppedEarly(f"{self.name} ended with {self.process.returncode}:\n{self.last_words()}")


async def command(argv: Sequence[str], log: Path) -> str:
    """Run one `derms` command to its end, as its user would. Returns what it printed.

    Raises:
        StoppedEarly: it exited with anything but 0.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "daemon.cli",
        *argv,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, complained = await process.communicate()
    with log.open("ab") as file:
        file.write(b"$ derms " + " ".join(argv).encode() + b"\n" + printed + complained)
    if process.returncode != 0:
        raise StoppedEarly(f"derms {' '.join(argv)}: exit {process.returncode}\n{(complained or printed).decode()}")
    return printed.decode()
