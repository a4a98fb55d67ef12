"""A broker that follows a controller elsewhere takes only what it can act upon."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio

from odradek.protocol.codec import encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatResponse
from odradek.protocol.messages.broker_registration import BrokerRegistrationRequest
from odradek.protocol.messages.metadata_records import (
    BrokerEndpoint,
    BrokerRegistrationChangeRecord,
    ProducerIdsRecord,
    RegisterBrokerRecord,
)
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.frame import frame
from odradek_broker.metadata.heartbeat import HEARS_OF_IT_WITHIN_SECONDS, HEARTBEAT_VERSION
from odradek_broker.metadata.messages import (
    FollowMetadataRequest,
    FollowMetadataResponse,
    ForwardResponse,
    TellMetadataResponse,
)
from odradek_broker.metadata.registration import NotAdmitted
from odradek_broker.metadata.remote import RemoteController
from odradek_broker.ports.clock import SystemClock
from odradek_broker.ports.network import Address, Tls
from odradek_broker.ports.tcp import TcpStream
from odradek_broker.ports.tcp_network import TcpNetwork
from tests.metadata.test_lease import SmallController


class Scripted:
    """A controller in the same process that gives these answers to whoever follows, and then waits."""

    is_stopping = False

    def __init__(self, *answers: FollowMetadataResponse) -> None:
        self._answers = list(answers)

    def may_decide(self) -> bool:
        return True

    async def follow(self, request: FollowMetadataRequest) -> FollowMetadataResponse:
        if not self._answers:
            await trio.sleep_forever()
        return self._answers.pop(0)


def following(controller: Scripted) -> RemoteController:
    return RemoteController([], TcpNetwork(), BrokerConfig(), SystemClock(), lambda old, new: None, lambda: controller)  # type: ignore[arg-type,return-value]


def snapshot(cluster_id: str, last_offset: int) -> FollowMetadataResponse:
    return FollowMetadataResponse(cluster_id=cluster_id, is_snapshot=True, last_offset=last_offset)


async def test_a_broker_that_runs_acts_upon_nothing_that_another_cluster_has_decided_and_remembers_its_own(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Its controller has been started on an empty directory, say: what it then knows of topics is nothing."""
    theirs = [snapshot("theirs", offset) for offset in (9, 10, 11)]
    remote = following(Scripted(snapshot("ours", 5), *theirs, snapshot("ours", 7)))
    before = await remote.follower.first_image()
    assert before.cluster_id == "ours"
    with trio.move_on_after(5):
        await remote.follower.follow()
    assert (remote.image.cluster_id, remote.image.offset) == ("ours", 7)
    said = [record.message for record in caplog.records]
    assert len(said) == 1 and "of cluster theirs" in said[0] and "odradek metadata restore" in said[0]


class Half(SmallController):
    """Tells of two brokers. The next answer to whoever follows is long on its way; by then heartbeats are refused."""

    def __init__(self, other: Address) -> None:
        super().__init__()
        self._polls = 0
        self._brokers = [
            frame(RegisterBrokerRecord(broker_id=1, broker_epoch=-1, fenced=False)),
            frame(
                RegisterBrokerRecord(
                    broker_id=2,
                    broker_epoch=1,
                    fenced=False,
                    end_points=[BrokerEndpoint(name="PLAINTEXT", host=other[0], port=other[1])],
                )
            ),
        ]
        self.arrives = trio.Event()
        self.refuses_heartbeats = False

    async def _may_answer(self, api_key: int) -> bool:
        if api_key == FollowMetadataResponse.API_KEY and self._polls == 1:
            await self.arrives.wait()
        return api_key == FollowMetadataResponse.API_KEY or not self.refuses_heartbeats

    def _answer_to(self, api_key: int) -> ApiMessage:
        if api_key != FollowMetadataResponse.API_KEY:
            return super()._answer_to(api_key)
        self._polls += 1
        if self._polls == 1:
            return FollowMetadataResponse(last_offset=1, is_snapshot=True, records=self._brokers)
        decided = (1, 2, 3) if self._polls == 2 else (2, 3)
        ids = [frame(ProducerIdsRecord(next_producer_id=each * 1000)) for each in decided]
        return FollowMetadataResponse(last_offset=4, records=ids)


class Knowing(SmallController):
    """Another broker, that has heard of the first of these decisions."""

    def _answer_to(self, api_key: int) -> ApiMessage:
        us = frame(RegisterBrokerRecord(broker_id=1, broker_epoch=-1, fenced=False))
        ids = frame(ProducerIdsRecord(next_producer_id=1000))
        return TellMetadataResponse(node_id=2, last_offset=2, records=[us, ids])


async def test_what_others_have_told_meanwhile_is_not_done_again_when_the_controllers_own_answer_comes() -> None:
    heard = trio.Event()
    offsets: list[int] = []

    def on_image(_: object, new: object) -> None:
        offsets.append(new.offset)  # type: ignore[attr-defined]
        heard.set()

    class OneWay(TcpNetwork):
        """New connections to the controller are refused, once there are enough."""

        left = 2

        async def connect(self, host: str, port: int, tls: Tls | None = None) -> TcpStream:
            if (host, port) == address:
                if not self.left:
                    raise ConnectionRefusedError
                self.left -= 1
            return await super().connect(host, port, tls)

    async with trio.open_nursery() as nursery:
        other = await nursery.start(Knowing().serve)
        controller = Half(other)
        address = await nursery.start(controller.serve)
        config = BrokerConfig(broker_heartbeat_interval_ms=50, node_id=1)
        remote = RemoteController([address], OneWay(), config, SystemClock(), on_image)
        await remote.follower.first_image()
        await nursery.start(remote.beat)
        nursery.start_soon(remote.follower.follow)
        controller.refuses_heartbeats = True
        with trio.fail_after(10):
            await heard.wait()
            assert offsets == [2], "from the other broker"
            controller.arrives.set()
            while remote.image.offset < 4:
                heard = trio.Event()
                await heard.wait()
        assert remote.image.next_producer_id == 3000
        nursery.cancel_scope.cancel()
    remote.disconnect()


class Welcoming:
    """Whoever sends a heartbeat has been let in."""

    async def ask(self, *_: object) -> ForwardResponse:
        await trio.lowlevel.checkpoint()
        return ForwardResponse(
            body=encode(BrokerHeartbeatResponse(is_fenced=False), HEARTBEAT_VERSION), lease_ms=9_000, offset=1
        )

    def close(self) -> None: ...


@pytest.mark.parametrize("is_heard", [True, False])
async def test_clients_come_once_a_broker_knows_that_it_is_let_in_or_has_waited_long_enough_to_hear_it(
    is_heard: bool, autojump_clock: trio.testing.MockClock
) -> None:
    """By what it knew before they would be told that it is not there, and that what it leads has no leader."""
    fenced = frame(RegisterBrokerRecord(broker_id=1, broker_epoch=-1, fenced=True))
    let_in = frame(BrokerRegistrationChangeRecord(broker_id=1, broker_epoch=-1, fenced=-1))

    class Late(Scripted):
        async def follow(self, request: FollowMetadataRequest) -> FollowMetadataResponse:
            await trio.sleep(1)
            return await super().follow(request)

    answers = [FollowMetadataResponse(cluster_id="ours", is_snapshot=True, last_offset=0, records=[fenced])]
    if is_heard:
        answers.append(FollowMetadataResponse(cluster_id="ours", last_offset=1, records=[let_in]))
    remote = following(Late(*answers))
    await remote.follower.first_image()
    remote.controllers._heart = [Welcoming()]  # type: ignore[list-item]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(remote.follower.follow)
        with trio.fail_after(2 * HEARS_OF_IT_WITHIN_SECONDS):
            await nursery.start(remote.beat)
        assert remote.image.brokers[1].fenced is not is_heard
        nursery.cancel_scope.cancel()


async def test_a_broker_that_cannot_be_registered_asks_less_and_less_often(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Not as fast as the controller can say that its disk is full."""
    remote = following(Scripted())
    asked = 0

    class Refusing:
        async def ask(self, *_: object) -> ForwardResponse:
            nonlocal asked
            asked += 1
            assert asked < 1000
            await trio.lowlevel.checkpoint()
            return ForwardResponse(error_code=ErrorCode.KAFKA_STORAGE_ERROR)

        def close(self) -> None: ...

    remote.controllers._peers = [cast("Any", Refusing())]
    with trio.move_on_after(60):
        await remote.register(BrokerRegistrationRequest(broker_id=1))
    assert 60 / 5 < asked < 30
    assert 2 <= len(caplog.records) < 20


async def test_a_broker_ends_where_the_controller_knows_another_by_its_id_but_not_where_it_has_forgotten_us(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """On an old copy of its directory it knows neither us nor what we know; and we may be the last that do."""

    class Forgetful:
        offset = 3

        async def ask(self, *_: object) -> ForwardResponse:
            stale = BrokerHeartbeatResponse(error_code=ErrorCode.STALE_BROKER_EPOCH)
            return ForwardResponse(body=encode(stale, HEARTBEAT_VERSION), offset=self.offset)

        def close(self) -> None: ...

    remote, controller = following(Scripted(snapshot("ours", 5))), Forgetful()
    await remote.follower.first_image()
    remote.controllers._heart = [cast("Any", controller)]
    with trio.move_on_after(5):
        await remote.beat()
    controller.offset = 5
    with pytest.raises(NotAdmitted, match="knows another broker"):
        await remote.beat()
