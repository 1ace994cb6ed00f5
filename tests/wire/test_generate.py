"""The generated code is what the protos say; a drift is found and named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from wire import generate


def test_the_committed_code_is_what_the_protos_give() -> None:
    assert generate.drift() == []
    assert generate.main(["--check"]) == 0


def test_a_changed_proto_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(generate.ROOT / "wire" / "v1", tmp_path / "wire" / "v1")
    proto = tmp_path / "wire" / "v1" / "agent_link.proto"
    proto.write_text(proto.read_text().replace("string software = 2;", "string program = 2;"))
    assert generate.drift(tmp_path) == ["agent_link_pb2.py", "agent_link_pb2.pyi"]
    (tmp_path / "wire" / "v1" / "left_over_pb2.py").touch()
    assert "left_over_pb2.py" in generate.drift(tmp_path)
    monkeypatch.setattr(generate, "drift", lambda: ["agent_link_pb2.py"])
    assert generate.main(["--check"]) == 1
    assert "wire/v1/agent_link_pb2.py: differs from its proto" in capfd.readouterr().err


def test_a_broken_proto_is_told(tmp_path: Path) -> None:
    (tmp_path / "wire" / "v1").mkdir(parents=True)
    (tmp_path / "wire" / "v1" / "bad.proto").write_text("syntax = 'proto3'; message {")
    with pytest.raises(RuntimeError, match="refused"):
        generate.drift(tmp_path)


def test_called_wrongly() -> None:
    assert generate.main(["--chekc"]) == 2
