"""What happens on Trio's side when a program that is not Trio's asks for something: shared by guest.py and sync/.

The other side waits for a Promise: an asyncio.Future where both share a thread, a concurrent.futures.Future where not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, Protocol, TypeVar

import trio

T = TypeVar("T")


class Promise(Protocol):
    """What is settled once: a value, an error, or nothing any more."""

    def done(self) -> bool: ...

    def set_result(self, result: Any, /) -> None: ...

    def set_exception(self, exception: Any, /) -> None: ...

    def cancel(self) -> bool: ...


async def keep(promise: Promise, scope: trio.CancelScope, function: Callable[[], Awaitable[Any]]) -> None:
    """Settle the promise by what the function does; it is cancelled where `scope` is before."""
    with scope:
        try:
            settle(promise, await function())
        except Exception as error:
            fail(promise, error)
    if not promise.done():
        promise.cancel()


class Stay(Generic[T]):
    """A context manager that a task enters, and leaves when it is told to."""

    def __init__(self, manager: AbstractAsyncContextManager[T], entered: Promise, left: Promise) -> None:
        self._manager = manager
        self._entered = entered
        self._left = left
        self._scope = trio.CancelScope()
        self._leave = trio.Event()
        self._error: BaseException | None = None

    async def run(self) -> None:
        """The task. Settles `entered` by the manager's value, and `left` when it is over."""
        try:
            with self._scope:
                async with self._manager as value:
                    settle(self._entered, value)
                    await self._leave.wait()
                    if self._error is not None:
                        raise self._error
            settle(self._left, None)
        except Exception as error:
            fail(self._entered if not self._entered.done() else self._left, error)
        except BaseException as error:
            if not _is_only(error, self._error):  # Ctrl-C or sys.exit() on the other side is not to end Trio
                raise
        finally:
            if not self._entered.done():
                self._entered.cancel()
            settle(self._left, None)

    def end(self, error: BaseException | None = None) -> None:
        """Let the block end, normally or by this error of its own."""
        self._error = error
        self._leave.set()

    def cancel(self) -> None:
        """Let the block end as one that is cancelled does."""
        self._scope.cancel()


def _is_only(raised: BaseException, error: BaseException | None) -> bool:
    """Whether that is all that was raised, be it that nurseries have wrapped it on its way."""
    if isinstance(raised, BaseExceptionGroup):
        return all(_is_only(each, error) for each in raised.exceptions)
    return raised is error


def settle(promise: Promise, value: Any) -> None:
    if not promise.done():
        promise.set_result(value)


def fail(promise: Promise, error: BaseException) -> None:
    if not promise.done():
        promise.set_exception(error)
