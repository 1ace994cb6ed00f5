"""One line an event, in UTC, in the form that its reader needs; nothing a peer says can forge a line."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from daemon import logs

ROOT = Path(__file__).resolve().parents[2]
RFC3339_MS = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def test_json_for_a_machine(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    logs.get("headend.agents").info("agent connected", agent="a-1", assets=3, limit_w=None)
    line = capsys.readouterr().err
    event = json.loads(line)
    assert line.count("\n") == 1
    assert re.fullmatch(RFC3339_MS, event.pop("time"))
    assert event == {
        "level": "info",
        "event": "agent connected",
        "logger": "headend.agents",
        "agent": "a-1",
        "assets": 3,
        "limit_w": None,
    }


def test_key_and_value_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=False)
    logs.get("agent.link").warning("link lost", why="lost: connection refused", wait_s=0.5, empty="")
    assert re.fullmatch(
        RFC3339_MS + r' warning link lost logger=agent\.link why="lost: connection refused" wait_s=0\.5 empty=""\n',
        capsys.readouterr().err,
    )


@pytest.mark.parametrize("as_json", [True, False])
def test_nothing_that_a_peer_says_forges_a_line(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    logs.configure(json=as_json)
    logs.get("x").info("said", text="ok\n2026-01-01T00:00:00.000Z info all is well\x1b[2J\u2028")
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "\x1b" not in line


@pytest.mark.parametrize("as_json", [True, False])
def test_exceptions_are_kept(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    logs.configure(json=as_json)
    try:
        raise ZeroDivisionError("ours")
    except ZeroDivisionError:
        logs.get("x").exception("failed", what="this")
    text = capsys.readouterr().err
    assert "ZeroDivisionError: ours" in text
    assert "Traceback" in (json.loads(text)["exception"] if as_json else text)


@pytest.mark.parametrize("as_json", [True, False])
def test_libraries_speak_in_the_same_form(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    logs.configure(json=as_json)
    logging.getLogger("uvicorn.error").warning("took %d ms", 12)
    logging.getLogger("uvicorn.error").info("not heard")
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    if as_json:
        event = json.loads(text)
        assert (event["event"], event["level"], event["logger"]) == ("took 12 ms", "warning", "uvicorn.error")
    else:
        assert re.fullmatch(RFC3339_MS + r" warning took 12 ms logger=uvicorn\.error\n", text)


def test_levels(capsys: pytest.CaptureFixture[str]) -> None:
    log = logs.get("x")
    logs.configure(json=True, level="warning")
    log.info("not heard")
    log.warning("heard")
    logs.configure(json=True, level="debug")
    log.debug("heard too")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["heard", "heard too"]


def test_what_is_bound_to_a_task_is_on_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(json=True)
    with structlog.contextvars.bound_contextvars(session="s-1"):
        logs.get("x").info("inside")
    assert json.loads(capsys.readouterr().err)["session"] == "s-1"


@pytest.mark.parametrize(("variable", "is_json"), [("json", True), ("plain", False), ("auto", True), ("", True)])
def test_the_variable_decides_where_there_is_no_terminal(variable: str, is_json: bool) -> None:
    code = "from daemon import logs; logs.configure(); logs.get('x').info('hello')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"DERMS_LOG": variable, "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == ""
    assert done.stderr.startswith("{") == is_json


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    program = """
import logging, sys
from daemon import logs
logs.configure()
logs.get("probe").warning("lost")
logging.getLogger("library").error("lost too")
print("went on")
"""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full, text=True, check=False
        )
    assert done.stdout == "went on\n"
