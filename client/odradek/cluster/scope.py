"""A nursery for background tasks that does not show in what the user's block raises.

Trio wraps whatever leaves a nursery into an ExceptionGroup. For the tasks behind a Producer or Consumer that would
leak how they are built: `except ValueError` around `async with Producer(...)` has to work. So the body's own exception
leaves as it is, and a background failure that is the only one leaves unwrapped.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio


def check_trio() -> None:
    """Raises RuntimeError outside of Trio, where nothing of this library can wait."""
    if not trio.lowlevel.in_trio_task():
        raise RuntimeError(
            "this runs on Trio: start the program with trio.run(main); in an asyncio program odradek.guest.TrioGuest "
            "brings Trio along"
        )


@asynccontextmanager
async def background_nursery() -> AsyncIterator[trio.Nursery]:
    """Run the body with a nursery; when the body ends, for whatever reason, cancel and await all tasks in it."""
    check_trio()
    body_error: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            try:
                yield nursery
            except trio.Cancelled:
                raise
            except BaseException as error:
                body_error = error
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        failure = _only(group)
        if body_error is None:
            raise failure from failure.__cause__
        body_error.add_note(f"and in the background: {failure!r}")
    if body_error is not None:
        try:
            raise body_error
        finally:
            body_error = None


def _only(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
