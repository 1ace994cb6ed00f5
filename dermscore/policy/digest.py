"""The digest of a policy: of what it means, not of how it was written down."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any


def digest(meaning: object) -> str:
    """SHA-256 (hex) over the canonical JSON of frozen dataclasses, mappings, sets, sequences and scalars.

    Equal values have equal digests, whatever order their sets and mappings are in.
    """
    text = json.dumps(_plain(meaning), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, frozenset):
        return sorted(_plain(each) for each in value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value + 0.0 if isinstance(value, float) else value  # -0.0 is 0.0
