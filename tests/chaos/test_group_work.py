"""What members of the group do in a chaos run."""

from __future__ import annotations

from random import Random
from types import TracebackType
from typing import Any

import pytest
import trio

from odradek.testing.chaos import group_work
from odradek.testing.chaos.group_work import GroupWork
from odradek.testing.chaos.history import History
from odradek.testing.chaos.mortal_network import MortalNetwork


class Member:
    """A consumer that only waits; when it leaves, it says whether it could tell anybody."""

    could_tell: list[bool]

    def __init__(self, *_: object, surroundings: Any, **__: object) -> None:
        self._network = surroundings.network

    async def __aenter__(self) -> Member:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.could_tell.append(not self._network.is_over)

    async def poll(self, **_: object) -> None:
        await trio.sleep(0.1)

    async def commit(self) -> dict[object, int]:
        return {}


async def test_some_members_leave_and_some_go_without_a_word(
    autojump_clock: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_work, "Consumer", Member)
    monkeypatch.setattr(Member, "could_tell", [], raising=False)
    work = GroupWork("nowhere:1", ["t"], History(), trio.current_time, Random(0))
    with trio.move_on_after(1_000):
        await work._be_member(Random(0))
    assert {True, False} == set(Member.could_tell)


async def test_a_network_that_is_over_ends_what_is_open_and_opens_nothing() -> None:
    network, heard = MortalNetwork(), trio.Event()

    async def listen(stream: trio.SocketStream) -> None:
        assert await stream.receive_some() == b""
        heard.set()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, listen, 0)
        port = listeners[0].socket.getsockname()[1]
        stream = await network.connect("127.0.0.1", port)
        network.end()
        with trio.fail_after(30):
            await heard.wait()
        stream.close()
        with pytest.raises(ConnectionRefusedError):
            await network.connect("127.0.0.1", port)
        nursery.cancel_scope.cancel()
