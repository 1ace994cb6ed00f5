"""Which version this is."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path


@cache
def version() -> str:
    """The installed version, or, run from a checkout, the one that pyproject.toml names."""
    try:
        return metadata.version("derms")
    except metadata.PackageNotFoundError:
        project = Path(__file__).resolve().parent.parent / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


def software() -> str:
    """How this program names itself to its peers: `derms/0.1.0`."""
    return f"derms/{version()}"
