"""One strict file, a few variables over it; whoever set a bad value is named."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator

from daemon.config import Address, load_config
from dermscore.errors import BadInput, NotSetUp


class Inner(BaseModel):
    port: int = 1
    folder: Path = Path()


class Settings(BaseModel):
    http: Address = Address("127.0.0.1:3001")
    name: str = "headend"
    period_s: Annotated[float, Field(gt=0)] = 1.0
    history: bool = True
    retries: int | None = None
    inner: Inner = Inner()

    @field_validator("http")
    @classmethod
    def only_loopback(cls, value: Address) -> Address:
        if not value.loopback:
            raise ValueError("binds loopback only until there is access control")
        return value


VARIABLES = {
    "T_HTTP": "http",
    "T_NAME": "name",
    "T_PERIOD": "period_s",
    "T_HISTORY": "history",
    "T_RETRIES": "retries",
    "T_PORT": "inner.port",
    "T_FOLDER": "inner.folder",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "headend.yaml"
    path.write_text("http: 127.0.0.1:4000\nperiod_s: 2\ninner:\n  port: 5\n")
    return path


def load(file: Path, **environment: str) -> Settings:
    return load_config(Settings, file, VARIABLES, environment)


# --- the file -------------------------------------------------------------------------------------------------------


def test_the_file_is_read_and_defaults_fill_the_rest(file: Path) -> None:
    settings = load(file)
    assert (settings.http, settings.period_s, settings.name, settings.inner.port) == ("127.0.0.1:4000", 2, "headend", 5)
    assert settings.http.port == 4000


def test_everything_wrong_is_told_at_once_with_its_line(file: Path) -> None:
    file.write_text("http: nonsense\nperiod_s: -1\nperoid: 3\n")
    with pytest.raises(BadInput) as raised:
        load(file)
    told = {problem.path: (problem.where, problem.what) for problem in raised.value.problems}
    assert set(told) == {"http", "period_s", "peroid"}
    assert told["http"][0] == f"{file}:1"
    assert "host:port" in told["http"][1]
    assert told["period_s"][0] == f"{file}:2"
    assert told["peroid"][0] == f"{file}:3"


def test_a_missing_file_names_what_makes_it(tmp_path: Path) -> None:
    with pytest.raises(NotSetUp, match=r"headend.yaml does not exist; `derms headend init D` makes it"):
        load_config(Settings, tmp_path / "headend.yaml", made_by="derms headend init D")


def test_the_process_environment_is_the_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T_NAME", "from the environment")
    assert load_config(Settings, file, VARIABLES).name == "from the environment"
    assert load_config(Settings, file).name == "headend"


# --- variables over it ----------------------------------------------------------------------------------------------


def test_variables_take_the_keys_own_type(file: Path) -> None:
    settings = load(
        file,
        T_HTTP="[::1]:80",
        T_NAME="123",
        T_PERIOD="0.5",
        T_HISTORY="false",
        T_RETRIES="7",
        T_PORT="99",
        T_FOLDER="/srv/derms",
    )
    assert settings == Settings(
        http=Address("[::1]:80"),
        name="123",
        period_s=0.5,
        history=False,
        retries=7,
        inner=Inner(port=99, folder=Path("/srv/derms")),
    )


def test_an_empty_variable_overrides_nothing(file: Path) -> None:
    assert load(file, T_HTTP="").http == "127.0.0.1:4000"


def test_a_variable_may_stand_for_a_bad_value_in_the_file(file: Path) -> None:
    file.write_text("http: nonsense\n")
    assert load(file, T_HTTP="localhost:1").http == "localhost:1"


def test_a_variable_for_a_section_that_the_file_leaves_out(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("name: x\n")
    assert load(file, T_PORT="7").inner == Inner(port=7)


@pytest.mark.parametrize(
    ("variable", "text", "key"),
    [
        ("T_HTTP", "nonsense", "http"),
        ("T_HTTP", "0.0.0.0:3001", "http"),
        ("T_PERIOD", "fast", "period_s"),
        ("T_PERIOD", "-1", "period_s"),
        ("T_PERIOD", "nan", "period_s"),
        ("T_PERIOD", "inf", "period_s"),
        ("T_HISTORY", "perhaps", "history"),
        ("T_PORT", "5.5", "inner.port"),
    ],
)
def test_a_bad_variable_is_named(file: Path, variable: str, text: str, key: str) -> None:
    with pytest.raises(BadInput) as raised:
        load(file, **{variable: text})
    ((problem),) = raised.value.problems
    assert (problem.where, problem.path) == (f"environment variable {variable}", key)
    assert problem.what


def test_bad_variables_are_told_together(file: Path) -> None:
    with pytest.raises(BadInput) as raised:
        load(file, T_PERIOD="fast", T_PORT="x", T_NAME="fine")
    assert {problem.path for problem in raised.value.problems} == {"period_s", "inner.port"}


# --- addresses ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "host", "port", "loopback"),
    [
        ("127.0.0.1:3001", "127.0.0.1", 3001, True),
        ("127.8.8.8:1", "127.8.8.8", 1, True),
        ("localhost:0", "localhost", 0, True),
        ("[::1]:7450", "::1", 7450, True),
        ("0.0.0.0:3001", "0.0.0.0", 3001, False),
        ("[::]:3001", "::", 3001, False),
        ("10.0.0.1:65535", "10.0.0.1", 65535, False),
        ("localhost.example:7450", "localhost.example", 7450, False),
    ],
)
def test_addresses(text: str, host: str, port: int, loopback: bool) -> None:
    address = Address(text)
    assert (address.host, address.port, address.loopback, str(address)) == (host, port, loopback, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        ":3001",
        "host",
        "host:",
        "host:x",
        "host:-1",
        "host:65536",
        "host:+1",
        "host:１",
        "::1:7450",
        "[]:1",
        "a b:1",
        "http://host:1",
        "host:1 ",
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|no port from 0"):
        Address(text)


@given(st.text())
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = Address(text)
    except ValueError:
        return
    assert 0 <= address.port <= 65535
    assert address.host


def test_a_model_holds_addresses() -> None:
    adapter = TypeAdapter(Address)
    assert isinstance(adapter.validate_json('"localhost:1"', strict=True), Address)
    assert adapter.dump_json(Address("localhost:1")) == b'"localhost:1"'
    with pytest.raises(ValidationError, match="host:port"):
        adapter.validate_python("nonsense")
    with pytest.raises(ValidationError):
        adapter.validate_python(3001, strict=True)


# --- packaged data --------------------------------------------------------------------------------------------------
