"""`derms` itself: lazy, plain-spoken, and quiet when its reader leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from daemon import cli
from daemon.cli import ROLES, Role, main

ROOT = Path(__file__).resolve().parents[2]


def derms(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "daemon.cli", *arguments]
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=60, check=False, **options)  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A role `probe` whose commands raise and return what a test needs."""
    (tmp_path / "probe_role.py").write_text(_PROBE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "probe_role", raising=False)
    monkeypatch.setitem(ROLES, "probe", Role("probe_role", "gateway", "Only in tests."))
    return CliRunner()


_PROBE = """
import errno, os, click
from dermscore.errors import BadInput, NotSetUp, Problem, Unreadable

@click.group()
def probe(): pass

def raises(name, error):
    @probe.command(name)
    def command(): raise error

raises("bad-input", BadInput([Problem("a.yaml:3", "x", "is 3"), Problem("a.yaml:4", "y", "is 4")]))
raises("not-set-up", NotSetUp("run init"))
raises("unreadable", Unreadable([Problem("a.yaml", "", "no such file")]))
raises("in-use", OSError(errno.EADDRINUSE, "Address already in use"))
raises("interrupt", KeyboardInterrupt())
raises("gone", BrokenPipeError(errno.EPIPE, "Broken pipe"))
raises("fault", ZeroDivisionError("ours"))
raises("other-os-error", PermissionError(13, "Permission denied"))

@probe.command()
@click.argument("code", type=int)
def returns(code): return code

@probe.command()
def log(): click.echo(os.environ["DERMS_LOG"])
"""


# --- help and version -----------------------------------------------------------------------------------------------


def test_help_lists_every_role_and_imports_none() -> None:
    code = "import sys; from daemon.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print('IMPORTED', sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, text=True, capture_output=True, check=True, timeout=60
    )
    helped, _, imported = done.stdout.partition("IMPORTED")
    for name, role in ROLES.items():
        assert f"\n  {name} " in helped
        assert role.help.split()[0] in helped
    for heavy in ("grpc", "numpy", "pydantic", "sqlalchemy", "cryptography", "structlog", "yaml", "headend", "gateway"):
        assert f"'{heavy}'" not in imported


def test_the_version_is_that_of_the_project() -> None:
    from daemon.version import software, version

    done = derms("--version")
    assert done.stdout == f"derms {version()}\n"
    assert f'version = "{version()}"' in (ROOT / "pyproject.toml").read_text()
    assert software() == f"derms/{version()}"


def test_an_unknown_command_is_a_wrong_call() -> None:
    done = derms("gatewya")
    assert done.returncode == 2
    assert "No such command 'gatewya'" in done.stderr


@pytest.mark.parametrize("name", list(ROLES))
def test_every_role_answers_help(name: str) -> None:
    done = derms(name, "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: derms {name}")


# --- roles that are not there ---------------------------------------------------------------------------------------


def test_a_role_whose_package_is_missing_says_which_extra(probe: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    (Path(sys.path[0]) / "probe_needs.py").write_text("import no_such_package_at_all.inside\n")
    monkeypatch.setitem(ROLES, "probe", Role("probe_needs", "gateway", ""))
    result = probe.invoke(main, ["probe"])
    assert result.exit_code == 2
    assert "this role is not installed" in result.stderr
    assert "no_such_package_at_all" in result.stderr
    assert "derms[gateway]" in result.stderr


def test_a_role_that_this_build_does_not_carry(probe: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ROLES, "probe", Role("no_such_role.cli", "gateway", ""))
    result = probe.invoke(main, ["probe"])
    assert result.exit_code == 2
    monkeypatch.setitem(ROLES, "probe", Role("wire.cli", "gateway", ""))
    result = probe.invoke(main, ["probe"])
    assert (result.exit_code, "no command 'probe'" in result.stderr) == (2, True)


def test_a_missing_module_of_ours_is_a_fault_not_an_installation(
    probe: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(sys.path[0]) / "probe_typo.py").write_text("import daemon.no_such_module\n")
    monkeypatch.setitem(ROLES, "probe", Role("probe_typo", "gateway", ""))
    assert isinstance(probe.invoke(main, ["probe"]).exception, ModuleNotFoundError)


def test_an_attribute_error_inside_a_role_is_not_mistaken(probe: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    (Path(sys.path[0]) / "probe_broken.py").write_text("import os\nos.no_such_function()\n")
    monkeypatch.setitem(ROLES, "probe", Role("probe_broken", "gateway", ""))
    result = probe.invoke(main, ["probe"])
    assert isinstance(result.exception, AttributeError)
    assert "no_such_function" in str(result.exception)


# --- what commands raise and return ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code", "stderr"),
    [
        ("bad-input", 1, "a.yaml:3: x: is 3\na.yaml:4: y: is 4\n"),
        ("not-set-up", 1, "run init\n"),
        ("unreadable", 2, "a.yaml: no such file\n"),
        ("in-use", 1, "an address that is to be listened on is in use: Address already in use\n"),
        ("interrupt", 130, "\n"),
    ],
)
def test_what_is_raised_on_purpose_is_told_plainly(probe: CliRunner, command: str, code: int, stderr: str) -> None:
    result = probe.invoke(main, ["probe", command])
    assert (result.exit_code, result.stderr, result.stdout) == (code, stderr, "")


@pytest.mark.parametrize(("command", "kind"), [("fault", ZeroDivisionError), ("other-os-error", PermissionError)])
def test_a_fault_of_ours_keeps_its_traceback(probe: CliRunner, command: str, kind: type[Exception]) -> None:
    assert isinstance(probe.invoke(main, ["probe", command]).exception, kind)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_a_commands_number_is_the_exit_code(probe: CliRunner, code: int) -> None:
    assert probe.invoke(main, ["probe", "returns", str(code)]).exit_code == code


def test_embedded_it_raises_as_click_does(probe: CliRunner) -> None:
    with pytest.raises(ZeroDivisionError):
        main(["probe", "fault"], standalone_mode=False)
    assert main(["probe", "returns", "1"], standalone_mode=False) == 1


@pytest.mark.parametrize(("arguments", "chosen"), [([], "auto"), (["--log", "json"], "json")])
def test_the_form_of_logs_is_inherited(
    probe: CliRunner, monkeypatch: pytest.MonkeyPatch, arguments: list[str], chosen: str
) -> None:
    monkeypatch.setenv("DERMS_LOG", "")
    monkeypatch.delenv("DERMS_LOG")
    assert probe.invoke(main, [*arguments, "probe", "log"]).stdout == f"{chosen}\n"


# --- readers and interrupts -----------------------------------------------------------------------------------------

_TALKER = """
import sys, click
from daemon import cli

@click.group()
def probe(): pass

@probe.command()
def talk():
    for number in range(200_000):
        click.echo(f"line {number}")

@probe.command()
def brief():
    print("one line")   # stays in the buffer until the end

@probe.command()
def wait():
    import signal, time
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a runner in the background leaves it ignored
    print("waiting", flush=True)
    time.sleep(60)

sys.modules["probe_role"] = type(sys)("probe_role")
sys.modules["probe_role"].probe = probe
cli.ROLES["probe"] = cli.Role("probe_role", "", "")
cli.main(["probe", sys.argv[1]])
"""


@pytest.mark.parametrize("command", ["talk", "brief"])
def test_a_reader_that_leaves_is_no_fault(command: str) -> None:
    """As in `derms audit show | head -1`."""
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", _TALKER, command], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    os.close(read)
    _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (141, "")


def test_ctrl_c_is_quiet() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _TALKER, "wait"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr.strip()) == (130, "")


def test_the_table_names_commands_that_are_there() -> None:
    for name, role in ROLES.items():
        command = cli.load(name, role)
        assert command.name == name


def test_a_package_that_is_missed_only_when_the_command_runs(probe: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "import click\n\n@click.command()\ndef probe_late():\n    import no_such_package_at_all\n"
    (Path(sys.path[0]) / "probe_late.py").write_text(module)
    monkeypatch.setitem(ROLES, "probe_late", Role("probe_late", "gateway", ""))
    result = probe.invoke(main, ["probe_late"])
    assert result.exit_code == 2, result.output
    assert "this role is not installed" in result.stderr
    assert "requirements/gateway.txt" in result.stderr


def test_a_folder_that_cannot_be_made_is_said_plainly() -> None:
    done = derms("pki", "init", "/proc/nowhere/pki")
    assert done.returncode == 1
    assert "/proc/" in done.stderr
    assert "choose a place" in done.stderr
    assert "Traceback" not in done.stderr
