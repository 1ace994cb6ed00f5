"""`derms audit page`: the verifier as one page for a browser, for people without Python."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import click


def page_text() -> str:
    """The page, whole: it loads nothing from anywhere."""
    return resources.files("audit").joinpath("verifier.html").read_text(encoding="utf-8")


@click.command()
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write; it must not exist."
)
def page(out: Path) -> None:
    """Write the verifier out as one HTML page, which works in a browser without a network."""
    try:
        with out.open("x", encoding="utf-8", newline="\n") as file:
            file.write(page_text())
    except OSError as problem:
        raise click.ClickException(f"{out} cannot be written: {problem.strerror}") from None
    click.echo(f"{out}: open it in a browser, and give it the log and the verifier key")
