"""The thread in which Trio runs for all that is used without async.

Invariants
    It runs while somebody holds it, and is joined when the last one lets it go: nothing outlives its `with`.
    A call that is interrupted (Ctrl-C) is cancelled on the other side, and waited for, before the interruption goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from typing import Any, ParamSpec, TypeVar

import trio

from odradek.border import Stay, keep

T = TypeVar("T")
P = ParamSpec("P")


class TrioThread:
    """Shared by all clients of the process, so that one may be handed to a method of another."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0

    @contextmanager
    def scope(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enter a Trio context manager in a task of the thread; leave it as this block is left."""
        self._refuse_itself()
        self._hold()
        try:
            entered: Future[T] = Future()
            left: Future[None] = Future()
            stay = Stay(manager, entered, left)
            self._token.run_sync_soon(self._nursery.start_soon, stay.run)
            try:
                value = self._wait(entered, stay.cancel)
            except BaseException:
                _wait_until_done(left)
                raise
            try:
                yield value
            except BaseException as error:
                self._token.run_sync_soon(stay.end, error)
                _wait_until_done(left)
                raise
            self._token.run_sync_soon(stay.end)
            self._wait(left, stay.cancel)
        finally:
            self._let_go()

    def run(self, function: Callable[P, Awaitable[T]], *arguments: P.args, **named: P.kwargs) -> T:
        """What an async function returns or raises. Raises RuntimeError where no client is open."""
        self._refuse_itself()
        done: Future[T] = Future()
        scope = trio.CancelScope()
        task = partial(keep, done, scope, partial(function, *arguments, **named))
        self._soon(lambda: self._nursery.start_soon(task))
        return self._wait(done, scope.cancel)

    def run_sync(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """The same for a plain function, which is not to meet others in the middle of their work."""

        async def call() -> T:
            return function(*arguments, **named)

        return self.run(call)

    # --------------------------------------------------------------------------------------------------- the thread

    def _hold(self) -> None:
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                started: Future[None] = Future()
                self._thread = threading.Thread(target=trio.run, args=(self._main, started), name="odradek")
                self._thread.daemon = True  # a program that ends without leaving its `with` is not to hang
                self._thread.start()
                started.result()

    def _let_go(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders == 0:
                self._token.run_sync_soon(self._stop.set)
                self._thread.join()

    async def _main(self, started: Future[None]) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._stop = trio.Event()
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            started.set_result(None)
            await self._stop.wait()
            nursery.cancel_scope.cancel()

    def _refuse_itself(self) -> None:
        """It would wait for itself for ever. Raises RuntimeError."""
        if threading.current_thread() is getattr(self, "_thread", None):
            raise RuntimeError(
                "this is called by what a client of odradek.sync calls, and would wait for itself: what `send_many` is "
                "to take from another client has to be a list, and no function that is given to a client may use one"
            )

    def _soon(self, function: Callable[[], Any]) -> None:
        try:
            self._token.run_sync_soon(function)
        except (AttributeError, trio.RunFinishedError):
            raise RuntimeError("it is not open: use it within its `with`") from None

    def _wait(self, promise: Future[T], cancel: Callable[[], None]) -> T:
        try:
            return promise.result()
        except CancelledError:
            raise RuntimeError("it was closed meanwhile") from None
        except BaseException:
            if not promise.done():
                self._token.run_sync_soon(cancel)
                _wait_until_done(promise)
            raise


def _wait_until_done(promise: Future[Any]) -> None:
    """However it ends; a second interruption gives up waiting."""
    try:
        promise.exception()
    except CancelledError:
        pass


THREAD = TrioThread()
