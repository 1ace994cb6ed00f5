"""Regenerate the protobuf code from `wire/v1/*.proto`, or check that what is committed is what the protos say.

    python -m wire.generate            write the generated files beside the protos
    python -m wire.generate --check    exit 1 and name every file that differs

A tool of the workshop: it needs grpcio-tools (extra `dev`), and the product never imports it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROTOS = Path("wire") / "v1"
_WRITES = ("--python_out", "--pyi_out", "--grpc_python_out")


def generate(into: Path, root: Path = ROOT) -> None:
    """Write the code of every proto under `root`/wire/v1 below the existing folder `into`.

    Raises:
        RuntimeError: protoc found fault with a proto (it has said what on stderr).
    """
    from grpc_tools import protoc  # type: ignore[import-untyped]

    protos = sorted(str(path.relative_to(root)) for path in (root / PROTOS).glob("*.proto"))
    outputs = [f"{option}={into}" for option in _WRITES]
    if protoc.main(["protoc", f"-I{root}", *outputs, *(str(root / proto) for proto in protos)]) != 0:
        raise RuntimeError("protoc refused the protos of wire/v1")


def drift(root: Path = ROOT) -> list[str]:
    """Every generated file that is missing, differs from what its proto gives, or has no proto any more."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder), root)
        fresh, committed = _texts(Path(folder)), _texts(root)
    return sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))


def _texts(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (root / PROTOS).glob("*_pb2*.py*")}


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    if not arguments:
        generate(ROOT)
        return 0
    stale = drift()
    for name in stale:
        print(f"{PROTOS / name}: differs from its proto; run: python -m wire.generate", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
