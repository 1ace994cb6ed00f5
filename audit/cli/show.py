"""`derms audit show`: a log's records, in words or as JSON lines. It does not verify them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import click

from audit import released
from audit.body import Encrypted, MalformedBody, Opened
from audit.cli.output import Undecided, in_plain_words
from audit.errors import AuditError
from audit.forms import NotOneMember
from audit.layout import Layout
from audit.note import MalformedNote
from audit.record import Header
from audit.secrecy import KeyFolder
from audit.words import utc


@click.command("show")
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--kind", multiple=True, help="Only this kind, or `log.*`; may be given several times.")
@click.option("--session", help="Only this session.")
@click.option("--peer", help="Only this peer.")
@click.option("--decision", help="Only this decision.")
@click.option("--since", type=click.DateTime(), help="UTC; from here on.")
@click.option("--until", type=click.DateTime(), help="UTC; before here.")
@click.option("--first", type=click.IntRange(0), default=0, help="First record number.")
@click.option("--limit", type=click.IntRange(1), help="At most so many records.")
@click.option("--bodies", "with_bodies", is_flag=True, help="Show the values, too.")
@click.option("--body-keys", type=click.Path(path_type=Path), help="Folder of body keys, for encrypted values.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of sentences.")
def show_command(
    log: Path, limit: int | None, with_bodies: bool, body_keys: Path | None, as_json: bool, first: int, **asked: Any
) -> None:
    """Print the records of LOG that its checkpoint covers. It does not verify them: `derms audit verify` does."""
    wanted = _Wanted(tuple(asked.pop("kind")), _micros(asked.pop("since")), _micros(asked.pop("until")), first, asked)
    layout, key_folder = Layout(log), None if body_keys is None else KeyFolder(body_keys)
    try:
        shown = (one for one in released.records(layout) if wanted.takes(one.header))
        for placed in islice(shown, limit):
            values = _values(released.body_of(placed, layout, key_folder)) if with_bodies else None
            click.echo(_as_line(placed.header, values) if as_json else _as_sentence(placed.header, values))
    except BrokenPipeError:
        raise  # whoever read it has seen enough; the program ends without a word
    except (OSError, ValueError, MalformedNote, NotOneMember, AuditError) as problem:
        raise Undecided(f"{log} cannot be shown: {in_plain_words(problem)}") from None


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1_000_000)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which records `show` shows."""

    kinds: tuple[str, ...]
    since: int | None
    until: int | None
    first: int
    exact: dict[str, str | None]  # session, peer, decision

    def takes(self, header: Header) -> bool:
        return (
            header.seq >= self.first
            and (self.since is None or header.t >= self.since)
            and (self.until is None or header.t < self.until)
            and (not self.kinds or any(_is_kind(header.kind, kind) for kind in self.kinds))
            and all(value is None or getattr(header, name) == value for name, value in self.exact.items())
        )


def _is_kind(kind: str, asked: str) -> bool:
    return kind.startswith(asked[:-1]) if asked.endswith("*") else kind == asked


def _values(found: Opened | Encrypted | MalformedBody | None) -> dict[str, Any] | str | None:
    match found:
        case Opened(columns=columns):
            return dict(columns)
        case Encrypted():
            return "encrypted"
        case MalformedBody(what):
            return f"a body that {what}"
    return None


def _as_line(header: Header, values: dict[str, Any] | str | None) -> str:
    fields = asdict(header) | ({} if values is None else {"values": values})
    return json.dumps(fields, ensure_ascii=False)


def _as_sentence(header: Header, values: dict[str, Any] | str | None) -> str:
    said = [header.dir, header.decision, header.rule, header.reason]
    who = [f"session {header.session}" if header.session else "", f"peer {header.peer}" if header.peer else ""]
    count = [f"n={header.n}"] if header.n else []
    line = "  ".join(part for part in [str(header.seq), utc(header.t), header.kind, *said, *who, *count] if part)
    return line if values is None else f"{line}\n    {json.dumps(values, ensure_ascii=False)}"
