"""Trio as a guest of asyncio: scopes, calls, cancellation and exceptions across the border. No broker is needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from odradek.guest import TrioGuest

Program = Callable[[TrioGuest], Awaitable[None]]


def under_asyncio(program: Program) -> None:
    async def main() -> None:
        async with TrioGuest() as guest:
            await program(guest)

    asyncio.run(asyncio.wait_for(main(), 5))


class Scope:
    """A Trio context manager that remembers how it was left."""

    def __init__(self) -> None:
        self.left_by: Any = "not left"

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        try:
            await trio.lowlevel.checkpoint()
            yield "entered"
        except BaseException as error:
            self.left_by = type(error)
            raise
        self.left_by = None


def test_a_trio_function_is_awaited_and_its_exceptions_are_raised() -> None:
    async def double(number: int) -> int:
        await trio.sleep(0.001)
        return 2 * number

    async def fail() -> None:
        raise KeyError("mine")

    async def program(guest: TrioGuest) -> None:
        assert await guest.run(double, 21) == 42
        with pytest.raises(KeyError, match="mine"):
            await guest.run(fail)

    under_asyncio(program)


def test_many_calls_run_side_by_side() -> None:
    async def program(guest: TrioGuest) -> None:
        arrived: list[int] = []
        all_here = trio.Event()

        async def meet() -> None:
            arrived.append(1)
            if len(arrived) == 10:
                all_here.set()
            await all_here.wait()

        await asyncio.gather(*(guest.run(meet) for _ in range(10)))

    under_asyncio(program)


def test_cancelling_the_asyncio_side_ends_the_trio_side_first() -> None:
    ended: list[str] = []

    async def sleep() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("trio")

    async def program(guest: TrioGuest) -> None:
        task = asyncio.create_task(guest.run(sleep))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == ["trio"]

    under_asyncio(program)


@pytest.mark.parametrize("error", [None, KeyError])
def test_a_scope_is_left_as_its_block_was(error: Any) -> None:
    scope = Scope()

    async def program(guest: TrioGuest) -> None:
        async with guest.scope(scope.open()) as value:
            assert value == "entered"
            if error is not None:
                raise error

    if error is None:
        under_asyncio(program)
    else:
        with pytest.raises(error):
            under_asyncio(program)
    assert scope.left_by is error


def test_a_scope_whose_block_is_cancelled_is_cancelled() -> None:
    scope = Scope()

    async def program(guest: TrioGuest) -> None:
        async def body() -> None:
            async with guest.scope(scope.open()):
                await asyncio.sleep(100)

        task = asyncio.create_task(body())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    under_asyncio(program)
    assert scope.left_by is trio.Cancelled


def test_what_a_scope_raises_on_the_way_in_or_out_is_raised() -> None:
    @asynccontextmanager
    async def fails(*, on_the_way_in: bool) -> AsyncIterator[None]:
        if on_the_way_in:
            raise KeyError
        yield
        raise KeyError

    async def program(guest: TrioGuest) -> None:
        for on_the_way_in in (True, False):
            with pytest.raises(KeyError):
                async with guest.scope(fails(on_the_way_in=on_the_way_in)):
                    pass

    under_asyncio(program)
