"""One installation and the commands of its user: what the tests of mistakes share. The fixtures are in conftest.py."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from daemon.config import packaged
from dermscore import assets

ROOT = Path(__file__).resolve().parents[2]
FLEET = assets.load_file(packaged("assets.yaml"))
JERSEY, GUERNSEY, _ = FLEET.sites
BATTERY, SECOND_BATTERY, *_ = FLEET.assets
SITE = {"id": JERSEY, "name": "Jersey", "location": "Region-A", "path": "feeder/F1/site/S1"}
GOOD = {"id": BATTERY, "name": "B", "site_id": JERSEY, "capacity_mwhr": 100, "max_mw": 50, "min_mw": -50,
        "efficiency": 0.9, "ramp_rate_mw_per_min": 1000}  # fmt: skip
FOUND_WRONG, COULD_NOT_TELL = 1, 2
PATIENCE_S = 60.0
VARIABLES = ("ASSETS_PATH", "DATABASE_URL", "DERMS_LOG")
ENVIRONMENT = {
    name: value
    for name, value in os.environ.items()
    if name not in VARIABLES and not name.startswith("HEADEND_")
} | {"PYTHONPATH": str(ROOT)}  # fmt: skip


def derms_in(cwd: Path, *words: object, env: Mapping[str, str] | None = None) -> tuple[int, str]:
    """Run one command to its end as its user would. Returns its exit code and all that it said."""
    ran = subprocess.run(
        [sys.executable, "-m", "daemon.cli", *map(str, words)],
        cwd=cwd,
        env=ENVIRONMENT | (env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=PATIENCE_S,
    )
    said = ran.stdout + ran.stderr
    assert "Traceback" not in said, said
    return ran.returncode, said


def refused(folder: Path, *words: object, code: int = FOUND_WRONG, env: Mapping[str, str] | None = None) -> str:
    """What a command says that ends with `code` and leaves `folder`, where it is run, exactly as it was."""
    before = contents(folder)
    ended, said = derms_in(folder, *words, env=env)
    assert ended == code, said
    assert said.strip()
    assert contents(folder) == before
    assert processes_of(folder) == []
    return said


def contents(folder: Path) -> dict[str, str]:
    """Every file and folder below, with what is in it. A trail's `lock` is empty for ever, and held, not written."""
    files = (path for path in folder.rglob("*") if path.name != "lock")
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in files
    }


def processes_of(folder: Path) -> list[str]:
    """The command lines of every other process that names the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if str(folder) in line:
                    found.append(line)
    return found


@dataclass(frozen=True, slots=True)
class Home:
    """One installation in one folder, on ports of its own: pki/, headend/, gateway/."""

    folder: Path
    http: int
    agents: int
    boundary: int
    dnp3: int

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def headend(self) -> Path:
        return self.folder / "headend"

    @property
    def gateway(self) -> Path:
        return self.folder / "gateway"

    @property
    def contract(self) -> Path:
        return self.gateway / "policies" / "gateway"

    def certificate(self, stem: str) -> tuple[Path, Path]:
        return self.pki / f"{stem}.crt", self.pki / f"{stem}.key"

    def agent(self, command: str, identifier: str, fleet: Path | None = None) -> list[str]:
        """The words of `derms agent run` or `check`."""
        file = fleet or self.headend / "assets.yaml"
        words = {"--id": identifier, "--assets": file, "--pki": self.pki, "--headend": f"127.0.0.1:{self.agents}"}
        return ["agent", command, *(str(word) for pair in words.items() for word in pair)]


def in_words(value: object) -> str | None:
    """A test's case is named by its texts; what spoils something has no name."""
    return value if isinstance(value, str) else "" if callable(value) else None


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


class Running:
    """A `derms` process that goes on until it is told to stop, its log in a file. Owner: the test."""

    def __init__(self, log: Path, *words: object) -> None:
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daemon.cli", *map(str, words)],
                cwd=log.parent,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def has_said(self, *words: str) -> str:
        """Wait until its log holds every one of the words; returns the log."""
        deadline = time.monotonic() + PATIENCE_S
        while not all(word in self.said for word in words):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, f"none of {words} in:\n{self.said}"
            time.sleep(0.05)
        return self.said

    def stop(self) -> int:
        """SIGTERM, and how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


JSON = {"content-type": "application/json"}


def expire(home: Home, stem: str) -> None:
    """The same certificate, out of date since yesterday."""
    path = home.pki / f"{stem}.crt"
    ca = x509.load_pem_x509_certificate((home.pki / "ca.crt").read_bytes())
    key: Any = load_pem_private_key((home.pki / "ca.key").read_bytes(), None)
    old, now = x509.load_pem_x509_certificate(path.read_bytes()), datetime.now(UTC)
    fresh = x509.CertificateBuilder(ca.subject, old.subject, old.public_key(), x509.random_serial_number())
    fresh = fresh.not_valid_before(now - timedelta(days=9)).not_valid_after(now - timedelta(days=1))
    for extension in old.extensions:
        fresh = fresh.add_extension(extension.value, extension.critical)
    path.write_bytes(fresh.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))


def ask(home: Home, method: str, path: str, body: str | bytes | None = None, headers: Any = JSON) -> tuple[int, Any]:
    """Status and JSON of one request on a connection of its own. What is no 2xx must be a problem document."""
    connection = HTTPConnection("127.0.0.1", home.http, timeout=PATIENCE_S)
    try:
        connection.putrequest(method, path, skip_host="host" in headers, skip_accept_encoding=True)
        payload = b"" if body is None else body.encode() if isinstance(body, str) else body
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("content-length", str(len(payload)))
        connection.endheaders(payload)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        if answer.status >= 300:
            assert answer.headers["content-type"] == "application/problem+json"
            assert said["status"] == answer.status
        return answer.status, said
    finally:
        connection.close()


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)
