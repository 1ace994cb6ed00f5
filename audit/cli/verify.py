"""`derms audit verify`: exit 0 verified, 1 tampered, 2 could not tell.

Exit 1 means tampered and nothing else: what goes wrong with the verifying itself is exit 2.
"""

from __future__ import annotations

import json
import traceback
from pathlib import Path

import click

from audit import keys
from audit.approval import Ring
from audit.cli.output import COULD_NOT_TELL, say
from audit.cli.verdict import as_object, in_words
from audit.errors import AuditError
from audit.secrecy import KeyFolder
from audit.verify import CouldNotTell, Tampered, Verdict, Verified, verify
from audit.witness import attested
from audit.witness.attested import Reach
from audit.witness.coverage import COSIGNED
from audit.witness.store import load_keys

TAMPERED = 1


@click.command("verify")
@click.argument("log", type=click.Path(path_type=Path))
@click.option(
    "--key", "key_file", required=True, type=click.Path(path_type=Path), help="Verifier key file (audit.pub)."
)
@click.option("--ring", "ring_file", type=click.Path(path_type=Path), help="Ring of persons, to judge approvals by.")
@click.option("--body-keys", type=click.Path(path_type=Path), help="Folder of body keys, to read encrypted bodies.")
@click.option("--witness-key", type=click.Path(path_type=Path), help="Its witness's key (witness.pub).")
@click.option("--cosigned", type=click.Path(path_type=Path), help="The witness's own copy.  [default: LOG/cosigned]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of sentences.")
@click.pass_context
def verify_command(context: click.Context, /, log: Path, key_file: Path, as_json: bool, **given: Path | None) -> None:
    """Check every record of LOG against its signed checkpoint, with a key that you have from elsewhere."""
    if given["cosigned"] is not None and given["witness_key"] is None:
        raise click.UsageError("--cosigned needs --witness-key: who is to have cosigned it?")
    verdict, reach = _judged(log, key_file, **given)
    say(json.dumps(as_object(verdict, reach), ensure_ascii=False) if as_json else in_words(verdict, reach, log))
    context.exit({Verified: 0, Tampered: TAMPERED, CouldNotTell: COULD_NOT_TELL}[type(verdict)])


def _judged(
    log: Path,
    key_file: Path,
    ring_file: Path | None,
    body_keys: Path | None,
    witness_key: Path | None,
    cosigned: Path | None,
) -> tuple[Verdict, Reach | None]:
    try:
        public = keys.load_public(key_file)
        ring: Ring | None = None if ring_file is None else keys.load_ring(ring_file)
        where = cosigned or log / COSIGNED
        word = None if witness_key is None else attested.read_word(where, load_keys(witness_key))
        verdict = verify(log, public, ring=ring, body_keys=None if body_keys is None else KeyFolder(body_keys))
        return (verdict, None) if word is None else attested.attest(log, verdict, word, where)
    except AuditError as problem:
        return CouldNotTell(str(problem)), None
    except OSError as problem:
        return CouldNotTell(f"a file cannot be read: {problem}"), None
    except Exception as fault:  # not exit 1, which would say that the log was tampered with
        traceback.print_exc()
        return CouldNotTell(f"the verifier itself failed ({fault!r}); that says nothing about the log"), None
