"""A network in memory between named hosts: bytes in order within a connection, latency, cuts, resets, refusals.

What happens to a connection: its bytes arrive late, and in pieces; a cut from one host to another holds them back until
it is healed, in that direction or in both; the death of a process ends its connections as a kernel does, behind what
had been sent; the death of a machine ends nothing: who is connected to it hears no more, until it is there again and
refuses to know of it. A connection that is reset breaks at both ends, and what is under way is lost; one that is given
up breaks at one end alone, and what that end has sent arrives all the same, when its sender has long asked elsewhere.
Within a connection nothing is lost, doubled or out of order: that is what TCP is for.
"""

from __future__ import annotations

import errno
import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence, Sized
from random import Random
from typing import TypeAlias, cast

import trio

Address: TypeAlias = tuple[str, int]
Link: TypeAlias = tuple[str, str]
"""From one host to another."""
SHORTEST_S, LONGEST_S = 0.0001, 0.003


class SimNetwork:
    """The whole of it; each host sees it through `port`."""

    def __init__(
        self,
        nursery: trio.Nursery,
        random: Random,
        *,
        longest_s: float = LONGEST_S,
        most_bytes: int | None = None,
    ) -> None:
        """`longest_s`: each two hosts are up to that far from each other. `most_bytes`: of what arrives at once."""
        self.random = random
        self._longest_s = longest_s
        self._most_bytes = most_bytes
        self._listeners: dict[Address, SimListener] = {}
        self._streams: dict[SimStream, None] = {}
        """In the order in which they were made: the order of a set would be chance that no seed rules."""
        self._cuts: set[Link] = set()
        self._refusals: set[Link] = set()
        self._ever_refused: set[tuple[str, str]] = set()
        self._slow: dict[Link, float] = {}
        self._distances: dict[frozenset[str], float] = {}
        self._dark: set[str] = set()
        self._changed = trio.lowlevel.ParkingLot()
        self._ports = 40_000
        self._due: list[tuple[float, int, SimStream]] = []
        """A heap: when the next bytes of a stream arrive. Bytes that were sent do, whatever becomes of the sender."""
        self._held_back: dict[SimStream, None] = {}
        """Streams whose next bytes wait at a cut."""
        self._sent = 0
        self._nap = trio.CancelScope()
        nursery.start_soon(self._carry)

    def port(self, host: str) -> SimPort:
        return SimPort(self, host)

    # ------------------------------------------------------------------------------------------------------- faults

    def cut(self, one: str, other: str, *, one_way: bool = False) -> None:
        """`one_way`: only what goes from one to the other is held back. No connection is made then either."""
        self._cuts.add((one, other))
        if not one_way:
            self._cuts.add((other, one))

    def slow(self, one: str, other: str, longest_s: float) -> None:
        """From now on bytes between the two take up to that long; those of two connections overtake each other."""
        self._slow[one, other] = self._slow[other, one] = longest_s

    def refuse(self, one: str, other: str, *, reset: bool = False) -> None:
        """A rule in the way of one to the other rejects its new connections; with `reset` those that are there too."""
        self._refusals.add((one, other))
        self._ever_refused |= {(one, other), (other, one)}
        if reset:
            self.reset(one, other)

    def heal(self) -> None:
        self._cuts.clear()
        self._refusals.clear()
        self._slow.clear()
        self._go_on()

    def mend(self, one: str, other: str) -> None:
        """Between these two only."""
        for link in ((one, other), (other, one)):
            self._cuts.discard(link)
            self._refusals.discard(link)
            self._slow.pop(link, None)
        self._go_on()

    def is_cut(self, one: str, other: str) -> bool:
        """For what goes from one to the other."""
        return (one, other) in self._cuts

    def was_refused(self, one: str, other: str) -> bool:
        """Whether there has ever been a rule in the way between the two."""
        return (one, other) in self._ever_refused

    def reset(self, one: str, other: str) -> None:
        """All connections between the two break, wherever their bytes are."""
        for stream in (*self._ends_of(one, other), *self._ends_of(other, one)):
            stream.break_off()

    def give_up(self, one: str, other: str, *, silently: bool = False) -> None:
        """One takes its connections with the other for broken. What it has sent arrives, then the end of it.

        `silently`: no end arrives. The other holds half a connection, until it sends into it.
        """
        for stream in self._ends_of(one, other):
            stream.give_up(silently=silently)

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

    def _ends_of(self, one: str, other: str) -> list[SimStream]:
        """Those at one, of its connections with the other."""
        return [each for each in self._streams if each.local[0] == one and each.peer[0] == other]

    def _forget_listeners(self, host: str) -> None:
        for address in [address for address in self._listeners if address[0] == host]:
            self._listeners.pop(address).close()

    # ---------------------------------------------------------------------------------------------------- the inside

    def latency_s(self, one: str, other: str) -> float:
        longest_s = self._slow.get((one, other))
        if longest_s is None:
            longest_s = self._distance_s(one, other)
        return self.random.uniform(SHORTEST_S, longest_s)

    def piece_bytes(self, length: int) -> int:
        """Of what has arrived, how much is noticed at once."""
        return length if self._most_bytes is None else min(length, self.random.randint(1, self._most_bytes))

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
        there = address[0]
        await trio.sleep(self.latency_s(here, there))
        while True:
            if (here, there) in self._refusals:
                raise ConnectionRefusedError(errno.ECONNREFUSED, "connection refused")
            if not (self.is_cut(here, there) or self.is_cut(there, here) or there in self._dark):
                break
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

    def will_arrive(self, stream: SimStream, at_s: float) -> None:
        """The next bytes of a stream."""
        self._sent += 1
        heapq.heappush(self._due, (at_s, self._sent, stream))
        if at_s < self._nap.deadline:
            self._nap.deadline = at_s

    async def _carry(self) -> None:
        while True:
            now_s = trio.current_time()
            while self._due and self._due[0][0] <= now_s:
                self._deliver(heapq.heappop(self._due)[2], now_s)
            self._nap = trio.CancelScope(deadline=self._due[0][0] if self._due else math.inf)
            with self._nap:
                await trio.sleep_forever()

    def _deliver(self, stream: SimStream, now_s: float) -> None:
        if self.is_cut(stream.local[0], stream.peer[0]):
            self._held_back[stream] = None
        elif (next_s := stream.deliver(now_s)) is not None:
            self.will_arrive(stream, next_s)

    def _go_on(self) -> None:
        self._changed.unpark_all()
        held_back, self._held_back = self._held_back, {}
        for stream in held_back:
            self.will_arrive(stream, trio.current_time())

    def _distance_s(self, one: str, other: str) -> float:
        pair = frozenset((one, other))
        if pair not in self._distances:
            near = self._longest_s <= LONGEST_S
            self._distances[pair] = self._longest_s if near else _between(LONGEST_S, self._longest_s, self.random)
        return self._distances[pair]


def _between(least: float, most: float, random: Random) -> float:
    """Evenly over the orders of magnitude."""
    return float(least * (most / least) ** random.random())


class SimPort:
    """A broker's Network, and a client's."""

    def __init__(self, network: SimNetwork, host: str) -> None:
        self._network = network
        self._host = host

    async def listen(self, host: str, port: int, tls: object = None) -> SimListener:
        await trio.lowlevel.checkpoint()
        return self._network.listen(self._host, port)

    async def connect(self, host: str, port: int, tls: object = None) -> SimStream:
        """There is no TLS here: what of it is drawn at random no seed rules."""
        return await self._network.connect(self._host, (host, port))

    async def touch(self, host: str, port: int) -> None:
        (await self._network.connect(self._host, (host, port))).close()

    async def run(self) -> None:
        await trio.sleep_forever()  # who has gone is told in the same moment


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
        self.retires_at = math.inf
        self.is_silent = False
        """Whoever had it is gone, and has not said so."""
        self._network = network
        self._on_the_way: deque[tuple[float, bytes]] = deque()
        """To the other end, with the moment of their arrival. The network knows of the first."""
        self._inbox = bytearray()
        self._readable = trio.lowlevel.ParkingLot()
        self._not_before = 0.0
        self._ended = False
        """The other end sends no more."""
        self._closed = False
        self._broken = False
        self._sent_bytes = 0
        self._tell_gone: Callable[[], None] | None = None

    async def open(self) -> None:
        """Nobody has to agree on anything."""

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
        count = self._network.piece_bytes(min(len(buffer), len(self._inbox)))
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
        self._sent_bytes += len(data)
        self._send_off(data)

    def taken_bytes(self) -> int:
        return self._sent_bytes

    def on_peer_gone(self, tell: Callable[[], None]) -> None:
        self._tell_gone = tell

    def end_receiving(self) -> None:
        self._end()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._network.forget(self)
            self._readable.unpark_all()
            if not self.is_silent:
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
            end._say_gone()

    def give_up(self, *, silently: bool) -> None:
        """At this end it is broken, and whoever has it will close it."""
        self._broken, self.is_silent = True, silently
        self._inbox.clear()
        self._readable.unpark_all()
        self._say_gone()

    def deliver(self, now_s: float) -> float | None:
        """What has arrived at the other end by now; return when there will be more."""
        while self._on_the_way:
            arrival_s, data = self._on_the_way[0]
            if arrival_s > now_s:
                return arrival_s
            self._on_the_way.popleft()
            if data:
                self.other._arrive(data)
            else:
                self.other._end()
        return None

    def _send_off(self, data: bytes) -> None:
        # In order: nothing overtakes what was sent before on this connection.
        first = self._network.piece_bytes(len(data))
        for piece in (data[:first], data[first:]) if first < len(data) else (data,):
            latency_s = self._network.latency_s(self.local[0], self.peer[0])
            self._not_before = max(self._not_before, trio.current_time() + latency_s)
            self._on_the_way.append((self._not_before, piece))
            if len(self._on_the_way) == 1:
                self._network.will_arrive(self, self._not_before)

    def _arrive(self, data: bytes) -> None:
        if self._broken and self.is_silent:
            self.break_off()  # nobody knows of it here any more, which is the answer
            return
        self._inbox += data
        self._readable.unpark_all()

    def _end(self) -> None:
        self._ended = True
        self._readable.unpark_all()
        self._say_gone()

    def _say_gone(self) -> None:
        tell, self._tell_gone = self._tell_gone, None
        if tell is not None and not self._closed:
            tell()


def _bytes_of(piece: Sized) -> bytes:
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    return cast("bytes", piece.read())  # type: ignore[attr-defined]
