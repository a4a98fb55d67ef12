"""The network between the nodes of a cluster, so that a test can cut it and slow it down.

In front of each node stands a small proxy, at the address by which everybody knows the node. Who has connected it reads
in the first request: nodes name themselves there, and whoever does not is a client. Over TLS nobody can be told from a
client. A cut holds bytes back in both
directions, as a network does that loses packets: nothing is refused and nothing breaks. While a node is down its proxy
does not listen, so whoever tries to connect is refused, as without a proxy.
"""

from __future__ import annotations

import errno
import re
import socket
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import trio
from msgspec import Struct

CLIENT = "client"
"""Whoever is no node."""
CHUNK_BYTES = 64 * 1024
CHUNKS_ON_THE_WAY = 64
BROKEN = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)
_head = struct.Struct(">ihhih")
"""Size, API key, version, correlation id, length of the client id."""
TLS_HANDSHAKE = b"\x16"
"""The first byte of TLS. A request that began with it would be larger than any."""
_from_broker = re.compile(r"(?:replica|broker)-(\d+)")

Pair: TypeAlias = frozenset[str]


class Slowness(Struct, frozen=True):
    latency_s: float
    """Each way."""
    bytes_per_s: float | None


class Links:
    """Of one cluster; nodes go by their names. They work in a thread, so that a test that blocks holds nothing up."""

    def __init__(self) -> None:
        self._cuts: set[Pair] = set()
        self._slow: dict[Pair, Slowness] = {}
        self._ready = threading.Event()
        self._thread = threading.Thread(target=trio.run, args=(self._run,), name="links", daemon=True)
        self._thread.start()
        self._ready.wait()

    async def _run(self) -> None:
        async with trio.open_nursery() as self._nursery:
            self._token, self._healed = trio.lowlevel.current_trio_token(), trio.Event()
            self._ready.set()
            await trio.sleep_forever()

    def close(self) -> None:
        self.do(self._nursery.cancel_scope.cancel)
        self._thread.join()

    def cut(self, one: str, other: str) -> None:
        self._cuts.add(frozenset((one, other)))

    def slow(self, one: str, other: str, latency_s: float, bytes_per_s: float | None) -> None:
        self._slow[frozenset((one, other))] = Slowness(latency_s, bytes_per_s)

    def heal(self) -> None:
        """What was held back arrives now."""
        self._cuts.clear()
        self._slow.clear()
        self.do(self._wake)

    def front(self, name: str, host: str, port: int, node_port: int) -> Front:
        """The proxy of one node, which listens when it is opened."""
        return Front(self, name, host, port, node_port)

    # ---------------------------------------------------------------------------------------------------- the inside

    def do(self, what: Callable[[], None]) -> None:
        """In the thread of the links; returns when it is done."""
        done = threading.Event()

        def do() -> None:
            what()
            done.set()

        self._token.run_sync_soon(do)
        done.wait()

    def begin(self, task: Callable[..., Awaitable[None]], *args: object) -> None:
        """In the thread of the links."""
        self._nursery.start_soon(task, *args)

    def _wake(self) -> None:
        self._healed.set()
        self._healed = trio.Event()

    async def until_open(self, pair: Pair) -> None:
        while pair in self._cuts:
            await self._healed.wait()

    def slowness(self, pair: Pair) -> Slowness | None:
        return self._slow.get(pair)


class Front:
    """What stands in front of one node."""

    def __init__(self, links: Links, name: str, host: str, port: int, node_port: int) -> None:
        self._links = links
        self._name = name
        self._address = (host, port)
        self._node_address = (host, node_port)
        self._listener: trio.SocketListener | None = None

    def open(self) -> None:
        """Raises OSError."""
        if self._listener is None:
            listening = socket.create_server(self._address)
            self._links.do(lambda: self._begin(listening))

    def close(self) -> None:
        """The node is down."""
        self._links.do(self._end)

    def _begin(self, listening: socket.socket) -> None:
        self._listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
        self._links.begin(self._accept, self._listener)

    def _end(self) -> None:
        if self._listener is not None:
            self._listener.socket.close()
            self._listener = None

    async def _accept(self, listener: trio.SocketListener) -> None:
        with suppress(trio.ClosedResourceError):
            while True:
                self._links.begin(self._serve, await listener.accept())

    async def _serve(self, comer: trio.SocketStream) -> None:
        async with comer:
            try:
                node = await trio.open_tcp_stream(*self._node_address)
            except OSError as error:
                if error.errno == errno.ECONNREFUSED or isinstance(error.__cause__, ConnectionRefusedError):
                    self._end()  # it has ended by itself
                return
            async with node:
                with suppress(*BROKEN):
                    first = await _first_request(comer)
                    pair = frozenset((_who(first), self._name))
                    async with trio.open_nursery() as both:
                        both.start_soon(self._carry, pair, first, comer, node, both.cancel_scope)
                        both.start_soon(self._carry, pair, b"", node, comer, both.cancel_scope)

    async def _carry(
        self, pair: Pair, first: bytes, source: trio.SocketStream, sink: trio.SocketStream, both: trio.CancelScope
    ) -> None:
        """Until one of the two has closed, and the other has heard of it."""
        async with _on_the_way(source, first) as chunks:
            async for sent_s, data in chunks:
                slow = self._links.slowness(pair)
                if slow is not None:
                    await trio.sleep_until(sent_s + slow.latency_s)
                    if slow.bytes_per_s is not None:
                        await trio.sleep(len(data) / slow.bytes_per_s)
                await self._links.until_open(pair)
                try:
                    await sink.send_all(data)
                except BROKEN:
                    break
        await self._links.until_open(pair)
        both.cancel()


@asynccontextmanager
async def _on_the_way(
    source: trio.SocketStream, first: bytes
) -> AsyncIterator[trio.MemoryReceiveChannel[tuple[float, bytes]]]:
    """What comes from a stream, with when it came; reading goes on while what came earlier is still held back."""
    sender, receiver = trio.open_memory_channel[tuple[float, bytes]](CHUNKS_ON_THE_WAY)

    async def read() -> None:
        async with sender:
            if first:
                await sender.send((trio.current_time(), first))
            with suppress(*BROKEN):
                while data := await source.receive_some(CHUNK_BYTES):
                    await sender.send((trio.current_time(), bytes(data)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        yield receiver
        nursery.cancel_scope.cancel()


async def _first_request(comer: trio.SocketStream) -> bytes:
    """As much of it as tells who sends it, or all that came."""
    data = b""
    while not data.startswith(TLS_HANDSHAKE) and not _is_told(data):
        more = await comer.receive_some(CHUNK_BYTES)
        if not more:
            break
        data += more
    return data


def _is_told(data: bytes) -> bool:
    return len(data) >= _head.size and len(data) >= _head.size + max(_head.unpack_from(data)[4], 0)


def _who(first: bytes) -> str:
    if len(first) < _head.size or first.startswith(TLS_HANDSHAKE):
        return CLIENT
    length = max(_head.unpack_from(first)[4], 0)
    match = _from_broker.fullmatch(first[_head.size : _head.size + length].decode(errors="replace"))
    return CLIENT if match is None else f"broker-{match[1]}"
