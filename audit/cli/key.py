"""`derms audit key`: a log's signing key and its verifier key."""

from __future__ import annotations

from pathlib import Path

import click

from audit import keys
from audit.errors import AuditError


@click.command("key")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--origin", required=True, help="The log's name, such as example.com/gateway-1.")
def key_command(folder: Path, origin: str) -> None:
    """Make a signing key in FOLDER: audit.key (keep it secret) and audit.pub (give it to whoever verifies)."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = keys.write(folder, keys.generate(), origin)
    except (AuditError, OSError) as problem:
        raise click.ClickException(str(problem)) from None
    click.echo(f"{files.private}\n{files.public}")
