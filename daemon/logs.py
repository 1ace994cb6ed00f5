"""Logs: one line an event on stderr, key=value for a person, JSON for a machine, times in UTC.

Every daemon calls `configure` once at its start; every module takes its logger by `log = logs.get(__name__)`.
"""

from __future__ import annotations

import json as json_codec
import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO, cast

import structlog

FORMAT_VARIABLE = "DERMS_LOG"
"""`json` or `plain`; inherited by the processes that a daemon starts. Anything else: plain on a terminal, else JSON."""

_FIRST = ("time", "level", "event", "logger")


def configure(json: bool | None = None, level: str = "info") -> None:
    """Send every log line of this process to stderr, those of libraries too.

    `json` None: what `DERMS_LOG` says; without it key=value on a terminal and JSON otherwise. `level` is debug, info,
    warning or error; libraries are heard from warning on.
    """
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.format_exc_info,
        _stamp,
    ]
    render = _as_json if _wants_json(json) else _as_line
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Lines())),
        cache_logger_on_first_use=False,  # a launcher's children configure again after the fork
    )
    _adopt_libraries(shared, render, max(threshold, logging.WARNING))


def get(name: str) -> Any:
    """A logger that says `logger=name`: `log.info("agent connected", agent=who, peer=peer)`. What varies is a value."""
    return structlog.get_logger(_logger=name)  # stays lazy: modules take their logger before `configure` is called


class _Lines:
    """stderr, where a line that cannot be written is lost and nothing else is: a full disk under the log must not stop
    a process that controls devices, nor cut a command short that is half carried out.
    """

    def write(self, text: str) -> int:
        with suppress(OSError, ValueError):  # ValueError: it was closed
            return sys.stderr.write(text)
        return 0

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()


def _wants_json(json: bool | None) -> bool:
    if json is not None:
        return json
    chosen = os.environ.get(FORMAT_VARIABLE, "")
    return chosen == "json" or (chosen != "plain" and not sys.stderr.isatty())


def _adopt_libraries(shared: list[Any], render: Any, threshold: int) -> None:
    """What libraries log through `logging` leaves in the same form."""
    handler = logging.StreamHandler(_Lines())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)


def _stamp(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Time (RFC 3339, UTC, milliseconds), and the logger's name under its own key."""
    if "_logger" in event:
        event["logger"] = event.pop("_logger")
    event["time"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _ordered(event: Mapping[str, Any]) -> dict[str, Any]:
    first = {key: event[key] for key in _FIRST if key in event}
    return first | {key: value for key, value in event.items() if key not in first}


def _as_json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    return json_codec.dumps(_ordered(event), default=str, ensure_ascii=False, separators=(",", ":"))


def _as_line(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    """`time level event key=value ...`; a traceback follows on lines of its own."""
    fields = _ordered(event)
    trace = fields.pop("exception", None)
    head = " ".join(_printable(fields.pop(key, "")) for key in ("time", "level", "event"))
    line = " ".join([head, *(f"{key}={_value(value)}" for key, value in fields.items())])
    return f"{line}\n{trace}" if trace else line


def _printable(value: Any) -> str:
    """The text itself, with what could forge a line or steer a terminal escaped."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(value))


def _value(value: Any) -> str:
    text = _printable(value)
    return json_codec.dumps(text, ensure_ascii=False) if not text or any(char in text for char in ' "=') else text
