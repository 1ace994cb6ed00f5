"""Where the data lies that ships with the program."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dermscore.errors import NotSetUp

_ROOT: Final = Path(__file__).resolve().parent.parent


def packaged(name: str) -> Path:
    """Where `assets.yaml`, or a file or folder such as `policies/gateway`, lies.

    In a checkout that is the root; in a wheel `assets.yaml` lies inside `policies`.

    Raises:
        NotSetUp: this installation does not carry it.
    """
    for candidate in (_ROOT / name, _ROOT / "policies" / name):
        if candidate.exists():
            return candidate
    raise NotSetUp(f"this installation carries no {name}; install the derms wheel again")


def default_assets() -> Path:
    """The fleet's file where none was named: `./assets.yaml`, else the one that ships with the program."""
    here = Path("assets.yaml")
    return here if here.exists() else packaged("assets.yaml")
