"""`derms audit witness`: a witness on compliance's own host, and checkpoints carried to it by file."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from audit import keys
from audit.errors import AuditError, BadKey
from audit.format.layout import Layout
from audit.format.note import parse
from audit.witness import cosignature, prover, request, store
from audit.witness.cosignature import Cosigned
from audit.witness.rules import Refused, Status
from audit.witness.store import WitnessStore

_FOLDER = click.Path(file_okay=False, path_type=Path)
_FILE = click.Path(dir_okay=False, path_type=Path)
_LISTEN: Final = "127.0.0.1:7453"
_FOUND_WRONG = 1


@click.group()
def witness() -> None:
    """Cosign a trail's checkpoints, on another host than the trail's, with a key of one's own."""


@contextlib.contextmanager
def _plainly() -> Iterator[None]:
    try:
        yield
    except (AuditError, OSError) as problem:
        raise click.ClickException(str(problem)) from None


@witness.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--name", required=True, help="The witness's name, such as compliance.example/w1.")
def init(folder: Path, name: str) -> None:
    """Make a witness in DIR: its key, and room for what it has seen. Nothing is overwritten."""
    with _plainly():
        key = store.init(folder, name)
    click.echo(
        f"{key}\n"
        f"  1. which logs:        derms audit witness trust {folder} --key audit.pub\n"
        f"  2. start it:          derms audit witness run {folder} --listen ADDRESS:7453\n"
        f"  3. on each gateway:   name it, with a copy of {folder / 'witness.pub'}, in gateway.yaml\n"
        f"Never restore it from a backup: a witness that has forgotten what it saw vouches for nothing. Make a new one."
    )


@witness.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--key", "key_file", required=True, type=_FILE, help="The logs' audit.pub, brought by hand.")
def trust(folder: Path, key_file: Path) -> None:
    """Cosign the logs of these keys from now on. After a log's change of keys: its new key, too."""
    with _plainly():
        new = WitnessStore.open(folder).trust(keys.load_public(key_file))
    click.echo("\n".join(f"cosigns {key.name} from now on: {key}" for key in new) or "all of them were known already")


@witness.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_context
def show(context: click.Context, folder: Path, as_json: bool) -> None:
    """Say what the witness in DIR has seen of each log. Exit 1 where a log has shown it two trees of one size."""
    with _plainly():
        opened = WitnessStore.open(folder)
        logs = [_log(opened, origin) for origin in dict.fromkeys(key.name for key in opened.trusted())]
        forks = sorted(str(path) for path in (folder / "forks").iterdir() if path.suffix != ".next")
    if as_json:
        click.echo(json.dumps({"key": str(opened.key), "logs": logs, "forks": forks}, indent=2))
    else:
        lines = [
            str(opened.key),
            *(_sentence(log) for log in logs),
            *(f"TWO TREES OF ONE SIZE: {path}" for path in forks),
        ]
        click.echo("\n".join(lines if logs else [*lines, "it knows no log yet (derms audit witness trust)"]))
    context.exit(_FOUND_WRONG if forks else 0)


def _log(opened: WitnessStore, origin: str) -> dict[str, Any]:
    latest = opened.latest(origin)
    if latest is None:
        return {"origin": origin, "size": 0, "root": None, "time": None, "file": None}
    seen, note = latest
    cosigned = cosignature.check(note, [opened.key])
    assert isinstance(cosigned, Cosigned)  # `latest` has looked
    return {
        "origin": origin,
        "size": seen.size,
        "root": seen.root.hex(),
        "time": cosignature.utc(cosigned.time_s),
        "file": str(opened.seen(origin)),
    }


def _sentence(log: dict[str, Any]) -> str:
    if log["time"] is None:
        return f"{log['origin']}: nothing yet"
    return f"{log['origin']}: {log['size']} records at {log['time']}, root {log['root']}, in {log['file']}"


@witness.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--listen", default=_LISTEN, show_default=True, help="ADDRESS:PORT.")
@click.option("--tls-cert", type=_FILE, help="PEM: serve https with this certificate.")
@click.option("--tls-key", type=_FILE, help="PEM: its key.")
def run(folder: Path, listen: str, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Serve the witness in DIR until SIGTERM or SIGINT."""
    from audit.witness import service

    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or not 0 <= int(port) <= 65_535:
        raise click.BadParameter(f"{listen!r} is not ADDRESS:PORT, such as {_LISTEN}", param_hint="--listen")
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key go together")
    with _plainly():
        tls = None if tls_cert is None or tls_key is None else service.tls_context(tls_cert, tls_key)
        service.run(WitnessStore.open(folder), host.strip("[]"), int(port), tls)


@witness.command("request")
@click.argument("log", type=_FOLDER)
@click.option("--old", type=click.IntRange(0), required=True, help="What the witness has: `derms audit witness show`.")
@click.option("--out", type=_FILE, required=True, help="The file to carry to the witness.")
def request_command(log: Path, old: int, out: Path) -> None:
    """Write LOG's newest checkpoint, with the proof that it continues the one of size OLD, into a file."""
    with _plainly():
        layout = Layout(log)
        new, signed = prover.newest(layout)
        if old > new.size:
            raise click.ClickException(
                f"the witness has {old} records and {log} has {new.size}: the log was rolled back, or is another one"
            )
        proved = prover.prove(layout, old, new)
        _write_new(out, request.encode(old, proved.proof, signed))
    click.echo(f"{out}: {new.origin}, size {new.size}, from {old}")


@witness.command("cosign")
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--request", "asked", type=_FILE, required=True, help="What `derms audit witness request` wrote.")
@click.option("--out", type=_FILE, required=True, help="The cosigned checkpoint, to carry back.")
def cosign_command(folder: Path, asked: Path, out: Path) -> None:
    """Cosign a checkpoint that was carried here by file, by the rules of the service. Exit 1 where it is refused."""
    with _plainly():
        answer = WitnessStore.open(folder).add(store.read_request(asked), lambda: int(time.time()))
        if isinstance(answer, Refused):
            raise click.ClickException(_why_refused(answer))
        _write_new(out, answer)
    text = parse(answer).text.decode().split("\n")
    click.echo(f"{out}: {text[0]}, size {text[1]}, cosigned")


def _why_refused(answer: Refused) -> str:
    if answer.status is not Status.CONFLICT or answer.fork:
        return f"refused ({answer.status}): {answer.why}"
    return f"refused: {answer.why}. Ask for `derms audit witness request LOG --old {answer.size}`"


def _write_new(path: Path, data: bytes) -> None:
    if path.exists():
        raise BadKey(f"{path} exists; nothing is overwritten")
    path.write_bytes(data)
