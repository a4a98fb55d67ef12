"""A broker that notes when a record comes by: `odradek` as it is, with a mark put at the places of the path.

    python -m benchmarks.path_probe FILE up --port 9092 ...

Everything behind FILE is the command line of `odradek`. At its end FILE holds, for each mark, the times at which it was
passed, in nanoseconds of CLOCK_MONOTONIC, which all processes of a machine share. A mark costs about half a
microsecond; the broker itself knows nothing of them, so one that is not measured pays nothing.
"""

from __future__ import annotations

import atexit
import functools
import importlib
import inspect
import json
import sys
import time
from array import array
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import trio

Note = Callable[[int], None]
"""Takes the time."""


class When(Enum):
    """Of a call."""

    BEGUN = "begun"
    DONE = "done"
    GIVEN = "given"
    """Done, with a result that is not None."""


class Mark(NamedTuple):
    """A place of the path: a function, and which of its ends."""

    name: str
    place: str
    """`module:attribute`, the attribute with dots."""
    when: When


WOKEN, SCHEDULED = "woken", "scheduled"
"""The two that the event loop tells by itself."""

MARKS = (
    Mark("received", "odradek.protocol.framing:FrameBuffer.received", When.BEGUN),
    Mark("framed", "odradek.protocol.framing:FrameBuffer.next_frame", When.GIVEN),
    Mark("decoded", "odradek_broker.server.dispatcher:Dispatcher.read", When.DONE),
    Mark("validated", "odradek_broker.log.appendable:validate", When.DONE),
    Mark("appended", "odradek_broker.log.appendable:AppendableLog.append_as_leader", When.DONE),
    Mark("copied", "odradek_broker.log.appendable:AppendableLog.append_as_follower", When.DONE),
    Mark("handed over", "odradek_broker.ports.workers:ThreadWorkers.submit", When.DONE),
    Mark("taken", "odradek_broker.log.flush:FlushPlan.sync", When.BEGUN),
    Mark("synced", "odradek_broker.log.flush:FlushPlan.sync", When.DONE),
    Mark("back", "odradek_broker.log.flushable:FlushableLog.end_flush", When.BEGUN),
    Mark("committed", "odradek_broker.partitions.commits:Commit.settle", When.BEGUN),
    Mark("answering", "odradek_broker.server.dispatcher:Dispatcher.write", When.BEGUN),
    Mark("encoded", "odradek_broker.server.dispatcher:Dispatcher.write", When.DONE),
    Mark("sent", "odradek_broker.ports.tcp:TcpStream.send", When.DONE),
    Mark("asked", "odradek_broker.metadata.peer:Channel.ask", When.BEGUN),
)


def put(mark: Mark, note: Note) -> None:
    """Wrap the function at its place. Raises AttributeError where it has gone."""
    owner, name = found(mark)
    setattr(owner, name, _wrapped(getattr(owner, name), mark.when, note))


def found(mark: Mark) -> tuple[Any, str]:
    """What holds the function, and its name there. Raises ImportError, AttributeError."""
    module, _, path = mark.place.partition(":")
    *outer, name = path.split(".")
    owner = functools.reduce(getattr, outer, importlib.import_module(module))
    getattr(owner, name)
    return owner, name


def _wrapped(function: Callable[..., Any], when: When, note: Note) -> Callable[..., Any]:
    now = time.monotonic_ns

    if when is When.BEGUN:

        @functools.wraps(function)
        def begun(*arguments: Any, **named: Any) -> Any:
            note(now())
            return function(*arguments, **named)

        return begun

    if inspect.iscoroutinefunction(inspect.unwrap(function)):

        @functools.wraps(function)
        async def awaited(*arguments: Any, **named: Any) -> Any:
            result = await function(*arguments, **named)
            note(now())
            return result

        return awaited

    @functools.wraps(function)
    def done(*arguments: Any, **named: Any) -> Any:
        result = function(*arguments, **named)
        if when is When.DONE or result is not None:
            note(now())
        return result

    return done


class _Loop(trio.abc.Instrument):
    """What the event loop tells."""

    def __init__(self, woken: Note, scheduled: Note) -> None:
        self._woken, self._scheduled = woken, scheduled

    def after_io_wait(self, timeout: float) -> None:
        if timeout:
            self._woken(time.monotonic_ns())

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._scheduled(time.monotonic_ns())


def main() -> None:
    file, arguments = Path(sys.argv[1]), sys.argv[2:]
    times = {name: array("q") for name in (WOKEN, SCHEDULED, *(mark.name for mark in MARKS))}
    for mark in MARKS:
        put(mark, times[mark.name].append)
    instrument = _Loop(times[WOKEN].append, times[SCHEDULED].append)
    trio.run = functools.partial(trio.run, instruments=[instrument])  # type: ignore[assignment]
    atexit.register(lambda: file.write_text(json.dumps({name: list(each) for name, each in times.items()})))
    from odradek_cli.main import main as odradek

    sys.argv = ["odradek", *arguments]
    odradek()


if __name__ == "__main__":
    main()
