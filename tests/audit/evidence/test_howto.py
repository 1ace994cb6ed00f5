"""Every command of docs/howto/make-evidence.md, in its order, on a log such as the page shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import case_log
from case_log import PUBLIC, WITNESS
from persons import RING, key_of, person
from two_verifiers import ring_text

from audit import keys
from audit.approval import Ring
from audit.format.layout import SEGMENT_LINES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "howto" / "make-evidence.md").read_text(encoding="utf-8")
DERMS = "import sys; from daemon.cli import main; sys.argv[0] = 'derms'; sys.exit(main())"


def test_every_command_of_the_page(tmp_path: Path) -> None:
    case_log.build(tmp_path, segment_lines=SEGMENT_LINES)
    (tmp_path / "audit.pub").write_text(f"{PUBLIC}\n")
    (tmp_path / "witness.pub").write_text(f"{WITNESS}\n")
    names = ("ana.lopez", "ben.okafor")
    for name in names:
        keys.write(tmp_path, key_of(name), name, stem=name)
    (tmp_path / "ring.txt").write_bytes(ring_text(Ring((*RING.persons, *map(person, names)))))
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "derms").write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{DERMS}" "$@"\n')
    (programs / "derms").chmod(0o755)
    script = "set -e\n" + "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL))
    (programs / "python3").symlink_to(sys.executable)
    path = {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={**os.environ, **path}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for said in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL):
        for line in said.splitlines()[:-2]:
            assert line in done.stdout.splitlines(), line
    assert "Signature Verified Successfully" in done.stdout
    assert "WARNING" not in done.stdout.partition("RFI-8")[0]
    assert done.stdout.count("VERIFIED: ") == 4
