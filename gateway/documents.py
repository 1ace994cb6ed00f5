"""What the trail names by digest, kept under that digest: whoever shows evidence needs the very bytes.

`digests.contract` and `digests.config` of a record say which contract and which gateway.yaml were in force; years later
the files themselves have long been edited. Nothing here is ever taken away or altered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from audit.disk import write_durable
from audit.reading.files import open_regular
from daemon import logs
from dermscore.errors import Problem

MODE: Final = 0o600
FOLDER_MODE: Final = 0o700
_DAMAGED: Final = (
    "is not what its name says: it was damaged or altered. Bring it back from a backup; one that is in force now is "
    "also made anew at the gateway's next start"
)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

log = logs.get(__name__)


def keep(folder: Path, document: bytes) -> None:
    """Make `document` durable in `folder` under its digest. OSError.

    One that is there already is compared, and where it was damaged replaced: it is what its name says, or nothing.
    """
    path = folder / sha256(document).hexdigest()
    if path.exists():
        if _is_whole(path):
            return
        log.warning("a document was damaged, and is replaced", path=str(path))
    write_durable(path, document, MODE)


def damaged(folder: Path) -> Iterator[Problem]:
    """Every document in `folder` that is not what its name says. OSError: the folder cannot be read."""
    for path in sorted(folder.iterdir()):
        if _DIGEST.fullmatch(path.name):
            try:
                what = "" if _is_whole(path) else _DAMAGED
            except OSError as error:
                what = f"cannot be read: {error.strerror}"
            if what:
                yield Problem(str(path), "", what)


def _is_whole(path: Path) -> bool:
    with open_regular(path) as file:
        return sha256(file.read()).hexdigest() == path.name
