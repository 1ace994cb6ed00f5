"""The witness as a process: signals, logs, and the server in between."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import sys
import time
from pathlib import Path

from audit.witness.server import Server
from audit.witness.store import WitnessStore

log = logging.getLogger(__name__)


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """What an https service shows. OSError, which ssl.SSLError is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    return context


def run(store: WitnessStore, host: str, port: int, tls: ssl.SSLContext | None) -> None:
    """Serve until SIGTERM or SIGINT. OSError where the address cannot be listened on."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )  # fmt: skip
    asyncio.run(_serve(store, host, port, tls))


async def _serve(store: WitnessStore, host: str, port: int, tls: ssl.SSLContext | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = Server(store, lambda: int(time.time()))
    listening = await server.start(host, port, tls)
    log.info("listening address=%s port=%d witness=%s", host, listening, store.key)
    try:
        await stop.wait()
    finally:
        await server.stop()
