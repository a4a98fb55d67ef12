"""Thousands of connections at once, the limits that refuse more, and a door that is never quiet."""

from __future__ import annotations

import resource
import socket
import sys
from pathlib import Path
from typing import NoReturn

import psutil
import pytest
import trio

from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek_broker.ports.network import Address
from odradek_broker.ports.tcp_network import TcpNetwork
from referee import Odradek
from tests.server.served_broker import Peer, frame_of, serving

COUNT = 2_000
REFUSED = 50
ALLOWED_BYTES_EACH = 64 * 1024
"""The buffer that each begins with, two tasks, and room for another Python's idea of these."""


@pytest.fixture
def many_files() -> None:
    """The process, and the broker that it starts, may open a file for each connection."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = COUNT + 500
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            pytest.skip(f"no more than {hard} files may be open here")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def answers(peer: Peer) -> bool:
    """Whether a connection is let in: it is answered or it is closed, without delay."""
    try:
        await peer.stream.send_all(frame_of(ApiVersionsRequest(), 0))
        await peer.receive(ApiVersionsResponse, 0)
    except (trio.BrokenResourceError, AssertionError):
        return False
    return True


def connect_at_once(port: int, count: int, address: str = "127.0.0.1") -> list[Peer]:
    """All are at the door before any is let in: nothing is awaited, so a broker in this process does not run."""
    peers = []
    for _ in range(count):
        connected = socket.create_connection(("127.0.0.1", port), source_address=(address, 0))
        peers.append(Peer(trio.SocketStream(trio.socket.from_stdlib_socket(connected))))
    return peers


async def close_all(peers: list[Peer]) -> None:
    for peer in peers:
        await trio.aclose_forcefully(peer.stream)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no RLIMIT_NOFILE")
async def test_two_thousand_connections_are_served_in_little_memory_and_no_more_are_let_in(
    tmp_path: Path, many_files: None
) -> None:
    broker = Odradek(tmp_path / "data", {"max.connections": str(COUNT)})
    await trio.to_thread.run_sync(broker.start)
    peers: list[Peer] = []
    answered = []

    async def ask(peer: Peer) -> None:
        answered.append(await answers(peer))

    try:
        process = psutil.Process(broker.pid)
        before = process.memory_info().rss
        with trio.fail_after(30):
            for _ in range(COUNT // 100):
                peers += connect_at_once(broker.port, 100)
            for _ in range(2):  # the second time all of them are open
                answered.clear()
                async with trio.open_nursery() as nursery:
                    for peer in peers:
                        nursery.start_soon(ask, peer)
                assert answered == [True] * COUNT
            assert process.memory_info().rss - before < COUNT * ALLOWED_BYTES_EACH
            late = connect_at_once(broker.port, REFUSED)
            for peer in late:
                assert await peer.is_closed()
            assert await peers[0].is_answered()
            await close_all([*late, peers.pop()])
            # There is room again, as soon as the broker has seen that one has gone.
            while not await answers(returned := connect_at_once(broker.port, 1)[0]):
                await close_all([returned])
            peers.append(returned)
    finally:
        with trio.CancelScope(shield=True):
            await close_all(peers)
            status = await trio.to_thread.run_sync(broker.stop)
    assert status == 0
    assert "Traceback" not in "".join(broker.lines)


async def test_no_more_than_max_connections_are_let_in_however_many_come_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, max_connections="5") as served:
        peers = connect_at_once(served.port, 20)
        assert [await answers(peer) for peer in peers].count(True) == 5
        assert served.connection_count == 5
        await close_all(peers)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is nobody")
async def test_an_address_with_too_many_connections_does_not_shut_out_others(tmp_path: Path) -> None:
    async with serving(tmp_path, max_connections_per_ip="3") as served:
        greedy = connect_at_once(served.port, 10, "127.0.0.2")
        assert [await answers(peer) for peer in greedy].count(True) == 3
        modest = connect_at_once(served.port, 2, "127.0.0.3")
        assert [await answers(peer) for peer in modest] == [True, True]
        await close_all(greedy)
        with trio.fail_after(5):
            while served.connection_count > 2:
                await trio.testing.wait_all_tasks_blocked()
        again = connect_at_once(served.port, 3, "127.0.0.2")
        assert [await answers(peer) for peer in again] == [True, True, True]
        await close_all([*modest, *again])


class QueueAtTheDoor:
    """A listener at which there is always somebody more, and all of them go away at once."""

    address: Address = ("127.0.0.1", 1)

    def __init__(self) -> None:
        self.accepted = 0

    async def accept(self) -> GoneAlready:
        self.accepted += 1
        if self.accepted > 1000:
            await trio.sleep_forever()
        return GoneAlready()

    def close(self) -> None:
        pass


class GoneAlready:
    peer: Address = ("127.0.0.9", 1)
    local: Address = ("127.0.0.1", 1)

    async def open(self) -> None:
        pass

    async def receive_into(self, room: object) -> int:
        return 0

    async def send(self, pieces: object) -> NoReturn:
        raise OSError

    def on_peer_gone(self, tell: object) -> None:
        pass

    def close(self) -> None:
        pass


async def test_those_who_crowd_the_door_do_not_keep_the_others_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepting gives way to the other tasks: here, to the one that sees the listener for the first time."""
    door = QueueAtTheDoor()

    async def listen(self: TcpNetwork, host: str, port: int) -> QueueAtTheDoor:
        return door

    monkeypatch.setattr(TcpNetwork, "listen", listen)
    async with serving(tmp_path):
        turns = 0
        while door.accepted < 1000:
            turns += 1
            await trio.lowlevel.checkpoint()
        assert turns > 100
