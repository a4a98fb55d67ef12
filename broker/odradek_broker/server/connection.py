"""One client's connection: requests in, answers out, in the same order.

Two tasks. The reader receives frames and begins their requests; the writer sends the answers of those that had still
to wait for something. As long as nothing waits, the reader sends the answers itself and the writer sleeps: a request
that can be answered at once costs no switch of tasks.

Invariants
    Answers leave in the order in which their requests came.
    A handler that holds the connection begins when all earlier answers are sent, and nothing begins before it ends.
    A request's bytes are looked at only until its handler returns: the buffer is then used again.
    Only what the peer leaves undone counts against a deadline: not our work, nor the wait for memory.
    After REQUESTS_BETWEEN_CHECKPOINTS at most others have their turn, however many requests have come together.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, cast

import trio

from odradek.protocol.framing import BASE_BYTES, FrameBuffer
from odradek.protocol.primitives import ProtocolError
from odradek_broker.apis import Held, Later

if TYPE_CHECKING:
    from odradek.protocol.headers import ApiMessage
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.network import Stream
    from odradek_broker.server.dispatcher import Call, Dispatcher
    from odradek_broker.server.memory import MemoryBudget

logger = logging.getLogger(__name__)

MAX_PENDING = 1000
"""Requests of one connection that may wait for their answers; a client that sends more is not read for a while."""

FRAME_DEADLINE_MS = 30_000
"""How long the bytes of one frame may take to arrive, and how long a client may refuse to take an answer's.

A large frame has as long again each time that its buffer has doubled.
"""

REQUESTS_BETWEEN_CHECKPOINTS = 16

SHRINK_AFTER_MS = 1_000
UNKNOWN = -1


class Connection:
    """Serves one stream until either side ends it."""

    def __init__(
        self,
        stream: Stream,
        dispatcher: Dispatcher,
        memory: MemoryBudget,
        clock: Clock,
        max_frame_bytes: int,
    ) -> None:
        self._stream = stream
        self._dispatcher = dispatcher
        self._memory = memory
        self._clock = clock
        self._buffer = FrameBuffer(max_frame_bytes)
        self._pending: deque[tuple[Call, ApiMessage | Awaitable[ApiMessage | None] | None]] = deque()
        self._changed = trio.lowlevel.ParkingLot()
        self._scope = trio.CancelScope()
        self._active_ms = clock.monotonic_ms()
        self._frame_since_ms = UNKNOWN
        """When the reader began to wait for the rest of a frame; it does not while it is at work."""
        self._sending_since_ms = UNKNOWN
        self._handling = False
        self._waiting_for_memory = False
        self._draining = False
        self._farewells: dict[str, Callable[[], None]] = {}
        self._since_checkpoint = 0

    async def serve(self) -> None:
        """Return when the connection is over; no fault of the peer's is raised."""
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write_answers)
                    await self._read_requests()
                    await self._all_answered()
                    nursery.cancel_scope.cancel()
        except* ProtocolError as errors:
            logger.warning("closing the connection of %s:%d: %s", *self._stream.peer, _first_line(errors))
        except* OSError as errors:
            logger.debug("lost the connection of %s:%d: %s", *self._stream.peer, _first_line(errors))
        except* trio.ClosedResourceError:
            pass
        except* Exception:
            logger.exception("closing the connection of %s:%d: a request has met a defect", *self._stream.peer)
        finally:
            self._stream.close()
            for _, answer in self._pending:
                if isinstance(answer, Coroutine | Later):
                    answer.close()
            self._memory.give_back(self._buffer.capacity_bytes - BASE_BYTES, self)
            for farewell in self._farewells.values():
                farewell()

    def drain(self) -> None:
        """Answer what has been asked, take no more requests, and end."""
        self._draining = True
        self._stream.end_receiving()

    def tick(self, now_ms: int, max_idle_ms: int) -> None:
        """Called about once a second: give memory back, close what stands still."""
        if now_ms - self._active_ms >= SHRINK_AFTER_MS:
            self._shrink()
        if self._sending_since_ms != UNKNOWN:
            since_ms, limit_ms = self._sending_since_ms, FRAME_DEADLINE_MS
        elif self._pending or self._handling or self._waiting_for_memory:
            return  # it is not the peer that keeps the connection still
        elif self._frame_since_ms != UNKNOWN and self._buffer.buffered_bytes:
            since_ms, limit_ms = self._frame_since_ms, FRAME_DEADLINE_MS
        else:
            since_ms, limit_ms = self._active_ms, max_idle_ms
        if now_ms - since_ms >= limit_ms:
            logger.info("closing the connection of %s:%d: it has stood still for long", *self._stream.peer)
            self._scope.cancel()

    def _shrink(self) -> None:
        """Give back what a large frame took, where no part of a frame is buffered."""
        before = self._buffer.capacity_bytes
        if before > BASE_BYTES and not self._buffer.buffered_bytes:
            self._buffer.shrink()
            self._memory.give_back(before - self._buffer.capacity_bytes, self)

    async def _read_requests(self) -> None:
        while True:
            frame = self._buffer.next_frame()
            if frame is None:
                if not await self._receive():
                    return
                continue
            self._frame_since_ms = UNKNOWN
            await self._let_others_run()
            call = await self._dispatcher.read(frame, self._stream.peer, self._stream.local, self._farewells)
            if call.refusal is not None:
                await self._answer_in_turn(call, call.refusal)
            elif call.api.holds:
                await self._hold(call)
            else:
                answer = call.api.handle(call.request, call.context)
                if isinstance(answer, Held):
                    answer = await self._work(answer)
                await self._answer_in_turn(call, answer)

    async def _let_others_run(self) -> None:
        """Requests that take no answer, or have to wait for it, never wait themselves."""
        self._since_checkpoint += 1
        if self._since_checkpoint >= REQUESTS_BETWEEN_CHECKPOINTS:
            self._since_checkpoint = 0
            await trio.lowlevel.checkpoint()

    async def _work(self, held: Held) -> ApiMessage | Awaitable[ApiMessage | None] | None:
        self._handling = True
        try:
            return await held.work
        finally:
            self._handling = False

    async def _receive(self) -> bool:
        """Get more bytes; False where there are no more."""
        if self._draining:
            return False
        if self._memory.is_short:
            self._shrink()
        growth = self._buffer.capacity_wanted() - self._buffer.capacity_bytes
        if growth:
            await self._take_memory(growth)
            self._frame_since_ms = UNKNOWN
        if self._frame_since_ms == UNKNOWN and self._buffer.buffered_bytes:
            self._frame_since_ms = self._clock.monotonic_ms()
        count = await self._stream.receive_into(self._buffer.room)
        self._buffer.received(count)
        self._active_ms = self._clock.monotonic_ms()
        if self._frame_since_ms == UNKNOWN:
            self._frame_since_ms = self._active_ms
        return count > 0

    async def _take_memory(self, count: int) -> None:
        self._waiting_for_memory = True
        await self._memory.take(count, self)
        self._waiting_for_memory = False
        self._buffer.room()  # what was taken is what the buffer now has, be it that nothing more comes

    async def _all_answered(self) -> None:
        while self._pending:
            await self._changed.park()

    async def _hold(self, call: Call) -> None:
        await self._all_answered()
        self._handling = True
        try:
            response = await cast("Awaitable[ApiMessage | None]", call.api.handle(call.request, call.context))
        finally:
            self._handling = False
        await self._send(call, response)

    async def _answer_in_turn(self, call: Call, answer: ApiMessage | Awaitable[ApiMessage | None] | None) -> None:
        if not self._pending and not isinstance(answer, Awaitable):
            await self._send(call, answer)
            return
        self._pending.append((call, answer))
        self._changed.unpark_all()
        while len(self._pending) >= MAX_PENDING:
            await self._changed.park()

    async def _write_answers(self) -> None:
        while True:
            while not self._pending:
                await self._changed.park()
            call, answer = self._pending[0]
            response = await answer if isinstance(answer, Awaitable) else answer
            await self._send(call, response)
            self._pending.popleft()
            self._changed.unpark_all()

    async def _send(self, call: Call, response: ApiMessage | None) -> None:
        if response is None:
            return
        pieces = await self._dispatcher.write(call, response)
        self._sending_since_ms = self._clock.monotonic_ms()
        await self._stream.send(pieces)
        self._sending_since_ms = UNKNOWN
        self._active_ms = self._clock.monotonic_ms()


def _first_line(errors: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{error}".splitlines()[0] if f"{error}" else type(error).__name__
