"""Whoever set a value is told of it: headend.yaml, or the environment variable that stands over it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from dermscore.errors import BadInput
from headend import setup
from headend.config import FILE, Home

TEXT = """\
http: 127.0.0.1:{http}
agent_link: 127.0.0.1:{agents}
boundary_link: 127.0.0.1:{boundary}
tls: {{ca: ca.crt, cert: headend.crt, key: headend.key}}
publisher_key: publisher.key
"""


def made(folder: Path, http: int = 0, agents: int = 0, boundary: int = 0) -> Path:
    (folder / FILE).write_text(TEXT.format(http=http, agents=agents, boundary=boundary))
    return folder


def said(folder: Path, **environment: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        Home.open(folder, environment)
    return [str(problem) for problem in caught.value.problems]


def test_a_variable_is_blamed_for_what_it_brings_in(tmp_path: Path) -> None:
    found = said(made(tmp_path), HEADEND_HTTP_ADDR="0.0.0.0:3001", DATABASE_URL="garbage")
    assert found[0].startswith("environment variable HEADEND_HTTP_ADDR: http: 0.0.0.0:3001 can be reached from other")
    assert found[1].startswith("environment variable DATABASE_URL: database_url: ")


def test_the_file_is_blamed_for_what_it_says_itself(tmp_path: Path) -> None:
    file = made(tmp_path) / FILE
    file.write_text(file.read_text().replace("http: 127.0.0.1", "http: 10.0.0.1") + "database_url: garbage\n")
    assert [each.partition(": ")[0] for each in said(tmp_path)] == [str(file)] * 2


def test_two_keys_with_one_address_are_no_other_process(tmp_path: Path) -> None:
    folder = made(tmp_path, 20_001, 20_002, 20_002)
    assert said(folder) == [
        f"{folder / FILE}: boundary_link: 127.0.0.1:20002 is agent_link's already; give each its own port"
    ]
    assert said(folder, HEADEND_BOUNDARY_ADDR="127.0.0.1:20001") == [
        "environment variable HEADEND_BOUNDARY_ADDR: boundary_link: 127.0.0.1:20001 is http's already; "
        "give each its own port"
    ]
    Home.open(made(tmp_path), {})  # any free port each


def test_every_port_in_use_is_told_with_its_key(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = [each.getsockname()[1] for each in (one, other)]
        home = Home.open(made(tmp_path, agents=ports[0]), {"HEADEND_HTTP_ADDR": f"127.0.0.1:{ports[1]}"})
        with pytest.raises(BadInput) as caught:
            setup.check_listeners(home)
    problems = {problem.path: (problem.where, problem.what) for problem in caught.value.problems}
    assert problems["http"][0] == "environment variable HEADEND_HTTP_ADDR"
    assert problems["agent_link"][0] == str(tmp_path / FILE)
    assert f"cannot listen on 127.0.0.1:{ports[0]}: the port is in use" in problems["agent_link"][1]
    assert f"ss -ltnp 'sport = :{ports[0]}'" in problems["agent_link"][1]
    assert set(problems) == {"http", "agent_link"}
