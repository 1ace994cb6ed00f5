"""The corpus of attacks on evidence files: what was done, and which verdict every verifier has to come to.

`corpus(folder)` writes the files. Whoever writes another verifier runs it over the same corpus.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import attacks_on_file
import attacks_on_records
import case_log
from attack import Attack
from case_log import FROM, TO, Case
from forge import Forge

from audit.evidence.request import Request, asked
from audit.format.note import VerifierKey


@dataclass(frozen=True)
class Attacked:
    """A file and the verdict on it. `keys`: the log's; a ring, the witness's key and body keys are given if told."""

    name: str
    path: Path
    verdict: str
    member: str | None = None
    first_bad: int | None = None
    keys: tuple[VerifierKey, ...] = (case_log.PUBLIC,)
    ring: bool = True
    witness: bool = True
    body_keys: Path | None = None


def bases(folder: Path) -> dict[str, tuple[Path, Case]]:
    """The good files, and the logs that they are of.

    `complete`: all kinds. `sample`: three of the crossings. `encrypted`: as complete. `whole`: from record 0 on.
    """
    plain, encrypted = case_log.build(folder / "plain"), case_log.build(folder / "encrypted", encrypted=True)
    crossings = Request(asked(FROM, TO, ["crossing.*"]), "RFI-8", sample=3, seed="dice")
    whole = Request(asked(case_log.BEGIN - 10**6, TO + 10**12), "RFI-9")
    made = {
        "complete": (plain, plain.make(folder / "complete.zip").path),
        "sample": (plain, plain.make(folder / "sample.zip", crossings).path),
        "encrypted": (encrypted, encrypted.make(folder / "encrypted.zip", body_keys=encrypted.body_keys).path),
        "whole": (plain, plain.make(folder / "whole.zip", whole).path),
    }
    return {name: (_slim(path), case) for name, (case, path) in made.items()}


def _slim(path: Path) -> Path:
    """The same without what is long and means nothing to a verifier: hundreds are made of it."""
    forge = Forge(path)
    short = {
        "verifier.html": b"<html></html>\n",
        "requirements.csv": b"standard\r\n",
        "report.html": b"<html></html>\n",
    }
    forge.members |= {name: data for name, data in short.items() if name in forge.members}
    path.write_bytes(forge.sign())
    return path


def corpus(folder: Path) -> Iterator[Attacked]:
    """Every attack, and the good files; each is written to `folder` when it is asked for."""
    good = bases(folder)
    for number, attack in enumerate(attacks()):
        path, case = good[attack.base]
        data = attack.act(Forge(path))
        attacked = folder / f"{number:03d}.zip"
        attacked.write_bytes(data)
        yield Attacked(
            attack.name, attacked, attack.verdict, attack.member, attack.first_bad, attack.keys, attack.ring,
            attack.witness, case.body_keys.folder if attack.body_keys else None,
        )  # fmt: skip


def attacks() -> Iterator[Attack]:
    """The table."""
    return chain(attacks_on_file.attacks(), attacks_on_records.attacks())
