"""A network in memory between named hosts: bytes in order within a connection, latency, cuts, resets.

What happens to a connection: its bytes arrive late; a cut between two hosts holds them back, in both directions, until
it is healed; the death of a process ends its connections as a kernel does, behind what had been sent; the death of a
machine ends nothing: who is connected to it hears no more, until it is there again and refuses to know of it.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Sequence, Sized
from random import Random
from typing import TypeAlias, cast

import trio

Address: TypeAlias = tuple[str, int]
SHORTEST_S, LONGEST_S = 0.0001, 0.003


class SimNetwork:
    """The whole of it; each host sees it through `port`."""

    def __init__(self, nursery: trio.Nursery, random: Random) -> None:
        self.nursery = nursery
        """Bytes that were sent arrive, whatever becomes of the sender."""
        self.random = random
        self._listeners: dict[Address, SimListener] = {}
        self._streams: dict[SimStream, None] = {}
        """In the order in which they were made: the order of a set would be chance that no seed rules."""
        self._cuts: set[frozenset[str]] = set()
        self._slow: dict[frozenset[str], float] = {}
        self._dark: set[str] = set()
        self._changed = trio.lowlevel.ParkingLot()
        self._ports = 40_000

    def port(self, host: str) -> SimPort:
        return SimPort(self, host)

    # ------------------------------------------------------------------------------------------------------- faults

    def cut(self, one: str, other: str) -> None:
        self._cuts.add(frozenset((one, other)))

    def slow(self, one: str, other: str, longest_s: float) -> None:
        """From now on bytes between the two take up to that long; those of two connections overtake each other."""
        self._slow[frozenset((one, other))] = longest_s

    def heal(self) -> None:
        self._cuts.clear()
        self._slow.clear()
        self._changed.unpark_all()

    def mend(self, one: str, other: str) -> None:
        """Between these two only."""
        self._cuts.discard(frozenset((one, other)))
        self._slow.pop(frozenset((one, other)), None)
        self._changed.unpark_all()

    def is_cut(self, one: str, other: str) -> bool:
        return frozenset((one, other)) in self._cuts

    def reset(self, one: str, other: str) -> None:
        """All connections between the two break, wherever their bytes are."""
        for stream in [each for each in self._streams if {each.local[0], each.peer[0]} == {one, other}]:
            stream.break_off()

    def process_dies(self, host: str) -> None:
        self._forget_listeners(host)
        for stream in self._streams_of(host):
            stream.close()

    def machine_dies(self, host: str) -> None:
        self._dark.add(host)
        self._forget_listeners(host)
        for stream in self._streams_of(host):
            stream.fall_silent()

    def machine_is_back(self, host: str) -> None:
        self._dark.discard(host)
        self._changed.unpark_all()
        for stream in [each for each in self._streams if each.peer[0] == host and each.other.is_silent]:
            stream.break_off()

    def _streams_of(self, host: str) -> list[SimStream]:
        return [each for each in self._streams if each.local[0] == host]

    def _forget_listeners(self, host: str) -> None:
        for address in [address for address in self._listeners if address[0] == host]:
            self._listeners.pop(address).close()

    # ---------------------------------------------------------------------------------------------------- the inside

    async def until_healed(self, one: str, other: str) -> None:
        while self.is_cut(one, other):
            await self._changed.park()

    def latency_s(self, one: str, other: str) -> float:
        return self.random.uniform(SHORTEST_S, self._slow.get(frozenset((one, other)), LONGEST_S))

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
        await trio.sleep(self.latency_s(here, address[0]))
        while self.is_cut(here, address[0]) or address[0] in self._dark:
            await self._changed.park()
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


END = b""


class SimStream:
    """One end. What is sent becomes readable at the other end after a while."""

    def __init__(self, network: SimNetwork, local: Address, peer: Address) -> None:
        self.local = local
        self.peer = peer
        self.other: SimStream
        self.is_silent = False
        """Its machine has gone."""
        self._network = network
        self._on_the_way: deque[tuple[float, bytes]] = deque()
        self._inbox = bytearray()
        self._readable = trio.lowlevel.ParkingLot()
        self._not_before = 0.0
        self._ended = False
        """The other end sends no more."""
        self._closed = False
        self._broken = False

    async def receive_into(self, into: Callable[[], memoryview] | memoryview) -> int:
        while not self._inbox:
            if self._closed:
                raise trio.ClosedResourceError
            if self._broken:
                raise ConnectionResetError(errno.ECONNRESET, "connection reset")
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
        await trio.lowlevel.checkpoint()
        if self._broken or (self.other._closed and not self.other.is_silent):
            raise ConnectionResetError(errno.ECONNRESET, "connection reset")
        self._send_off(data)

    def end_receiving(self) -> None:
        self._end()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._network.forget(self)
            self._readable.unpark_all()
            self._send_off(END)

    def fall_silent(self) -> None:
        self._closed = self.is_silent = True
        self._network.forget(self)
        self._readable.unpark_all()

    def break_off(self) -> None:
        for end in (self, self.other):
            end._broken = True
            end._on_the_way.clear()
            end._readable.unpark_all()

    def _send_off(self, data: bytes) -> None:
        # In order: nothing overtakes what was sent before on this connection.
        latency_s = self._network.latency_s(self.local[0], self.peer[0])
        self._not_before = max(self._not_before, trio.current_time() + latency_s)
        self._on_the_way.append((self._not_before, data))
        if len(self._on_the_way) == 1:
            self._network.nursery.start_soon(self._carry)

    async def _carry(self) -> None:
        while self._on_the_way:
            arrival, data = self._on_the_way[0]
            await trio.sleep_until(arrival)
            await self._network.until_healed(self.local[0], self.peer[0])
            if self._on_the_way and self._on_the_way[0] == (arrival, data):
                self._on_the_way.popleft()
                if data:
                    self.other._arrive(data)
                else:
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
