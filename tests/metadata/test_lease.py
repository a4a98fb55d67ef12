"""A broker's lease: until when no other can have been made leader of what is its own."""

from __future__ import annotations

import contextlib
import socket

import pytest
import trio

from odradek.protocol.codec import encode
from odradek.protocol.framing import FrameBuffer
from odradek.protocol.headers import ApiMessage, encode_response, read_request_header
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatResponse
from odradek.protocol.messages.metadata_records import NoOpRecord, RegisterBrokerRecord
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.frame import frame
from odradek_broker.metadata.controllers import BACKOFF_SECONDS
from odradek_broker.metadata.heartbeat import HEARTBEAT_VERSION
from odradek_broker.metadata.lease import Lease
from odradek_broker.metadata.messages import FollowMetadataResponse, ForwardResponse
from odradek_broker.metadata.remote import RemoteController
from odradek_broker.ports.clock import SystemClock
from odradek_broker.ports.network import Address, Stream, Tls
from odradek_broker.ports.tcp import TcpStream
from odradek_broker.ports.tcp_network import TcpNetwork
from tests.apis.small_broker import FixedClock

TERM_MS = 300


class SmallController:
    """Answers every heartbeat, and tells of a cluster of one broker, not registered yet."""

    def __init__(self, *, has_rivals: bool = False, term_ms: int = TERM_MS) -> None:
        self._has_rivals = has_rivals
        self._term_ms = term_ms
        self.fences = False
        self.offset = -1
        """Of the metadata at which heartbeats are answered."""
        self.newest = 0
        """Of the metadata that it tells."""
        self.beats = 0
        self._life = trio.CancelScope()

    def die(self) -> None:
        self._life.cancel()

    async def serve(self, task_status: trio.TaskStatus[Address]) -> None:
        listener = await TcpNetwork().listen("127.0.0.1", 0)
        with contextlib.closing(listener), self._life:
            async with trio.open_nursery() as nursery:
                task_status.started(listener.address)
                while True:
                    nursery.start_soon(self._answer, await listener.accept())

    async def _answer(self, stream: Stream) -> None:
        buffer = FrameBuffer(1 << 20)
        with contextlib.closing(stream):
            while count := await stream.receive_into(buffer.room):
                buffer.received(count)
                while (frame := buffer.next_frame()) is not None:
                    header, _ = read_request_header(frame)
                    if not await self._may_answer(header.api_key):
                        return
                    answer = self._answer_to(header.api_key)
                    await stream.send(encode_response(answer, header.api_version, header.correlation_id))

    async def _may_answer(self, api_key: int) -> bool:
        """Else the connection ends."""
        return True

    def _answer_to(self, api_key: int) -> ApiMessage:
        if api_key == FollowMetadataResponse.API_KEY:
            us = frame(RegisterBrokerRecord(broker_id=1, broker_epoch=-1, fenced=False))
            return FollowMetadataResponse(
                last_offset=self.newest, is_snapshot=True, has_rivals=self._has_rivals, records=[us]
            )
        self.beats += 1
        answer = encode(BrokerHeartbeatResponse(is_fenced=self.fences), HEARTBEAT_VERSION)
        return ForwardResponse(body=answer, offset=self.offset, lease_ms=self._term_ms)


class Deaf(SmallController):
    """Says nothing of the metadata to who has asked before it hears."""

    def __init__(self, *, term_ms: int) -> None:
        super().__init__(term_ms=term_ms)
        self.asked = trio.Event()
        self.hears = True

    async def _may_answer(self, api_key: int) -> bool:
        if api_key == FollowMetadataResponse.API_KEY and not self.hears:
            self.asked.set()
            await trio.sleep_forever()
        return True


class Refusals(TcpNetwork):
    """Says when so many connections have been refused."""

    def __init__(self, count: int) -> None:
        self.enough = trio.Event()
        self._left = count

    async def connect(self, host: str, port: int, tls: Tls | None = None) -> TcpStream:
        try:
            return await super().connect(host, port, tls)
        except ConnectionRefusedError:
            self._left -= 1
            if self._left <= 0:
                self.enough.set()
            raise


def told(offset: int) -> FollowMetadataResponse:
    """One record more."""
    return FollowMetadataResponse(last_offset=offset, records=[frame(NoOpRecord())])


def broker_of(address: Address, network: TcpNetwork) -> RemoteController:
    config = BrokerConfig(broker_heartbeat_interval_ms=50)
    return RemoteController([address], network, config, SystemClock(), lambda old, new: None)


async def lease_when_the_controller_dies(*, has_rivals: bool) -> list[bool]:
    """What the lease's watcher is told, once heartbeats have been refused for longer than its term."""
    told: list[bool] = []
    controller = SmallController(has_rivals=has_rivals)
    async with trio.open_nursery() as nursery:
        address = await nursery.start(controller.serve)
        network = Refusals(TERM_MS // int(BACKOFF_SECONDS * 1000) * 3)
        broker = broker_of(address, network)
        await broker.follower.first_image()
        await nursery.start(broker.beat)
        nursery.start_soon(broker.lease.watch, told.append)
        controller.die()
        await network.enough.wait()
        nursery.cancel_scope.cancel()
    broker.disconnect()
    return told


async def test_a_lease_goes_on_while_the_only_controller_is_dead() -> None:
    assert await lease_when_the_controller_dies(has_rivals=False) == []


async def test_a_lease_ends_where_another_controller_may_have_taken_over() -> None:
    assert await lease_when_the_controller_dies(has_rivals=True) == [False]


async def test_a_port_that_refuses_gives_no_lease_to_who_has_none() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        network = Refusals(3)
        broker = broker_of(bound.getsockname(), network)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(broker.beat)
            await network.enough.wait()
            assert not broker.has_lease
            nursery.cancel_scope.cancel()


async def test_a_lease_lasts_for_as_long_as_the_controller_says_from_when_the_heartbeat_was_sent() -> None:
    """Whatever session the broker was configured with: it has an hour here."""
    clock = FixedClock()
    controller = SmallController(term_ms=1_000)
    async with trio.open_nursery() as nursery:
        address = await nursery.start(controller.serve)
        config = BrokerConfig(broker_session_timeout_ms=3_600_000, broker_heartbeat_interval_ms=1_800_000)
        broker = RemoteController([address], TcpNetwork(), config, clock, lambda old, new: None)
        await broker.follower.first_image()
        await nursery.start(broker.beat)
        clock.passed_ms = 999
        assert broker.has_lease
        clock.passed_ms = 1_000
        assert not broker.has_lease
        nursery.cancel_scope.cancel()
    broker.disconnect()


async def test_heartbeats_are_sent_several_times_in_a_term_however_seldom_they_are_configured() -> None:
    controller = SmallController(term_ms=30)
    async with trio.open_nursery() as nursery:
        address = await nursery.start(controller.serve)
        config = BrokerConfig(broker_session_timeout_ms=3_600_000, broker_heartbeat_interval_ms=1_800_000)
        broker = RemoteController([address], TcpNetwork(), config, SystemClock(), lambda old, new: None)
        nursery.start_soon(broker.beat)
        while controller.beats < 4:  # noqa: ASYNC110 (nobody tells)
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    broker.disconnect()


async def test_a_broker_that_hears_that_it_is_fenced_has_no_lease_from_that_moment() -> None:
    told: list[bool] = []
    controller = SmallController(term_ms=3_600_000)
    async with trio.open_nursery() as nursery:
        address = await nursery.start(controller.serve)
        broker = broker_of(address, TcpNetwork())
        await broker.follower.first_image()
        await nursery.start(broker.beat)
        nursery.start_soon(broker.lease.watch, told.append)
        assert broker.has_lease
        controller.fences = True
        while not told:  # noqa: ASYNC110
            await trio.sleep(0.001)
        assert not broker.has_lease
        controller.fences = False
        while told != [False, True]:  # noqa: ASYNC110
            await trio.sleep(0.001)
        nursery.cancel_scope.cancel()
    broker.disconnect()


async def test_a_lease_that_begins_again_waits_for_what_was_decided_meanwhile() -> None:
    """Others lead since the broker was fenced; its first heartbeat lets it in again, before it hears of that."""
    clock = FixedClock()
    controller = SmallController(term_ms=1_000)
    heard_of: list[int] = []
    async with trio.open_nursery() as nursery:
        address = await nursery.start(controller.serve)
        config = BrokerConfig(broker_heartbeat_interval_ms=1)
        broker = RemoteController([address], TcpNetwork(), config, clock, lambda old, new: heard_of.append(new.offset))
        await broker.follower.first_image()
        await nursery.start(broker.beat)
        assert broker.has_lease
        clock.passed_ms = 1_000
        controller.offset = 2
        for offset in (1, 2):
            beats = controller.beats
            while controller.beats < beats + 2:  # noqa: ASYNC110 (nobody tells)
                await trio.sleep(0.001)
            assert not broker.has_lease
            broker.follower.take(told(offset), apply=True)
        assert heard_of == [1, 2]
        assert broker.has_lease
        nursery.cancel_scope.cancel()
    broker.disconnect()


async def test_who_is_let_in_again_asks_anew_for_what_was_decided_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has asked before may have gone with the network that was cut: nobody answers that."""
    monkeypatch.setattr("odradek_broker.metadata.follow.FOLLOW_WAIT_MS", 3_600_000)
    clock = FixedClock()
    controller = Deaf(term_ms=1_000)
    async with trio.open_nursery() as nursery:
        address = await nursery.start(controller.serve)
        config = BrokerConfig(broker_heartbeat_interval_ms=1)
        broker = RemoteController([address], TcpNetwork(), config, clock, lambda old, new: None)
        await broker.follower.first_image()
        await nursery.start(broker.beat)
        controller.hears = False
        nursery.start_soon(broker.follower.follow)
        await controller.asked.wait()
        controller.offset, controller.newest, controller.hears = 1, 1, True
        beats = controller.beats
        while controller.beats < beats + 2:  # noqa: ASYNC110 (nobody tells)
            await trio.sleep(0.001)
        clock.passed_ms = 1_000
        while not broker.has_lease:  # noqa: ASYNC110
            await trio.sleep(0.001)
        assert broker.image.offset == 1
        nursery.cancel_scope.cancel()
    broker.disconnect()


@pytest.mark.parametrize(("is_taken_away", "warnings"), [(False, 1), (True, 0)])
async def test_only_of_a_lease_that_has_run_out_it_is_said_that_nobody_has_answered(
    is_taken_away: bool, warnings: int, caplog: pytest.LogCaptureFixture
) -> None:
    clock, is_over = FixedClock(), trio.Event()
    lease = Lease(clock)
    lease.grant(clock.monotonic_ms() + TERM_MS, -1)
    if is_taken_away:
        lease.end(clock.monotonic_ms())
    clock.passed_ms = TERM_MS
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lease.watch, lambda is_held: None if is_held else is_over.set())
        await is_over.wait()
        nursery.cancel_scope.cancel()
    assert len(caplog.records) == warnings
