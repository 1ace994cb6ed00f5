"""The bar: on a terminal only."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from audit.cli import audit, search
from audit.cli.progress import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("verifying") as bar:
        bar.tell(5, 20)
        bar.tell(5, 20)
        bar.make_way()
        bar.tell(20, 20)
    assert "verifying" in terminal.getvalue()
    assert "25%" in terminal.getvalue()
    assert "100%" in terminal.getvalue()
    assert "\r\x1b[K" in terminal.getvalue()


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True), (None, False)])
def test_nobody_else_does(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None, quiet: bool) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress("verifying", quiet) as bar:
        bar.tell(5, 20)
        bar.make_way()
    assert stream is None or stream.getvalue() == ""


def test_a_search_tells_how_far_it_is(busy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "_STEP", 4)
    done = CliRunner().invoke(audit, ["search", str(busy / "trail"), "--kind", "log.close"])
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["12"]
