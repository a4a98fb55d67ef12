"""One client's connection: requests in, answers out, in the same order.

Two tasks. The reader receives frames and begins their requests; the writer sends the answers of those that had still
to wait for something. As long as nothing waits, the reader sends the answers itself and the writer sleeps: a request
that can be answered at once costs no switch of tasks.

Invariants
    Answers leave in the order in which their requests came, and none behind one that was left out.
    A handler that holds the connection begins when all earlier answers are sent, and nothing begins before it ends.
    A request's bytes are looked at only until its handler returns: the buffer is then used again.
    Only what the peer leaves undone counts against a deadline: not our work, nor the wait for memory; and it counts
    from the last progress (progress.py).
    Once the peer has closed its end nobody else is waited for on its behalf. What had come before is begun all the
    same, and answered if that can be done at once: it may have closed one direction only.
    After REQUESTS_BETWEEN_CHECKPOINTS at most others have their turn, however many requests have come together.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Coroutine
from typing import TYPE_CHECKING, cast

import trio
from msgspec import Struct

from odradek.protocol.framing import BASE_BYTES, FrameBuffer
from odradek.protocol.primitives import ProtocolError
from odradek_broker.apis import Answer, Caller, Held, Later
from odradek_broker.apis.permissions.rules import Finish
from odradek_broker.loop.defects import survive
from odradek_broker.ports.handshakes import HandshakeFailed
from odradek_broker.security.login import Login, Phase
from odradek_broker.security.refused import LoginRefused
from odradek_broker.server.dispatcher import Call, Forbidden
from odradek_broker.server.endings import Ending, Endings
from odradek_broker.server.progress import DEADLINE_MS, UNKNOWN, Progress
from odradek_broker.server.unsupported import Unsupported

if TYPE_CHECKING:
    from odradek_broker.ports.clock import Clock
    from odradek_broker.ports.network import Stream
    from odradek_broker.server.dispatcher import Dispatcher
    from odradek_broker.server.entrance import Entrance
    from odradek_broker.server.memory import Share
    from odradek_broker.server.throttling import Usage

logger = logging.getLogger(__name__)

MAX_PENDING = 1000
"""Requests of one connection that may wait for their answers; a client that sends more is not read for a while."""

REQUESTS_BETWEEN_CHECKPOINTS = 16

SHRINK_AFTER_MS = 1_000


class Slot(Struct, frozen=True, gc=False):
    """Where an answer belongs, when nothing else of its request is needed any more."""

    version: int
    correlation_id: int
    finish: Finish | None = None
    """What completes the answer before it is sent."""
    usage: Usage | None = None
    """What counts towards quotas."""


class Connection:
    """Serves one stream until either side ends it."""

    def __init__(
        self,
        stream: Stream,
        dispatcher: Dispatcher,
        memory: Share,
        clock: Clock,
        max_frame_bytes: int,
        entrance: Entrance,
        endings: Endings,
        login: Login | None = None,
    ) -> None:
        self._stream = stream
        self._entrance = entrance
        self._endings = endings
        self._dispatcher = dispatcher
        self._memory = memory
        self._clock = clock
        self._max_frame_bytes = max_frame_bytes
        self._buffer = FrameBuffer(max_frame_bytes if login is None else min(entrance.login_bytes, max_frame_bytes))
        self._pending: deque[tuple[Slot, Answer | Awaitable[Answer]]] = deque()
        self._changed = trio.lowlevel.ParkingLot()
        self._scope = trio.CancelScope()
        self._waiting = trio.CancelScope()
        """Around a handler that waits for others."""
        self.active_ms = clock.monotonic_ms()
        """When bytes have last come or gone."""
        self._received_bytes = 0
        self._arriving = Progress()
        """Of the rest of a frame, while the reader waits for it and is not at work."""
        self._sending = Progress()
        self._handling = self._waiting_for_memory = False
        self._draining = self._peer_gone = False
        self._silent = False
        """An answer was left out, as the peer has gone: what comes behind it is not said either."""
        self._caller = Caller(stream.peer, stream.local, entrance.listener, login=login)
        self._login = login
        self._since_ms = self.active_ms
        self._since_checkpoint = 0
        self._muted_until_ms = UNKNOWN
        """The peer has used more than its quota, and is not read before that."""

    async def serve(self) -> None:
        """Return when the connection is over; no fault of the peer's is raised."""
        try:
            with self._scope:
                await self._enter()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write_answers)
                    await self._read_requests()
                    await self._all_answered()
                    nursery.cancel_scope.cancel()
        except* ProtocolError as errors:
            self._endings.blame(Ending.NO_PROTOCOL, self._caller, _first_line(errors))
        except* HandshakeFailed as errors:
            self._endings.blame(Ending.NO_HANDSHAKE, self._caller, _first_line(errors))
        except* LoginRefused as errors:
            self._endings.refuse(self._caller, _first_line(errors), self._dispatcher.broker.audit_log)
        except* OSError as errors:
            logger.debug("lost the connection of %s:%d: %s", *self._stream.peer, _first_line(errors))
        except* trio.ClosedResourceError:
            pass
        except* Exception as defects:
            host, port = self._stream.peer
            survive(defects, f"closing the connection of {host}:{port}: a request has met it")
        finally:
            self._stream.close()
            for _, answer in self._pending:
                _drop(answer)
            self._buffer.drop()
            self._memory.give_back()
            for farewell in self._caller.on_disconnect.values():
                farewell()

    async def _enter(self) -> None:
        """Find out who it is, as far as it shows before it asks. Raises OSError, ProtocolError."""
        self._caller.principal = self._entrance.principal(await self._stream.open())
        self._stream.on_peer_gone(self._peer_has_gone)

    @property
    def host(self) -> str:
        """The address of the peer."""
        return self._stream.peer[0]

    def drain(self) -> None:
        """Answer what has been asked, take no more requests, and end."""
        self._draining = True
        self._stream.end_receiving()
        self._changed.unpark_all()

    def tick(self, now_ms: int, max_idle_ms: int) -> None:
        """Called about once a second: give memory back, close what stands still."""
        if now_ms - self.active_ms >= SHRINK_AFTER_MS:
            self._shrink()
        if self._login is not None and self._login.is_pending and now_ms - self._since_ms >= DEADLINE_MS:
            is_over = True  # whoever it is has had time to say so
        elif self._sending.since_ms != UNKNOWN:
            is_over = self._sending.is_over(self._stream.taken_bytes(), now_ms)
        elif self._handling and self._memory.keeps_others_waiting:
            is_over = now_ms - self.active_ms >= DEADLINE_MS
        elif self._pending or self._handling or self._waiting_for_memory or self._muted_until_ms > now_ms:
            return  # it is not the peer that keeps the connection still
        elif self._arriving.since_ms != UNKNOWN and self._buffer.buffered_bytes:
            hurried = self._memory.keeps_others_waiting
            is_over = self._arriving.is_over(self._received_bytes, now_ms, hurried=hurried)
        else:
            is_over = 0 <= max_idle_ms <= now_ms - self.active_ms
        if is_over:
            self.end("it has stood still for long")

    def end(self, why: str) -> None:
        """Close it at once."""
        self._endings.tell(Ending.CLOSED, "closing the connection of {}:{}: {}".format(*self._stream.peer, why))
        self._scope.cancel()

    def _peer_has_gone(self) -> None:
        if not self._draining:  # else it is our own doing
            self._peer_gone = self._caller.is_gone = True
            self._waiting.cancel()
            if self._caller.waiting is not None:
                self._caller.waiting.cancel()
            self._changed.unpark_all()

    def _shrink(self) -> None:
        """Give back what a large frame took, where no part of a frame is buffered or still looked at."""
        if self._buffer.capacity_bytes > BASE_BYTES:
            self._buffer.shrink()
            if self._buffer.capacity_bytes == BASE_BYTES:
                self._memory.give_back()

    async def _read_requests(self) -> None:
        while True:
            if self._login is not None:
                await self._heed(self._login)
            if self._muted_until_ms != UNKNOWN:
                await self._rest()
            frame = self._buffer.next_frame()
            if frame is None:
                if not await self._receive():
                    return
                continue
            self._arriving.since_ms = UNKNOWN
            self._since_checkpoint += 1
            if self._since_checkpoint >= REQUESTS_BETWEEN_CHECKPOINTS:
                await self._let_others_run()
            if self._login is not None and not await self._passes(self._login, frame):
                continue
            call = await self._dispatcher.read(frame, self._caller)
            finish = call.finish if isinstance(call, Call) else None
            usage = None if isinstance(call, Unsupported) else call.usage
            slot = Slot(call.answer_version, call.correlation_id, finish, usage)
            if isinstance(call, Forbidden):
                await self._answer_in_turn(slot, call.response)
            elif isinstance(call, Unsupported):
                logger.info("%s:%d (%s) asks for %s", *self._stream.peer, self._caller.software, call.sentence)
                await self._answer_in_turn(slot, call.response)
            elif call.api.holds:
                del frame  # of which the request may need nothing any more
                await self._hold(slot, call)
            else:
                began_ms = self._clock.monotonic_ms() if usage is not None else UNKNOWN
                answer = call.api.handle(call.request, call.context)
                if isinstance(answer, Held):
                    answer = await self._work(answer)
                elif usage is not None:
                    usage.worked_ms += self._clock.monotonic_ms() - began_ms
                del frame, call
                await self._answer_in_turn(slot, answer)

    async def _rest(self) -> None:
        """Until the quota allows more. What is sent meanwhile stays with the peer."""
        while not self._draining and not self._peer_gone:
            left_ms = self._muted_until_ms - self._clock.monotonic_ms()
            if left_ms <= 0:
                break
            with trio.move_on_after(left_ms / 1000):
                await self._changed.park()
        self._muted_until_ms = UNKNOWN

    def _settle(self, usage: Usage, response: Answer) -> Answer:
        """What is told of the quotas; they hold from now on."""
        now_ms = self._clock.monotonic_ms()
        response, throttle_ms = self._dispatcher.settle(usage, response, now_ms)
        if throttle_ms:
            self._muted_until_ms = max(self._muted_until_ms, now_ms + throttle_ms)
        return response

    async def _heed(self, login: Login) -> None:
        """What has become of the login. Raises LoginRefused where that is the end."""
        if login.phase is Phase.IN:
            self._buffer.max_frame_bytes = self._max_frame_bytes
        elif login.phase is Phase.OUT:
            await self._all_answered()
            raise LoginRefused(login.refusal)

    async def _passes(self, login: Login, frame: memoryview) -> bool:
        """Whether a request may be asked now; False for a bare token of a login, which is none and is answered here.

        Raises ProtocolError, LoginRefused.
        """
        if login.is_pending:
            await self._entrance.wait_turn(self._stream.peer[0], login.mechanism)
        if not login.takes_bare_tokens:
            login.admit(int.from_bytes(frame[:2], "big", signed=True), self.active_ms)
            return True
        await self._all_answered()
        try:
            step = login.authenticate(bytes(frame), self.active_ms, self._clock.now_ms())
        except LoginRefused:
            await trio.sleep(self._entrance.refusal_delay_s)
            raise
        self._caller.principal = login.principal
        await self._stream.send([len(step.token).to_bytes(4, "big"), step.token])
        return False

    async def _let_others_run(self) -> None:
        """Requests that take no answer, or have to wait for it, never wait themselves."""
        self._since_checkpoint = 0
        await trio.lowlevel.checkpoint()

    async def _work(self, held: Held) -> Answer | Awaitable[Answer]:
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
        if self._buffer.buffered_bytes:
            growth = self._buffer.capacity_wanted() - self._buffer.capacity_bytes
            if growth:
                await self._take_memory(growth)
            if self._arriving.since_ms == UNKNOWN:
                self._arriving.begin(self._clock.monotonic_ms())
        count = await self._stream.receive_into(self._buffer.room)
        self._buffer.received(count)
        self._received_bytes += count
        self.active_ms = self._clock.monotonic_ms()
        return count > 0

    async def _take_memory(self, count: int) -> None:
        self._waiting_for_memory = True
        await self._memory.take(count, self._buffer.missing_bytes)
        self._waiting_for_memory = False
        self._arriving.since_ms = UNKNOWN

    async def _all_answered(self) -> None:
        while self._pending and not self._peer_gone:
            await self._changed.park()

    async def _hold(self, slot: Slot, call: Call) -> None:
        await self._all_answered()
        self._handling = True
        try:
            answer = cast("Awaitable[Answer]", call.api.handle(call.request, call.context))
            response = await (self._while_peer_is_there(answer) if call.api.waits_for_others else answer)
        finally:
            self._handling = False
        if self._pending or response is None:
            self._silent = True  # the peer has gone
        if not self._silent:
            await self._send(slot, response)

    async def _while_peer_is_there(self, answer: Awaitable[Answer]) -> Answer:
        """None where it goes before it has got its answer; what need not wait is done in any case."""
        with trio.CancelScope() as self._waiting:
            if self._peer_gone:
                self._waiting.cancel()
            return await answer
        return None

    async def _answer_in_turn(self, slot: Slot, answer: Answer | Awaitable[Answer]) -> None:
        if not self._pending and not self._silent and not isinstance(answer, Awaitable):
            await self._send(slot, answer)
            return
        if self._peer_gone:
            self._silent = True
            _drop(answer)
            return
        self._pending.append((slot, answer))
        self._changed.unpark_all()
        while len(self._pending) >= MAX_PENDING and not self._peer_gone:
            await self._changed.park()

    async def _write_answers(self) -> None:
        while True:
            while not self._pending:
                await self._changed.park()
            slot, answer = self._pending[0]
            response = await answer if isinstance(answer, Awaitable) else answer
            await self._send(slot, response)
            self._pending.popleft()
            self._changed.unpark_all()

    async def _send(self, slot: Slot, response: Answer) -> None:
        if slot.finish is not None:
            response = await self._dispatcher.finish(slot.finish, response)
        if slot.usage is not None:
            response = self._settle(slot.usage, response)
        if response is None:
            return
        pieces = await self._dispatcher.write(response, slot.version, slot.correlation_id)
        self._sending.begin(self._clock.monotonic_ms())
        await self._stream.send(pieces)
        self._sending.since_ms = UNKNOWN
        self.active_ms = self._clock.monotonic_ms()


def _drop(answer: Answer | Awaitable[Answer]) -> None:
    """Nobody will await it."""
    if isinstance(answer, Coroutine | Later):
        answer.close()


def _first_line(errors: BaseExceptionGroup[BaseException]) -> str:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{error}".splitlines()[0] if f"{error}" else type(error).__name__
