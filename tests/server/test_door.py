"""Who may come in where there is no more room: a list of calls for each story, and some of them at a real door."""

from __future__ import annotations

import errno
import logging
import resource
import select
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek_broker.config.address_limits import parse_address_limits
from odradek_broker.ports.descriptors import FILES_OF_A_LOG, RESERVED, claim, divide
from odradek_broker.ports.tcp_network import TcpNetwork
from odradek_broker.server import known_hosts
from odradek_broker.server.door import Door
from tests.server.served_broker import HandClock, Peer, Served, serving

BROKER = 4
ONLY_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is nobody")


class Guest:
    def __init__(self, active_ms: int = 0) -> None:
        self.active_ms = active_ms


def fill(door: Door[Guest], address: str, count: int) -> list[Guest]:
    guests = [Guest(number) for number in range(count)]
    for guest in guests:
        door.enter(address, guest)
    return guests


def test_a_full_house_is_shared_by_address_and_who_is_idle_longest_makes_the_place() -> None:
    door: Door[Guest] = Door()
    many, _ = fill(door, "a", 4), fill(door, "b", 2)
    assert not door.has_place(6)
    assert door.whose_place("c") is many[0]
    assert door.whose_place("b") is many[0]
    door.leave("a", many[0])
    door.enter("b", Guest())
    assert door.whose_place("b") is None, "they have as many as the others"
    assert door.whose_place("a") is None, "nobody makes a place for its own"
    assert door.whose_place("c") is not None


def test_who_leaves_twice_leaves_once() -> None:
    door: Door[Guest] = Door()
    (guest,) = fill(door, "a", 1)
    for _ in range(2):
        door.leave("a", guest)
    assert door.count == 0
    assert door.whose_place("b") is None


def test_an_address_has_its_own_limit_where_that_is_said() -> None:
    door: Door[Guest] = Door()
    door.limits = {"a": 1, "b": 3}
    for address in "abc":
        fill(door, address, 2)
    assert door.refuse("a", 2) == "its address has 1 connections already"
    assert door.refuse("b", 2) is None
    assert door.refuse("c", 2) is not None


async def comes_in(served: Served, address: str = "127.0.0.1", port: int | None = None) -> Peer | None:
    connecting = trio.socket.socket()
    await connecting.bind((address, 0))
    await connecting.connect(("127.0.0.1", port or served.port))
    peer = Peer(trio.SocketStream(connecting))
    served.close_in_the_end(peer.stream)
    try:
        return peer if await peer.is_answered() else None
    except (AssertionError, trio.BrokenResourceError):
        return None


@ONLY_LINUX
async def test_no_client_can_keep_those_of_another_address_out(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock, max_connections="6") as served:
        greedy = []
        for _ in range(6):
            greedy.append(await comes_in(served, "127.0.0.2"))
            clock.advance(1)
        assert None not in greedy
        assert await comes_in(served, "127.0.0.2") is None
        assert await comes_in(served, "127.0.0.3") is not None
        first = greedy[0]
        assert first is not None and await first.is_closed()
        assert [await comes_in(served, "127.0.0.3") is not None for _ in range(4)] == [True, True, False, False]


@ONLY_LINUX
async def test_single_hosts_have_limits_of_their_own(tmp_path: Path) -> None:
    async with serving(
        tmp_path, max_connections_per_ip="1", max_connections_per_ip_overrides="[::ffff:127.0.0.2]:2, localhost:3"
    ) as served:
        for address, most in (("127.0.0.2", 2), ("127.0.0.1", 3), ("127.0.0.3", 1)):
            came = [await comes_in(served, address) is not None for _ in range(most + 1)]
            assert came == [True] * most + [False], address


class SilentNames(trio.abc.HostnameResolver):
    """A name service that never answers."""

    async def getaddrinfo(self, *_: object) -> list[Any]:
        await trio.sleep_forever()
        raise AssertionError

    async def getnameinfo(self, *_: object) -> tuple[str, str]:
        raise AssertionError


async def test_a_name_service_that_is_silent_keeps_neither_the_start_nor_idle_connections_nor_other_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_hosts, "LOOKUP_SECONDS", 0.1)
    trio.socket.set_custom_hostname_resolver(SilentNames())
    clock = HandClock()
    async with serving(
        tmp_path,
        clock=clock,
        max_connections_per_ip_overrides="silent.example:7,127.0.0.1:2",
        connections_max_idle_ms="1000",
    ) as served:
        peer, _, third = [await comes_in(served) for _ in range(3)]
        assert peer is not None and third is None, "the limit that needs no name holds"
        monkeypatch.setattr(known_hosts, "LOOKUP_SECONDS", 1000)
        others = parse_address_limits("silent.example:8")
        served.broker.context.config = structs.replace(served.broker.config, max_connections_per_ip_overrides=others)
        limits = served._server._limits
        with trio.fail_after(5):
            while served._server._limits == limits:
                await trio.testing.wait_all_tasks_blocked(0.01)
        clock.advance(2000)
        assert await peer.is_closed()


async def lock_everybody_out(peer: Peer) -> None:
    change = AlterConfigsResource(BROKER, "", [AlterableConfig("max.connections", 0, "0")])
    request = IncrementalAlterConfigsRequest([change])
    done = await peer.ask(request, IncrementalAlterConfigsResponse, 1)
    assert done.responses[0].error_code == ErrorCode.NONE


async def test_who_has_locked_everybody_out_comes_in_again_after_a_start_that_ignores_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        await lock_everybody_out(await served.connect())
        assert await comes_in(served) is None
    async with serving(tmp_path) as served:
        assert await comes_in(served) is None, "it outlasts a start"
    async with serving(tmp_path, dynamic_config_ignore="max.connections") as served:
        peer = await comes_in(served)
        assert peer is not None
        undo = AlterConfigsResource(BROKER, "", [AlterableConfig("max.connections", 1, None)])
        done = await peer.ask(IncrementalAlterConfigsRequest([undo]), IncrementalAlterConfigsResponse, 1)
        assert done.responses[0].error_code == ErrorCode.NONE
    async with serving(tmp_path) as served:
        assert await comes_in(served) is not None


async def test_the_brokers_own_listener_lets_everybody_in_and_counts_nobody(tmp_path: Path) -> None:
    listeners = "CLIENTS://127.0.0.1:0,INNER://127.0.0.1:0"
    async with serving(
        tmp_path,
        listeners=listeners,
        listener_security_protocol_map="CLIENTS:PLAINTEXT,INNER:PLAINTEXT",
        inter_broker_listener_name="INNER",
        max_connections="1",
        max_connections_per_ip="1",
    ) as served:
        (_, outer), (_, inner) = served._server.addresses
        assert [await comes_in(served, port=inner) is not None for _ in range(3)] == [True] * 3
        assert [await comes_in(served, port=outer) is not None for _ in range(2)] == [True, False]


async def test_a_controller_lets_brokers_in_whatever_somebody_has_set_while_it_ran(tmp_path: Path) -> None:
    async with serving(tmp_path, process_roles="controller", max_connections="2") as served:
        served.broker.context.config = structs.replace(served.broker.config, max_connections=0)
        assert [await comes_in(served) is not None for _ in range(3)] == [True, True, False]


@pytest.mark.skipif(not hasattr(select, "epoll"), reason="only an epoll has room for so many and no more")
async def test_a_connection_that_the_system_does_not_watch_is_served_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        def __init__(self, watching: Any) -> None:
            self.fileno, self.poll = watching.fileno, watching.poll

        def register(self, *_: object) -> None:
            raise OSError(errno.ENOSPC, "no space left on device")

    async with serving(tmp_path) as served:
        hang_ups = served._server._network._hang_ups  # type: ignore[attr-defined]
        monkeypatch.setattr(hang_ups, "_epoll", Full(hang_ups._epoll))
        peer = await comes_in(served)
        assert peer is not None and await peer.is_answered()
    assert "watches no more connections" in caplog.text


async def test_refusals_do_not_fill_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "odradek_broker.server.endings")
    async with serving(tmp_path, max_connections="0") as served:
        for _ in range(20):
            assert await comes_in(served) is None
        with trio.fail_after(10):
            while "times more somebody was turned away" not in caplog.text:
                await trio.testing.wait_all_tasks_blocked(0.01)
    assert len(caplog.records) < 10


@pytest.mark.skipif(sys.platform == "win32", reason="there is no RLIMIT_NOFILE")
async def test_where_no_descriptor_is_left_who_waits_at_the_door_is_shown_out() -> None:
    listener = await TcpNetwork().listen("127.0.0.1", 0)
    waiting = [socket.create_connection(listener.address) for _ in range(3)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(each.fileno() for each in waiting) + 1, hard))
    try:
        with pytest.raises(OSError) as raised:
            while True:
                await listener.accept()
        assert raised.value.errno == errno.EMFILE
        assert [each.recv(1) for each in waiting] == [b""] * 3
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    late = socket.create_connection(listener.address)
    (await listener.accept()).close()
    for each in (*waiting, late):
        each.close()
    listener.close()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no RLIMIT_NOFILE")
def test_the_limit_is_raised_as_far_as_it_goes_and_divided() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 600), hard))
        claimed = claim()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, 1 << 20)
        assert claimed == divide(min(hard, 1 << 20))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no RLIMIT_NOFILE")
def test_a_system_that_says_unlimited_and_means_less_is_asked_for_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """So macOS does: 256 at first, no hard limit, and more than kern.maxfilesperproc is refused."""
    taken: list[int] = []

    def setrlimit(_: int, limits: tuple[int, int]) -> None:
        if limits[0] > 24_576:
            raise ValueError("current limit exceeds maximum limit")
        taken.append(limits[0])

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    assert claim() == divide(16_384)
    assert taken == [16_384]


@pytest.mark.parametrize("limit", [RESERVED - 1, RESERVED, 1024, 1 << 20])
def test_all_parts_together_are_no_more_than_there_is(limit: int) -> None:
    divided = divide(limit)
    assert divided.connections and divided.logs
    assert divided.connections + FILES_OF_A_LOG * divided.logs + RESERVED <= max(limit, RESERVED + 3)
