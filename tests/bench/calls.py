"""What one request costs a broker, counted: calls of functions, and memory. The same on every machine.

The broker is a real one on a real socket, in this process; who asks knows bytes only, so that all that is counted in
our modules is the broker's. Of several requests the figure that comes most often counts: now and then something else
of the broker's falls between (a tick, a heartbeat).
"""

from __future__ import annotations

import gc
import statistics
import sys
import tracemalloc
from collections import Counter
from types import FrameType
from typing import Any

import trio

REQUESTS = 21
SMALL = 2048
"""What the client itself holds counts too, so it is little."""
OURS = ("/odradek/", "/odradek_broker/", "<codec ")


class Cost:
    """Of one request."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        """Of Python functions of ours."""
        self.builtins: Counter[str] = Counter()
        """What those call that is written in C."""


async def cost_of(stream: trio.SocketStream, frame: bytes) -> Cost:
    """The cost that is most frequent."""
    await exchange(stream, frame)
    costs = [await _counted(stream, frame) for _ in range(REQUESTS)]
    usual = statistics.mode(each.calls.total() for each in costs)
    usual_builtins = statistics.mode(each.builtins.total() for each in costs if each.calls.total() == usual)
    return next(each for each in costs if (each.calls.total(), each.builtins.total()) == (usual, usual_builtins))


async def peak_bytes_of(stream: trio.SocketStream, frame: bytes) -> int:
    """How much more memory there is in use at a time while a request is answered than before it."""
    await exchange(stream, frame)
    peaks = []
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(REQUESTS):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            await exchange(stream, frame)
            peaks.append(tracemalloc.get_traced_memory()[1] - before)
    finally:
        tracemalloc.stop()
    return int(statistics.median(peaks))


async def exchange(stream: trio.SocketStream, frame: bytes) -> bytes:
    """Send a frame as it is, and take the whole answer."""
    await stream.send_all(frame)
    received = await stream.receive_some(SMALL)
    while len(received) < 4 or len(received) < 4 + int.from_bytes(received[:4], "big"):
        received += await stream.receive_some(SMALL)
    return bytes(received)


async def _counted(stream: trio.SocketStream, frame: bytes) -> Cost:
    cost = Cost()

    def note(running: FrameType, event: str, what: Any) -> None:
        code = running.f_code
        if code.co_filename == __file__ or not any(each in code.co_filename for each in OURS):
            return
        if event == "call":
            cost.calls[code.co_qualname] += 1
        elif event == "c_call":
            cost.builtins[getattr(what, "__qualname__", "?")] += 1

    sys.setprofile(note)
    try:
        await exchange(stream, frame)
    finally:
        sys.setprofile(None)
    return cost
