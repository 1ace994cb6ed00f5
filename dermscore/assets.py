"""The fleet's file, `assets.yaml`: read, checked, generated and written. MW and MWh are converted here and only here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dermscore.model import Fleet

if TYPE_CHECKING:
    from dermscore.yamlfile import Document


def load(document: Document) -> Fleet:
    """Make the fleet of a document.

    Raises:
        BadInput: with every problem found.
    """
    raise NotImplementedError


def load_file(path: Path) -> Fleet:
    """Read a fleet's file.

    Raises:
        BadInput: with every problem found; `Unreadable` where there is no file to read.
    """
    raise NotImplementedError


def generate(sites: int, assets_per_site: int, seed: int = 0) -> str:
    """The text of an `assets.yaml` for trials: the same for the same arguments, for ever."""
    raise NotImplementedError


def dump(fleet: Fleet) -> str:
    """The text of an `assets.yaml` that loads as this fleet."""
    raise NotImplementedError
