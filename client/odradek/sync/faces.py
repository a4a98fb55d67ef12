"""How a class with async methods gets a face without them, method by method, with the same signatures."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from odradek.sync.thread import THREAD

P = ParamSpec("P")
T = TypeVar("T")


class Face:
    """Of an object that has to be entered. `inner` is the object itself, whose methods are Trio's."""

    def __init__(self, inner: AbstractAsyncContextManager[Any]) -> None:
        self.inner: Any = inner
        self._scope: AbstractContextManager[Any] | None = None

    def __enter__(self) -> Self:
        self._scope = THREAD.scope(self.inner)
        self._scope.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        assert self._scope is not None
        return self._scope.__exit__(kind, error, traceback)


def waits(method: Callable[Concatenate[Any, P], Awaitable[T]]) -> Callable[Concatenate[Any, P], T]:
    """A method that waits for the async one."""

    def call(self: Any, /, *arguments: P.args, **named: P.kwargs) -> T:
        return THREAD.run(functools.partial(method, self.inner), *arguments, **named)

    functools.update_wrapper(call, method)
    return call


def asks(method: Callable[Concatenate[Any, P], T]) -> Callable[Concatenate[Any, P], T]:
    """A method that calls the plain one, in Trio's thread."""

    def call(self: Any, /, *arguments: P.args, **named: P.kwargs) -> T:
        return THREAD.run_sync(functools.partial(method, self.inner), *arguments, **named)

    functools.update_wrapper(call, method)
    return call
