"""The client for asyncio programs: Trio as a guest of the asyncio loop, both in one thread.

    async with TrioGuest() as guest:
        async with guest.scope(Producer("localhost:9092")) as producer:
            await guest.run(producer.send_and_wait, "orders", b"v")
        async with guest.scope(Consumer("localhost:9092", "orders", group="billing")) as consumer:
            async for record in guest.records(consumer):
                ...

What Trio promises holds on this side too: when a block ends, nothing of it runs on; cancelling an asyncio task cancels
what it waits for in Trio, and waits until that has ended; an exception in a block reaches the scope that it leaves, so
a consumer left by one commits nothing. Each call costs some tens of microseconds: send many records with one call of a
function of yours, and read by batches, as `records` does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

import trio

from odradek.border import Stay, keep

if TYPE_CHECKING:
    from outcome import Outcome

    from odradek.consumer import Consumer
    from odradek.record import Record

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
P = ParamSpec("P")


class TrioGuest:
    """A Trio run inside of a running asyncio loop. All methods are for asyncio."""

    def __init__(self) -> None:
        self._nursery: trio.Nursery | None = None

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[Outcome[None]] = self._loop.create_future()
        trio.lowlevel.start_guest_run(
            self._main,
            run_sync_soon_threadsafe=self._loop.call_soon_threadsafe,
            run_sync_soon_not_threadsafe=self._loop.call_soon,
            done_callback=self._ended.set_result,
            host_uses_signal_set_wakeup_fd=True,
        )
        try:
            await _wait_for(self._started)
        except asyncio.CancelledError:
            await self.__aexit__(None, None, None)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._soon(self._stop.cancel)
        (await _wait_for(self._ended)).unwrap()

    async def run(self, function: Callable[P, Awaitable[T]], *arguments: P.args, **named: P.kwargs) -> T:
        """Await a Trio function. Raises what it raises."""
        done: asyncio.Future[T] = self._loop.create_future()
        scope = trio.CancelScope()
        self._start(partial(keep, done, scope, partial(function, *arguments, **named)))
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            self._soon(scope.cancel)
            await _wait_for(done)
            raise

    @asynccontextmanager
    async def scope(self, manager: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
        """Enter a Producer, Consumer, Admin, or any other Trio context manager, in a Trio task of its own."""
        entered: asyncio.Future[T] = self._loop.create_future()
        left: asyncio.Future[None] = self._loop.create_future()
        stay = Stay(manager, entered, left)
        self._start(stay.run)
        try:
            yield await asyncio.shield(entered)
        except asyncio.CancelledError:
            self._soon(stay.cancel)
            await _wait_for(left)
            raise
        except BaseException as error:
            self._soon(stay.end, error)
            await _wait_for(left)
            raise
        else:
            self._soon(stay.end)
            await _wait_for(left)
            left.result()

    async def records(self, consumer: Consumer[K, V], max_records: int | None = None) -> AsyncIterator[Record[K, V]]:
        """The consumer's records, for ever. Those of one `poll` are finished when the next poll is due."""
        while True:
            batch: Sequence[Record[K, V]] = await self.run(consumer.poll, max_records)
            for record in batch:
                yield record

    # -------------------------------------------------------------------------------------------------- inside

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._stop = trio.CancelScope()
        with self._stop:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                self._started.set_result(None)
                await trio.sleep_forever()

    def _start(self, task: Callable[[], Awaitable[Any]]) -> None:
        nursery = self._nursery
        if nursery is None or self._ended.done():
            raise RuntimeError("the guest is not running")
        self._soon(nursery.start_soon, task)

    def _soon(self, function: Callable[..., Any], *arguments: Any) -> None:
        """Call a plain function on the Trio side, and wake Trio up for it."""
        try:
            self._token.run_sync_soon(function, *arguments)
        except trio.RunFinishedError:
            pass


async def _wait_for(future: asyncio.Future[T]) -> T | Any:
    """Until it is done, however often we are cancelled meanwhile; a failure is the caller's to look at."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    if future.cancelled() or future.exception() is not None:
        return None
    return future.result()
