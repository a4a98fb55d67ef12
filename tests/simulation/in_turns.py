"""Blocking code in virtual time: a thread of its own, which stands still while the world goes on, and the other way.

Code that blocks cannot be awaited; what it waits for takes virtual time all the same. So it runs in a thread, and of
that thread and Trio's exactly one runs at any moment: the seed decides everything, as everywhere else. Whoever has
asked for it waits for its end even where it is cancelled, as with real worker threads.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import outcome
import trio
from deterministic_trio import enter, this_run

T = TypeVar("T")

_here = threading.local()


class Gone(BaseException):
    """The process that has asked is dead: the code that would go on is not there any more."""


class Errand(Generic[T]):
    """A job, and its thread."""

    def __init__(self, job: Callable[[], T]) -> None:
        self._job = job
        self._run = this_run()
        self._their_turn, self._our_turn = threading.Semaphore(0), threading.Semaphore(0)
        self._wish: Callable[[], Awaitable[Any]] | None = None
        self._answer: outcome.Outcome[Any]
        self._result: outcome.Outcome[T]

    async def run(self) -> T:
        threading.Thread(target=self._work, daemon=True).start()
        while True:
            self._our_turn.acquire()
            wish, self._wish = self._wish, None
            if wish is None:
                break
            with trio.CancelScope(shield=True):
                self._answer = await outcome.acapture(wish)
            self._their_turn.release()
        if isinstance(self._result, outcome.Error) and isinstance(self._result.error, Gone):
            await trio.sleep_forever()  # until its own cancellation comes
        return self._result.unwrap()

    def wait_for(self, wish: Callable[[], Awaitable[Any]]) -> Any:
        self._wish = wish
        self._our_turn.release()
        self._their_turn.acquire()
        return self._answer.unwrap()

    def _work(self) -> None:
        enter(self._run)
        _here.errand = self
        self._result = outcome.capture(self._job)
        self._our_turn.release()


def wait_for(wish: Callable[[], Awaitable[T]]) -> T:
    """From inside of such a job: have something awaited on Trio's side, and get what it returns or raises."""
    errand: Errand[Any] = _here.errand
    answer: T = errand.wait_for(wish)
    return answer
