"""A network in memory between named hosts: bytes in order within a connection, latency, cuts, pauses.

What happens to a connection: its bytes arrive late; a cut between two hosts holds them back, in both directions, until
it is healed; the death of a process ends its connections at once, as a kernel does.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence, Sized
from random import Random
from typing import TypeAlias, cast

import trio

Address: TypeAlias = tuple[str, int]
SHORTEST_S, LONGEST_S = 0.0001, 0.003


class SimNetwork:
    """The whole of it; each host sees it through `port`."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self._listeners: dict[Address, SimListener] = {}
        self._streams: dict[SimStream, None] = {}
        """In the order in which they were made: the order of a set would be chance that no seed rules."""
        self._cuts: set[frozenset[str]] = set()
        self._changed = trio.lowlevel.ParkingLot()
        self._ports = 40_000

    def port(self, host: str) -> SimPort:
        return SimPort(self, host)

    # ------------------------------------------------------------------------------------------------------- faults

    def cut(self, one: str, other: str) -> None:
        self._cuts.add(frozenset((one, other)))

    def heal(self) -> None:
        self._cuts.clear()
        self._changed.unpark_all()

    def is_cut(self, one: str, other: str) -> bool:
        return frozenset((one, other)) in self._cuts

    def host_dies(self, host: str) -> None:
        for address in [address for address in self._listeners if address[0] == host]:
            self._listeners.pop(address).close()
        for stream in [each for each in self._streams if each.local[0] == host]:
            stream.close()

    # ---------------------------------------------------------------------------------------------------- the inside

    async def until_healed(self, one: str, other: str) -> None:
        while self.is_cut(one, other):
            await self._changed.park()

    def latency_s(self) -> float:
        return self.random.uniform(SHORTEST_S, LONGEST_S)

    def listen(self, host: str, port: int) -> SimListener:
        address = (host, port)
        if address in self._listeners:
            raise OSError(errno.EADDRINUSE, "address in use")
        listener = self._listeners[address] = SimListener(self, address)
        return listener

    def unlisten(self, listener: SimListener) -> None:
        if self._listeners.get(listener.address) is listener:
            del self._listeners[listener.address]

    async def connect(self, here: str, address: Address) -> SimStream:
        await trio.sleep(self.latency_s())
        await self.until_healed(here, address[0])
        listener = self._listeners.get(address)
        if listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "connection refused")
        self._ports += 1
        ours, theirs = SimStream(self, (here, self._ports), address), SimStream(self, address, (here, self._ports))
        ours.other, theirs.other = theirs, ours
        self._streams |= {ours: None, theirs: None}
        listener.arrived(theirs)
        return ours

    def forget(self, stream: SimStream) -> None:
        self._streams.pop(stream, None)


class SimPort:
    """A broker's Network, and a client's."""

    def __init__(self, network: SimNetwork, host: str) -> None:
        self._network = network
        self._host = host

    async def listen(self, host: str, port: int) -> SimListener:
        await trio.lowlevel.checkpoint()
        return self._network.listen(self._host, port)

    async def connect(self, host: str, port: int) -> SimStream:
        return await self._network.connect(self._host, (host, port))


class SimListener:
    def __init__(self, network: SimNetwork, address: Address) -> None:
        self.address = address
        self._network = network
        self._waiting: list[SimStream] = []
        self._arrival = trio.lowlevel.ParkingLot()
        self._closed = False

    def arrived(self, stream: SimStream) -> None:
        self._waiting.append(stream)
        self._arrival.unpark()

    async def accept(self) -> SimStream:
        while not self._waiting:
            if self._closed:
                raise trio.ClosedResourceError
            await self._arrival.park()
        await trio.lowlevel.checkpoint_if_cancelled()
        return self._waiting.pop(0)

    def close(self) -> None:
        self._closed = True
        self._network.unlisten(self)
        self._arrival.unpark_all()


class SimStream:
    """One end. What is sent becomes readable at the other end after a while."""

    def __init__(self, network: SimNetwork, local: Address, peer: Address) -> None:
        self.local = local
        self.peer = peer
        self.other: SimStream
        self._network = network
        self._inbox = bytearray()
        self._readable = trio.lowlevel.ParkingLot()
        self._not_before = 0.0
        self._ended = False
        """The other end sends no more."""
        self._closed = False

    async def receive_into(self, into: Callable[[], memoryview] | memoryview) -> int:
        while not self._inbox:
            if self._closed:
                raise trio.ClosedResourceError
            if self._ended:
                return 0
            await self._readable.park()
        await trio.lowlevel.checkpoint_if_cancelled()
        buffer = into if isinstance(into, memoryview) else into()
        count = min(len(buffer), len(self._inbox))
        buffer[:count] = self._inbox[:count]
        del self._inbox[:count]
        return count

    async def send(self, pieces: Sequence[Sized]) -> None:
        if self._closed:
            raise trio.ClosedResourceError
        data = b"".join(_bytes_of(piece) for piece in pieces)
        # In order: nothing overtakes what was sent before on this connection.
        now = trio.current_time()
        self._not_before = max(self._not_before, now + self._network.latency_s())
        await trio.sleep_until(self._not_before)
        await self._network.until_healed(self.local[0], self.peer[0])
        if self._closed or self.other._closed:
            raise ConnectionResetError(errno.ECONNRESET, "connection reset")
        self.other._arrive(data)

    def end_receiving(self) -> None:
        self._end()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._network.forget(self)
            self._readable.unpark_all()
            if not self._network.is_cut(self.local[0], self.peer[0]):
                self.other._end()

    def _arrive(self, data: bytes) -> None:
        self._inbox += data
        self._readable.unpark_all()

    def _end(self) -> None:
        self._ended = True
        self._readable.unpark_all()


def _bytes_of(piece: Sized) -> bytes:
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    return cast("bytes", piece.read())  # type: ignore[attr-defined]
