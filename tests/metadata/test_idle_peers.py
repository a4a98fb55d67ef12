"""What the other side has closed, because nothing was asked over it for long, costs nobody an answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import trio
from trio.testing import MockClock

from odradek.protocol.headers import encode_response
from odradek.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from odradek_broker.metadata.peer import Peer

OTHERS_PATIENCE_SECONDS = 600.0
"""As `connections.max.idle.ms` has it."""


class Connection:
    """Answers each request, until nothing has come for too long."""

    def __init__(self) -> None:
        self.retires_at = math.inf
        self._asked, self._last = 0, trio.current_time()
        self._pending = b""

    async def send(self, _pieces: object) -> None:
        if trio.current_time() < self._last + OTHERS_PATIENCE_SECONDS:
            self._asked, self._last = self._asked + 1, trio.current_time()
            self._pending = b"".join(cast(list[bytes], encode_response(HeartbeatResponse(), 0, self._asked)))

    async def receive_into(self, room: Callable[[], memoryview]) -> int:
        count = len(self._pending)
        room()[:count], self._pending = self._pending, b""
        return count

    def close(self) -> None:
        pass


class Connections:
    """Of one address, as a network."""

    def __init__(self) -> None:
        self.made = 0

    async def connect(self, _host: str, _port: int) -> Connection:
        self.made += 1
        return Connection()


async def ask_after(pauses: list[float]) -> int:
    """How many connections there were in the end."""
    network = Connections()
    peer = Peer(cast(Any, network), ("host", 1), "test")
    for pause in pauses:
        await trio.sleep(pause)
        await peer.ask(HeartbeatRequest(), HeartbeatResponse, 0, timeout_s=1)
    return network.made


async def test_who_asks_after_a_long_silence_has_an_answer(autojump_clock: MockClock) -> None:
    assert await ask_after([0, OTHERS_PATIENCE_SECONDS + 1]) == 2


async def test_who_asks_often_uses_one_connection(autojump_clock: MockClock) -> None:
    assert await ask_after([1] * 1000) == 1
