"""Dialling and listening: the channels, servers and streams that join headend, agents and gateways.

This module is the one to import: it carries `Session`, `Outgoing`, `Silence`, `Ended` and `Why` as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import socket
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from dermscore.errors import BadInput, DermsError
from wire.identity import Identity, Refused, Role, TlsFiles, channel_credentials, peer, server_credentials
from wire.outgoing import Outgoing, Overflow
from wire.session import HEARTBEAT_S, SILENCE_S, Ended, Session, Silence, Stream, Why
from wire.v1.agent_link_pb2 import AgentMessage, HeadendMessage
from wire.v1.boundary_link_pb2 import GatewayMessage, SignedPublication

__all__ = [
    "AGENT_LINK",
    "BOUNDARY_LINK",
    "HEARTBEAT_S",
    "SILENCE_S",
    "Caller",
    "Ended",
    "Link",
    "Outgoing",
    "Overflow",
    "PortInUse",
    "Session",
    "Silence",
    "Stream",
    "Why",
    "backoff",
    "channel",
    "check_free",
    "finish",
    "listen",
    "open_stream",
    "persist",
    "serve",
    "server",
]

Up = TypeVar("Up", bound=Message)
Down = TypeVar("Down", bound=Message)

BASE_S = 0.5
CAP_S = 30.0
STEADY_S = 10.0
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
_LOOKAHEAD_BYTES = 64 * 1024
_DETAIL_CHARS = 1000
_FAREWELL_S = 2.0

_BOTH_ENDS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.http2.bdp_probe", 0),  # with a small lookahead this bounds what a flood can make us hold
    ("grpc.http2.lookahead_bytes", _LOOKAHEAD_BYTES),
    ("grpc.keepalive_time_ms", 30_000),  # our own heartbeats are what counts; these clear dead sockets away
    ("grpc.keepalive_timeout_ms", 10_000),
]
CHANNEL_OPTIONS = [
    *_BOTH_ENDS,
    ("grpc.enable_http_proxy", 0),  # a proxy named in the environment is no part of the agreed path
    ("grpc.service_config_disable_resolution", 1),
    ("grpc.dns_enable_srv_queries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),  # we redial ourselves, with our own back-off
]
SERVER_OPTIONS = [
    *_BOTH_ENDS,
    ("grpc.so_reuseport", 0),  # on by default: a second headend would share the port in silence
    ("grpc.server.max_pending_requests", 50_000),  # the defaults lose streams when a whole fleet redials at once
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
    ("grpc.max_concurrent_streams", 16),  # per connection, and a peer needs one
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
]


@dataclass(frozen=True, slots=True)
class Link(Generic[Up, Down]):
    """One streaming method: its name on the wire, and what goes up (from the one who dials) and down.

    `port` says where a headend answers to it, for whoever dialled another port.
    """

    service: str
    method: str
    up: type[Up]
    down: type[Down]
    port: str


AGENT_LINK = Link(
    "derms.v1.AgentLink",
    "Stream",
    AgentMessage,
    HeadendMessage,
    "agents dial `agent_link` of headend.yaml, usually port 7450 (is it the gateways' port?)",
)
BOUNDARY_LINK = Link(
    "derms.v1.BoundaryLink",
    "Exchange",
    GatewayMessage,
    SignedPublication,
    "gateways dial `boundary_link` of headend.yaml, usually port 7451 (is it the agents' port?)",
)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who opened a stream, as TLS proved it, and from where (gRPC's notation, such as `ipv4:10.0.0.7:51234`)."""

    identity: Identity
    peer: str


class PortInUse(DermsError):
    """An address cannot be listened on."""


def backoff(rng: random.Random, base_s: float = BASE_S, cap_s: float = CAP_S) -> Iterator[float]:
    """Endless waits in seconds before each new try: uniform in 0..min(cap, base * 2^n).

    "Full jitter": after an outage a fleet comes back spread evenly, not in waves.
    """
    ceiling = base_s
    while True:
        yield rng.uniform(0, ceiling)
        ceiling = min(cap_s, ceiling * 2)


async def persist(
    talk: Callable[[], Awaitable[Ended]],
    *,
    rng: random.Random,
    note: Callable[[Ended, float], None],
    base_s: float = BASE_S,
    cap_s: float = CAP_S,
    steady_s: float = STEADY_S,
) -> None:
    """Keep a client's stream up: `talk()` holds one stream from dialling to its end; then wait, and again.

    `note(ended, wait_s)` is told of every end and the wait that follows. A stream that lasted `steady_s` starts the
    back-off anew, unless we were refused or replaced: two processes with one identity must not chase each other.
    Returns when `talk` ended its stream itself in good order (Why.CLOSED).
    """
    waits = backoff(rng, base_s, cap_s)
    while True:
        began_s = time.monotonic()
        ended = await talk()
        if ended.why is Why.CLOSED:
            return
        if time.monotonic() - began_s >= steady_s and ended.why not in (Why.REFUSED, Why.REPLACED):
            waits = backoff(rng, base_s, cap_s)
        wait_s = next(waits)
        note(ended, wait_s)
        await asyncio.sleep(wait_s)


def channel(address: str, files: TlsFiles) -> grpc.aio.Channel:
    """A channel to `address` (host:port) over mutual TLS; use it with `async with`. Connects when a stream is opened.

    The server's certificate must be of our CA, for serving, and name the host of `address`. Raises what
    `TlsFiles.load` does.
    """
    return grpc.aio.secure_channel(address, channel_credentials(files), options=CHANNEL_OPTIONS)


def open_stream(channel: grpc.aio.Channel, link: Link[Up, Down]) -> Stream[Down, Up]:
    """The client's end of a new stream. A connection that fails shows when it is first read or written."""
    method = channel.stream_stream(
        f"/{link.service}/{link.method}",
        request_serializer=link.up.SerializeToString,
        response_deserializer=link.down.FromString,
    )
    return _Dialled(method(), link)


class _Dialled(Generic[Up, Down]):
    """The client's end of a stream.

    Its `write` goes around grpc.aio's own, which puts "Internal error from Core" in the place of the status with which
    a server ended the call meanwhile (grpcio 1.85, aio/_call.py, `_write`): who is refused would never learn why.
    """

    def __init__(self, call: Any, link: Link[Up, Down]) -> None:
        self._call, self._link = call, link

    async def read(self) -> Down:
        """Raises Refused where a server of ours answers that does not know this link, whatever else gRPC raises."""
        try:
            message: Down = await self._call.read()
        except grpc.RpcError as error:
            if isinstance(error, grpc.aio.AioRpcError) and error.code() is grpc.StatusCode.UNIMPLEMENTED:
                service = self._link.service.rpartition(".")[2]
                raise Refused(f"what answers there is not a headend's {service}: {self._link.port}") from None
            raise
        return message

    async def write(self, message: Up) -> None:
        await self._call.wait_for_connection()
        await self._call._cython_call.send_serialized_message(message.SerializeToString())

    async def done_writing(self) -> None:
        await self._call.done_writing()

    def cancel(self) -> None:
        self._call.cancel()


def server(extra_options: Sequence[tuple[str, Any]] = ()) -> grpc.aio.Server:
    """A server with our options; `serve` gives it streams, `listen` an address, then `await server.start()`."""
    return grpc.aio.server(options=[*SERVER_OPTIONS, *extra_options])


def listen(server: grpc.aio.Server, address: str, files: TlsFiles) -> int:
    """Bind `server` to `address` (host:port, port 0 for any) over mutual TLS, before it starts; returns the port.

    Raises:
        PortInUse: the address cannot be listened on; the text says why.
        NotSetUp, BadInput: what `TlsFiles.load` raises.
    """
    credentials = server_credentials(files)
    check_free(address)
    try:
        port: int = server.add_secure_port(address, credentials)
    except RuntimeError:
        raise PortInUse(f"cannot listen on {address}: another process took it just now") from None
    return port


def check_free(address: str) -> None:
    """Try to bind `address` and let it go again: gRPC itself would not say why it cannot.

    Raises:
        PortInUse: none of what its host stands for can be bound, or one of them is in use.
    """
    host, _, port = address.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise PortInUse(f"cannot listen on {address}: {error.strerror}") from None
    faults = [_bind_fault(family, where) for family, _, _, _, where in found]
    if errno.EADDRINUSE in faults:
        raise PortInUse(
            f"cannot listen on {address}: the port is in use by another process{_HOW_TO_FIND_IT.format(port)}"
        )
    if None not in faults:
        raise PortInUse(f"cannot listen on {address}: {os.strerror(faults[0] or errno.EADDRNOTAVAIL)}")


_HOW_TO_FIND_IT = " (`ss -ltnp 'sport = :{}'` shows which); end that one, or choose another port"


def _bind_fault(family: int, where: Any) -> int | None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(where)
        except OSError as error:
            return error.errno
    return None


Handler = Callable[[Caller, Stream[Up, Down]], Awaitable[Ended]]


def serve(
    server: grpc.aio.Server,
    link: Link[Up, Down],
    handler: Handler[Up, Down],
    *,
    role: Role,
    note: Callable[[str, Ended], None],
) -> None:
    """Have `server` hand each stream of `link` to `handler(caller, stream)`, once its caller has proved to be a `role`.

    The handler holds the stream through a `Session` and returns how it ended; the caller is then told by a status. It
    may raise Refused (the caller may not) or BadInput (what it said makes no sense), and the stream ends with that
    reason. `note(peer, ended)` hears of every end that was not the handler's own to report: where from, and why.
    """

    async def behaviour(_: Any, context: Any) -> None:
        caller = context.peer()
        await context.send_initial_metadata(())  # a first write that is cut off would else lose the final status
        try:
            ended = await handler(Caller(peer(context, role), caller), context)
        except Refused as refused:
            note(caller, ended := Ended(Why.REFUSED, refused.reason))
        except BadInput as bad:
            note(caller, ended := Ended(Why.BAD_MESSAGE, str(bad)))
        await finish(context, ended)

    method = grpc.stream_stream_rpc_method_handler(
        behaviour, request_deserializer=link.up.FromString, response_serializer=link.down.SerializeToString
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(link.service, {link.method: method}),))


_CODES = {
    Why.REFUSED: grpc.StatusCode.PERMISSION_DENIED,
    Why.BAD_MESSAGE: grpc.StatusCode.INVALID_ARGUMENT,
    Why.REPLACED: grpc.StatusCode.ABORTED,
    Why.EXPIRED: grpc.StatusCode.UNAUTHENTICATED,
    Why.REVOKED: grpc.StatusCode.PERMISSION_DENIED,
    Why.SILENT: grpc.StatusCode.UNAVAILABLE,
    Why.STALLED: grpc.StatusCode.UNAVAILABLE,
    Why.OVERFLOW: grpc.StatusCode.UNAVAILABLE,
}


async def finish(context: Any, ended: Ended) -> None:
    """End a server's stream with the status that tells the client why; in good order (OK) where nothing is to say."""
    code = _CODES.get(ended.why)
    if code is None:
        return
    with contextlib.suppress(TimeoutError):  # the status waits behind what a stalled peer does not take
        async with asyncio.timeout(_FAREWELL_S):
            await context.abort(code, (ended.detail or str(ended.why))[:_DETAIL_CHARS])
