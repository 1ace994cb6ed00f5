"""Certificates and keys that are foreign, mixed up, out of date or gone.

Each mistake gets an answer that says what is wrong, where, and how to mend it; the exit code that fits; no traceback;
and nothing half started: no process, no port, no file made or changed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.system.home import (
    BATTERY,
    FLEET,
    SECOND_BATTERY,
    Home,
    expire,
    in_words,
    refused,
)
from wire import pki as authority

# --- certificates and keys -------------------------------------------------------------------------------------------


def swap(home: Home, source: str, target: str, *suffixes: str) -> None:
    for suffix in suffixes or ("crt", "key"):
        shutil.copyfile(home.pki / f"{source}.{suffix}", home.pki / f"{target}.{suffix}")


def foreign(home: Home, *stems: str) -> None:
    """Put pairs of another CA in the place of ours."""
    other = home.folder / "other"
    authority.init(other, [*FLEET.assets])
    for stem in stems:
        for suffix in ("crt", "key"):
            shutil.copyfile(other / f"{stem}.{suffix}", home.pki / f"{stem}.{suffix}")


AGENT = f"agents/{BATTERY}"


@pytest.mark.parametrize(
    ("spoil", "start", "words"),
    [
        (lambda home: foreign(home, "headend"), "headend run", "headend.crt: was not issued by"),
        (lambda home: (home.pki / "headend.key").unlink(), "headend check", "headend.key does not exist; make it with"),
        (lambda home: swap(home, "gateway", "headend"), "headend check", "gateway:gateway's, and a headend's is"),
        (lambda home: swap(home, "headend", "publisher", "key"), "headend check", "is not an unencrypted PEM Ed25519"),
        (lambda home: (home.pki / "ca.crt").unlink(), "gateway run", "ca.crt does not exist; make it with `derms pki"),
        (lambda home: foreign(home, "gateway"), "gateway run", "gateway.crt: was not issued by"),
        (lambda home: (home.pki / "publisher.pub").write_text("x"), "gateway run", "is not a PEM Ed25519 public key"),
        (lambda home: (home.pki / f"{AGENT}.key").unlink(), "agent run", ".key does not exist; make it with"),
        (lambda home: (home.pki / f"{AGENT}.crt").write_text("x"), "agent run", ".crt: is not a PEM certificate"),
        (lambda home: foreign(home, AGENT), "agent run", ".crt: was not issued by"),
        (lambda home: swap(home, "gateway", AGENT, "key"), "agent run", ".key: is not the key of"),
        (lambda home: swap(home, f"agents/{SECOND_BATTERY}", AGENT), "agent run", f":agent:{SECOND_BATTERY}, not of"),
        (lambda home: swap(home, "gateway", AGENT), "agent run", "certificate of urn:derms:gateway:gateway, not of"),
    ],
    ids=in_words,
)  # fmt: skip
def test_certificates_that_do_not_belong_stop_the_start(
    home: Home, spoil: Callable[[Home], object], start: str, words: str
) -> None:
    spoil(home)
    who, command = start.split()
    assert words in refused(home.folder, *(home.agent(command, BATTERY) if who == "agent" else [who, command, who]))


def test_pki_show_names_what_is_expired_foreign_readable_or_missing(home: Home) -> None:
    expire(home, "gateway")
    foreign(home, "headend")
    home.certificate(AGENT)[1].chmod(0o644)
    home.certificate(f"agents/{SECOND_BATTERY}")[1].unlink()
    said = refused(home.folder, "pki", "show", "pki").splitlines()
    wrong = {line.split()[0]: line for line in said if not line.endswith("ok")}
    assert len(wrong) == 4
    for stem, words in (("gateway", "has expired"), ("headend", "was not issued by"), (AGENT, "chmod 600"),
                        (f"agents/{SECOND_BATTERY}", "is missing")):  # fmt: skip
        assert words in wrong[f"{stem}.crt"]
