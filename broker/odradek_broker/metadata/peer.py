"""Another broker or controller, asked over connections of our own.

A connection carries one request at a time: there are as many as there are requests under way, and those that are idle
are used again. What goes wrong with one closes it, and is told to who asked; nothing is tried twice here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

import trio
from msgspec import Struct

from odradek.protocol.codec import decode
from odradek.protocol.framing import FrameBuffer
from odradek.protocol.headers import ApiMessage, encode_request, read_response_header
from odradek.protocol.primitives import ProtocolError

if TYPE_CHECKING:
    from odradek_broker.ports.network import Address, Network, Stream

R = TypeVar("R", bound=Struct)

MAX_FRAME_BYTES = 256 * 1024 * 1024
MOST_IDLE = 8
"""Connections to one address that are kept; a moment in which there are more is over soon."""


IDLE_SECONDS = 5.0
"""After which a connection is not used again. The other side closes what is idle for `connections.max.idle.ms`, or has
been started again meanwhile, and who asks over what is closed has no answer."""


class PeerUnreachable(Exception):
    """No answer: the connection is refused or lost, the answer late or not to be understood."""


class Channel:
    """One connection."""

    def __init__(self, stream: Stream, client_id: str) -> None:
        self._stream = stream
        self._client_id = client_id
        self._buffer = FrameBuffer(MAX_FRAME_BYTES)
        self._correlation_id = 0
        self._idle_since = trio.current_time()

    async def ask(self, request: ApiMessage, answer: type[R], version: int) -> R:
        """Views in the answer hold until the next request. Raises OSError, ProtocolError, ClosedResourceError."""
        self._correlation_id += 1
        await self._stream.send(encode_request(request, version, self._correlation_id, self._client_id))
        while (frame := self._buffer.next_frame()) is None:
            count = await self._stream.receive_into(self._buffer.room)
            if count == 0:
                raise ConnectionResetError("the connection was closed")
            self._buffer.received(count)
        correlation_id, position = read_response_header(frame, cast("type[ApiMessage]", answer), version)
        if correlation_id != self._correlation_id:
            raise ProtocolError(f"answer {correlation_id} to request {self._correlation_id}")
        self._idle_since = trio.current_time()
        return decode(answer, frame, version, position)

    @property
    def is_fresh(self) -> bool:
        """Whether it may be used for another request."""
        return trio.current_time() < min(self._stream.retires_at, self._idle_since + IDLE_SECONDS)

    def close(self) -> None:
        self._stream.close()


class Peer:
    """One address."""

    def __init__(self, network: Network, address: Address, client_id: str) -> None:
        self.address = address
        self._network = network
        self._client_id = client_id
        self._idle: list[Channel] = []

    async def ask(self, request: ApiMessage, answer: type[R], version: int, timeout_s: float) -> R:
        """Raises PeerUnreachable. Views in the answer hold until the next request."""
        try:
            with trio.fail_after(timeout_s):
                return await self.ask_patiently(request, answer, version)
        except trio.TooSlowError as error:
            raise self._unreachable(error) from error

    async def ask_patiently(self, request: ApiMessage, answer: type[R], version: int) -> R:
        """Likewise, for whoever is itself cancelled when it takes too long: a scope costs as much as the asking."""
        channel: Channel | None = None
        try:
            channel = self._take_idle() or await self._connect()
            response = await channel.ask(request, answer, version)
        except (OSError, ProtocolError, trio.ClosedResourceError) as error:
            self._give_up(channel)
            raise self._unreachable(error) from error
        except BaseException:
            self._give_up(channel)
            raise
        if len(self._idle) < MOST_IDLE:
            self._idle.append(channel)
        else:
            channel.close()
        return response

    def _unreachable(self, error: Exception) -> PeerUnreachable:
        why = str(error) or type(error).__name__
        return PeerUnreachable(f"{self.address[0]}:{self.address[1]}: {why}")

    def close(self) -> None:
        """End the connections that are idle."""
        for channel in self._idle:
            channel.close()
        self._idle.clear()

    def _take_idle(self) -> Channel | None:
        while self._idle:
            channel = self._idle.pop()
            if channel.is_fresh:
                return channel
            channel.close()
        return None

    async def _connect(self) -> Channel:
        return Channel(await self._network.connect(*self.address), self._client_id)

    def _give_up(self, channel: Channel | None) -> None:
        """Its neighbours have most likely lost the same process."""
        if channel is not None:
            channel.close()
            self.close()
