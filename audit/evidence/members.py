"""The members of an evidence file that a verifier knows by name. Pure names."""

from __future__ import annotations

import re
from typing import Final

MANIFEST: Final = "manifest"
CHECKPOINT: Final = "log/checkpoint"
COSIGNED: Final = "log/cosigned"
COSIGNED_AFTER: Final = "log/cosigned-after"
HEADERS: Final = "log/headers.jsonl"
BEFORE: Final = "log/before"
AFTER: Final = "log/after"
PATHS: Final = "log/paths"
BODIES: Final = "log/bodies.bin"
APPROVALS: Final = "approvals/"
DOCUMENTS: Final = "documents/"
TABLES: Final = "tables/"

LIMIT: Final = 2**31 - 1
"""Bytes of the longest member, inflated."""

NAME: Final = re.compile(r"(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._-]+)*")
"""Parts with `/` between them, none of them `.` or `..`; to be matched in full."""
