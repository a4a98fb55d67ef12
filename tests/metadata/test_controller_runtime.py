"""The controller's shell: one decision at a time, durable before it shows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing

import pytest
import trio
from msgspec import Struct
from trio.testing import wait_all_tasks_blocked

from odradek.protocol.codec import encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from odradek.protocol.messages.broker_registration import (
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
    Listener,
)
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek.protocol.messages.metadata_records import RemoveTopicRecord
from odradek.protocol.sasl.scram import ScramKeys
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.delta import delta
from odradek_broker.controller.effective import broker_config
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.result import ControllerResult
from odradek_broker.controller.scram_users import scram_record
from odradek_broker.log.failures import DiskFailed, LogFailed
from odradek_broker.metadata.client import JournalOver, JournalUnavailable
from odradek_broker.metadata.forwarding import answer_follow, answer_forward
from odradek_broker.metadata.messages import (
    FollowMetadataRequest,
    FollowMetadataResponse,
    ForwardRequest,
    ForwardResponse,
)
from odradek_broker.ports.network import Tls
from odradek_broker.ports.tcp import TcpStream
from odradek_broker.ports.tcp_network import TcpNetwork
from tests.apis.small_broker import MemoryJournal, SmallBroker


class SlowJournal(MemoryJournal):
    """A journal whose appends wait, in their thread, until they are let through."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Semaphore(100)
        self._was_closed = False

    def append(self, records: Sequence[Struct], now_ms: int) -> int:
        if not self.gate.acquire(blocking=False):
            self._was_closed = True
            assert self.gate.acquire(timeout=60)
        return super().append(records, now_ms)

    async def waits(self) -> None:
        """Return when an append has found the gate closed: no task of this thread shows how far another thread is."""
        with trio.fail_after(60):
            while not self._was_closed:  # noqa: ASYNC110
                await trio.sleep(0.001)


def create(name: str) -> CreateTopicsRequest:
    return CreateTopicsRequest(topics=[CreatableTopic(name=name, num_partitions=1, replication_factor=1)])


def delete(*names: str) -> DeleteTopicsRequest:
    return DeleteTopicsRequest(topics=[DeleteTopicState(name=name) for name in names])


def close(gate: threading.Semaphore) -> None:
    while gate.acquire(blocking=False):
        pass


async def test_a_new_journal_begins_with_feature_levels_what_holds_for_all_and_the_brokers_registration() -> None:
    broker = await SmallBroker().start()
    levels = len(broker.image.features)
    kinds = [type(record).__name__ for entry in broker.journal.entries for record in entry.records]
    assert kinds == [
        *["FeatureLevelRecord"] * levels,
        "ConfigRecord",
        "RegisterBrokerRecord",
        "BrokerRegistrationChangeRecord",
    ]
    assert broker.image.features["metadata.version"] == 30
    assert broker.image.brokers[1].epoch == levels + 1
    assert [(old.offset, new.offset) for old, new in broker.images] == [(levels, levels + 2)]


async def test_a_journal_with_users_gets_the_secret_for_those_that_there_are_not_at_the_next_start_and_keeps_it() -> (
    None
):
    first = await SmallBroker().start()
    assert not first.image.salts_of_nobody
    first.journal.append([scram_record("alice", 1, ScramKeys(b"salt", b"stored", b"server", 4096))], 0)
    second = await SmallBroker(journal=first.journal).start()
    assert second.image.salts_of_nobody
    third = await SmallBroker(journal=second.journal).start()
    assert third.image.salts_of_nobody == second.image.salts_of_nobody


async def test_after_a_restart_everything_is_as_it_was_but_for_new_leader_epochs() -> None:
    first = await SmallBroker().start()
    await first.create("t", 2, retention_ms="5")
    second = await SmallBroker(journal=first.journal).start()
    assert second.image.topics.keys() == {"t"}
    assert second.image.topic_config("t") == {"retention.ms": "5"}
    assert second.image.brokers[1].epoch > first.image.brokers[1].epoch
    epochs = [partition.leader_epoch for partition in second.image.topics["t"].partitions.values()]
    assert epochs == [2, 2], "nobody led while the broker was away, and then it did again"
    assert len(second.images) == 1


async def test_nothing_shows_before_it_is_durable() -> None:
    journal = SlowJournal()
    broker = await SmallBroker(journal=journal).start()
    before = broker.image
    close(journal.gate)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broker.controller.ask, create("t"), CreateTopicsResponse, 7)
        await journal.waits()
        assert broker.image is before
        assert len(broker.images) == 1
        journal.gate.release()
    assert "t" in broker.image.topics
    assert broker.images[1:] == [(before, broker.image)]


async def test_decisions_see_each_other_one_by_one() -> None:
    journal = SlowJournal()
    broker = await SmallBroker(journal=journal).start()
    codes: list[int] = []

    async def make() -> None:
        response = await broker.controller.ask(create("t"), CreateTopicsResponse, 7)
        codes.append(response.topics[0].error_code)

    close(journal.gate)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(make)
        await wait_all_tasks_blocked()
        for _ in range(3):
            journal.gate.release()
    assert sorted(codes) == [0, ErrorCode.TOPIC_ALREADY_EXISTS, ErrorCode.TOPIC_ALREADY_EXISTS]


async def test_a_decision_stands_though_its_caller_is_cancelled() -> None:
    journal = SlowJournal()
    broker = await SmallBroker(journal=journal).start()
    close(journal.gate)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(broker.controller.ask, create("t"), CreateTopicsResponse, 7)
            await journal.waits()
            scope.cancel()
            journal.gate.release()
    assert "t" in broker.image.topics
    assert broker.image.offset == journal.entries[-1].last_offset


async def test_what_does_not_fit_the_metadata_is_never_written_down() -> None:
    """No controller could read that journal any more."""
    broker = await SmallBroker().start()
    count = len(broker.journal.entries)
    broker.runtime._decisions[DeleteTopicsRequest] = lambda *_: ControllerResult(
        [RemoveTopicRecord(topic_id=b"?" * 16)], None
    )
    with pytest.raises(KeyError):
        await broker.controller.ask(delete("t"), DeleteTopicsResponse, 6)
    assert len(broker.journal.entries) == count
    await broker.create("u")
    assert "u" in broker.image.topics


async def is_over(broker: SmallBroker) -> None:
    with pytest.raises(JournalOver):
        await broker.controller.ask(create("t"), CreateTopicsResponse, 7)


async def test_no_snapshot_is_begun_once_the_journal_may_have_more_in_it_than_is_known() -> None:
    class Due(SlowJournal):
        wants_snapshot = True

        def begin_snapshot(self, image: MetadataImage) -> Callable[[], None]:
            begun.append(image.offset)
            return lambda: None

        def end_snapshot(self) -> None: ...

    begun: list[int] = []
    journal = Due()
    broker = await SmallBroker(journal=journal).start()
    close(journal.gate)
    journal.failure = LogFailed("a sync failed")  # type: ignore[assignment]
    with pytest.RaisesGroup(DiskFailed, flatten_subgroups=True):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(is_over, broker)
            await journal.waits()
            nursery.start_soon(broker.runtime.run)
            await wait_all_tasks_blocked()  # a snapshot is due, and waits until that is decided
            journal.gate.release()
    assert begun == []


async def test_what_cannot_be_written_down_is_not_decided_and_may_be_tried_again() -> None:
    broker = await SmallBroker().start()
    before, broker.journal.failure = broker.image, OSError("no space left")
    with pytest.raises(JournalUnavailable, match="no space left"):
        await broker.controller.ask(create("t"), CreateTopicsResponse, 7)
    assert broker.runtime.may_decide()
    assert broker.image is before
    assert len(broker.images) == 1
    broker.journal.failure = None
    await broker.controller.ask(create("t"), CreateTopicsResponse, 7)
    assert "t" in broker.image.topics


async def test_a_controller_whose_journal_is_over_answers_nothing_from_that_moment_and_ends() -> None:
    """It could keep leaders alive by answering their heartbeats, and never put another in their place."""
    broker = await SmallBroker().start()
    before, broker.journal.failure = broker.image, LogFailed("sync failed")  # type: ignore[assignment]
    with pytest.raises(JournalOver, match="sync failed"):
        await broker.controller.ask(create("t"), CreateTopicsResponse, 7)
    broker.journal.failure = None
    beat = BrokerHeartbeatRequest(broker_id=1, broker_epoch=broker.image.brokers[1].epoch, current_metadata_offset=99)
    forwarded = ForwardRequest(beat.API_KEY, 1, encode(beat, 1))
    assert (await answer_forward(broker.runtime, forwarded, {})).error_code == ErrorCode.NOT_CONTROLLER
    with pytest.raises(JournalOver):
        await broker.controller.ask(create("t"), CreateTopicsResponse, 7)
    assert broker.image is before
    assert not broker.controller.has_lease
    with pytest.RaisesGroup(DiskFailed):
        await broker.runtime.run()


async def test_a_refusal_writes_nothing() -> None:
    broker = await SmallBroker().start()
    entries = list(broker.journal.entries)
    await broker.controller.ask(create("bad name"), CreateTopicsResponse, 7)
    assert broker.journal.entries == entries


async def test_producer_ids_asked_for_at_once_are_all_different() -> None:
    broker = await SmallBroker().start()
    given: list[int] = []

    async def take() -> None:
        given.append(await broker.controller.next_producer_id())

    for _ in range(30):
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(take)
    assert len(set(given)) == len(given) == 1500
    assert broker.image.next_producer_id == 2000


async def test_the_effective_configuration_follows_dynamic_changes() -> None:
    broker = await SmallBroker(BrokerConfig(max_connections=9)).start()
    change = AlterConfigsResource(4, "1", [AlterableConfig("max.connections", 0, "5")])
    await broker.controller.ask(IncrementalAlterConfigsRequest([change]), IncrementalAlterConfigsResponse, 1)
    assert broker_config(broker.image, broker.controller.static_config).max_connections == 5
    assert broker.controller.static_config.max_connections == 9


async def test_coordinators_topics_get_what_they_need_from_their_names_alone() -> None:
    broker = await SmallBroker(BrokerConfig(offsets_topic_num_partitions=4)).start()
    for name in ("__consumer_offsets", "__transaction_state"):
        assert await broker.controller.create_topic_if_missing(name) is ErrorCode.NONE
    image = broker.image
    assert len(image.topics["__consumer_offsets"].partitions) == 4
    assert len(image.topics["__transaction_state"].partitions) == 50
    assert image.topic_config("__consumer_offsets")["segment.bytes"] == "104857600"
    assert image.topic_config("__transaction_state")["min.insync.replicas"] == "1"
    assert {each.replication_factor for each in image.topics.values()} == {1}


async def test_a_topic_that_is_there_is_not_missing() -> None:
    broker = await SmallBroker().start()
    await broker.create("t", 2)
    entries = list(broker.journal.entries)
    assert await broker.controller.create_topic_if_missing("t", 9) is ErrorCode.NONE
    assert broker.journal.entries == entries


async def test_a_delta_names_what_a_broker_has_to_do() -> None:
    broker = await SmallBroker().start()
    for name in ("kept", "changed", "gone", "again"):
        await broker.create(name)
    old = broker.image
    await broker.controller.ask(delete("gone", "again"), DeleteTopicsResponse, 6)
    await broker.create("again")
    change = [
        AlterConfigsResource(2, "changed", [AlterableConfig("retention.ms", 0, "5")]),
        AlterConfigsResource(4, "", [AlterableConfig("log.retention.ms", 0, "5")]),
    ]
    await broker.controller.ask(IncrementalAlterConfigsRequest(change), IncrementalAlterConfigsResponse, 1)
    found = delta(old, broker.image)
    assert sorted(topic.name for topic in found.deleted) == ["again", "gone"]
    assert [(each.topic.name, each.index, each.old) for each in found.partitions] == [("again", 0, None)]
    assert (found.topic_configs, found.broker_configs) == (["changed"], True)
    from_nothing = delta(MetadataImage(), broker.image)
    assert sorted(each.topic.name for each in from_nothing.partitions) == ["again", "changed", "kept"]
    nothing = delta(broker.image, broker.image)
    assert (nothing.deleted, nothing.partitions, nothing.topic_configs, nothing.broker_configs) == ([], [], [], False)


async def register(broker: SmallBroker, incarnation: bytes, port: int, broker_id: int = 2) -> int:
    """With one and the same directory; the error code."""
    request = BrokerRegistrationRequest(
        broker_id=broker_id,
        cluster_id=broker.image.cluster_id,
        incarnation_id=incarnation,
        listeners=[Listener("PLAINTEXT", "127.0.0.1", port)],
        rack=None,
        log_dirs=[b"d" * 16],
    )
    return (await broker.controller.ask(request, BrokerRegistrationResponse, 4)).error_code


async def heard_of(broker: SmallBroker, broker_id: int) -> int:
    """A heartbeat that lets it in, or keeps it in; its epoch."""
    epoch = broker.image.brokers[broker_id].epoch
    beat = BrokerHeartbeatRequest(broker_id=broker_id, broker_epoch=epoch, current_metadata_offset=epoch)
    assert not (await broker.controller.ask(beat, BrokerHeartbeatResponse, 1)).is_fenced
    return epoch


async def let_in(broker: SmallBroker) -> int:
    """Broker 2, whose connection then ends; its epoch."""
    epoch = await heard_of(broker, 2)
    broker.runtime.connection_lost(2, epoch)
    return epoch


async def test_a_copy_of_a_directory_does_not_put_a_living_broker_out() -> None:
    network = TcpNetwork()
    broker = await SmallBroker(network=network).start()
    living = await network.listen("127.0.0.1", 0)
    with closing(living):
        assert await register(broker, b"the first one...", living.address[1]) == 0
        epoch = await let_in(broker)
        answer = await register(broker, b"another process.", living.address[1] ^ 1)
        assert answer == ErrorCode.DUPLICATE_BROKER_REGISTRATION
        assert broker.image.brokers[2].epoch == epoch
    assert await register(broker, b"another process.", living.address[1] ^ 1) == 0


async def test_a_broker_that_has_its_predecessors_directory_and_port_takes_its_place_at_once() -> None:
    broker = await SmallBroker(network=TcpNetwork()).start()
    assert await register(broker, b"the first one...", 9) == 0
    epoch = await let_in(broker)
    assert await register(broker, b"started again...", 9) == 0
    assert broker.image.brokers[2].epoch > epoch


class LateRefusal(TcpNetwork):
    """A machine that is starting again: who asks for its port is answered late, and then refused."""

    def __init__(self) -> None:
        self.asked, self.answers = trio.Event(), trio.Event()

    async def connect(self, host: str, port: int, tls: Tls | None = None) -> TcpStream:
        self.asked.set()
        await self.answers.wait()
        raise ConnectionRefusedError


async def test_a_late_probe_of_a_brokers_earlier_life_leaves_the_present_one_alone() -> None:
    network = LateRefusal()
    broker = await SmallBroker(network=network).start()
    assert await register(broker, b"the first one...", 9) == 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broker.runtime.run)
        await wait_all_tasks_blocked()
        await let_in(broker)
        await network.asked.wait()
        assert await register(broker, b"started again...", 9) == 0
        epoch = await heard_of(broker, 2)
        network.answers.set()
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert not broker.image.brokers[2].fenced
    assert broker.runtime._fencing.heartbeats.silent(broker.config.broker_session_timeout_ms) == [(2, epoch)], (
        "when it is silent for a session, it is seen"
    )


async def test_who_is_heard_of_while_the_disk_is_slow_to_fence_another_is_not_fenced() -> None:
    journal = SlowJournal()
    config = BrokerConfig(broker_session_timeout_ms=400, broker_heartbeat_interval_ms=100)
    broker = await SmallBroker(config, journal=journal).start()
    for broker_id in (2, 3):
        assert await register(broker, bytes([broker_id]) * 16, broker_id, broker_id) == 0
        await heard_of(broker, broker_id)
    close(journal.gate)
    broker.clock.passed_ms = 400
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broker.runtime.run)
        while not broker.runtime._decider._lock.locked():  # noqa: ASYNC110 (nobody tells)
            await trio.sleep(0.001)
        async with trio.open_nursery() as both:
            both.start_soon(heard_of, broker, 3)
            await wait_all_tasks_blocked()
            journal.gate.release(100)
        while not broker.image.brokers[2].fenced:  # noqa: ASYNC110
            await trio.sleep(0.001)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert not broker.image.brokers[3].fenced, "its lease goes on from when it sent what was heard"


async def test_a_heartbeat_that_changes_nothing_is_answered_while_the_disk_is_slow_to_fence_another() -> None:
    """Else a slow disk of the controller would end all leases."""
    journal = SlowJournal()
    broker = await SmallBroker(journal=journal).start()
    for broker_id in (2, 3):
        assert await register(broker, bytes([broker_id]) * 16, broker_id, broker_id) == 0
        await heard_of(broker, broker_id)
    close(journal.gate)
    answered = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broker.runtime._fencing.fence, 2, broker.image.brokers[2].epoch, "is gone")
        await wait_all_tasks_blocked()

        async def beat(broker_id: int) -> None:
            await heard_of(broker, broker_id)
            answered.append(broker_id)

        nursery.start_soon(beat, 2)
        nursery.start_soon(beat, 3)
        await wait_all_tasks_blocked()
        assert answered == [3], "who is being fenced must not be given a lease"
        journal.gate.release(100)
    assert sorted(answered) == [2, 3]


async def test_a_broker_that_is_let_in_again_right_behind_its_fencing_is_watched() -> None:
    """Its heartbeat has waited for the disk, on which it was being fenced; nobody would ever miss it otherwise."""
    journal = SlowJournal()
    broker = await SmallBroker(journal=journal).start()
    assert await register(broker, bytes(16), 9) == 0
    epoch = await heard_of(broker, 2)
    close(journal.gate)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broker.runtime._fencing.fence, 2, epoch, "is gone")
        await wait_all_tasks_blocked()
        nursery.start_soon(heard_of, broker, 2)
        await wait_all_tasks_blocked()
        journal.gate.release(100)
    assert not broker.image.brokers[2].fenced
    assert broker.runtime._fencing.heartbeats.silent(broker.config.broker_session_timeout_ms) == [(2, epoch)]


async def test_a_controller_that_stops_fences_nobody_for_a_silence_of_its_own_making() -> None:
    """Its port is closed, and to brokers that means that nobody can be elected."""
    config = BrokerConfig(broker_session_timeout_ms=40, broker_heartbeat_interval_ms=10)
    broker = await SmallBroker(config).start()
    assert await register(broker, bytes(16), 9) == 0
    await let_in(broker)
    epoch = broker.image.brokers[2].epoch
    broker.runtime.stop()
    broker.clock.passed_ms = 400
    assert broker.runtime._fencing.heartbeats.silent(broker.clock.monotonic_ms()) == [(2, epoch)]
    fencing = broker.runtime._fencing
    await fencing.fence(2, epoch, "is silent", fencing.heartbeats.is_silent)
    await broker.runtime._fencing.fence(2, epoch, "is gone")
    assert not broker.image.brokers[2].fenced


PATIENCE_MS = 5_000


def forwarded(request: ApiMessage, version: int, stamp: bytes) -> ForwardRequest:
    return ForwardRequest(request.API_KEY, version, encode(request, version), stamp, PATIENCE_MS)  # type: ignore[arg-type]


async def test_what_is_forwarded_without_a_fresh_stamp_is_not_carried_out_and_gets_one() -> None:
    broker = await SmallBroker().start()
    refused = await answer_forward(broker.runtime, forwarded(create("t"), 7, b""), {})
    assert (refused.error_code, "t" in broker.image.topics) == (ErrorCode.OPERATION_NOT_ATTEMPTED, False)
    made = await answer_forward(broker.runtime, forwarded(create("t"), 7, refused.stamp), {})
    assert (made.error_code, "t" in broker.image.topics) == (0, True)
    broker.clock.passed_ms += PATIENCE_MS
    late = await answer_forward(broker.runtime, forwarded(delete("t"), 6, made.stamp), {})
    assert (late.error_code, "t" in broker.image.topics) == (ErrorCode.OPERATION_NOT_ATTEMPTED, True)


async def test_a_heartbeat_needs_no_stamp_and_gets_one() -> None:
    broker = await SmallBroker().start()
    assert await register(broker, b"the first one...", 9) == 0
    epoch = broker.image.brokers[2].epoch
    beat = BrokerHeartbeatRequest(broker_id=2, broker_epoch=epoch, current_metadata_offset=epoch)
    answer = await answer_forward(broker.runtime, forwarded(beat, 1, b""), {})
    assert answer.error_code == 0
    assert (await answer_forward(broker.runtime, forwarded(create("t"), 7, answer.stamp), {})).error_code == 0


async def test_what_has_waited_for_a_slow_disk_until_its_sender_gave_up_is_not_carried_out() -> None:
    journal = SlowJournal()
    broker = await SmallBroker(journal=journal).start()
    stamp = broker.runtime.stamp()
    close(journal.gate)
    codes: list[int] = []

    async def forward(name: str) -> None:
        codes.append((await answer_forward(broker.runtime, forwarded(create(name), 7, stamp), {})).error_code)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(forward, "first")
        await journal.waits()
        nursery.start_soon(forward, "second")
        await wait_all_tasks_blocked()
        broker.clock.passed_ms += PATIENCE_MS
        journal.gate.release(100)
    assert codes == [0, ErrorCode.OPERATION_NOT_ATTEMPTED]
    assert set(broker.image.topics) == {"first"}


async def test_what_is_decided_while_the_right_to_decide_lapses_stands_and_is_not_answered() -> None:
    """Whoever asked asks the next controller, which reads of it in the journal."""
    journal = SlowJournal()
    broker = await SmallBroker(journal=journal).start()
    rights = [True]
    broker.runtime._has_right = lambda: rights[0]
    close(journal.gate)
    answers: list[ForwardResponse] = []
    follows: list[FollowMetadataResponse] = []
    before = broker.image.offset

    async def forward() -> None:
        request = forwarded(create("t"), 7, broker.runtime.stamp())
        answers.append(await answer_forward(broker.runtime, request, {}))

    async def follow() -> None:
        request = FollowMetadataRequest(next_offset=before + 1, max_wait_ms=60_000)
        follows.append(await answer_follow(broker.runtime, request))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow)
        nursery.start_soon(forward)
        await journal.waits()
        rights[0] = False
        journal.gate.release(100)
    assert [answer.error_code for answer in answers] == [ErrorCode.NOT_CONTROLLER]
    assert [(answer.error_code, answer.records) for answer in follows] == [(ErrorCode.NOT_CONTROLLER, ())]
    assert "t" in (await SmallBroker(journal=journal).start()).image.topics


async def test_those_who_follow_are_told_of_nothing_that_may_not_be_in_the_journal() -> None:
    """Its outcome is not known, so neither this controller nor anybody who follows it may act upon it."""
    broker = await SmallBroker().start()
    before = broker.image.offset
    broker.journal.failure = LogFailed("no answer of etcd")  # type: ignore[assignment]
    request = FollowMetadataRequest(next_offset=before + 1, max_wait_ms=50)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_forward, broker.runtime, forwarded(create("t"), 7, broker.runtime.stamp()), {})
        await broker.runtime.journal_over.wait()
        assert (await answer_follow(broker.runtime, request)).error_code == ErrorCode.NOT_CONTROLLER
    assert (broker.image.offset, len(broker.images)) == (before, 1)


async def test_a_controller_that_stops_sends_those_who_follow_elsewhere() -> None:
    """With an answer at once for each question they would ask on and on, and in its own process never let it end."""
    broker = await SmallBroker().start()
    controller, request = broker.runtime, FollowMetadataRequest(broker_id=2, next_offset=1_000, max_wait_ms=60_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_follow, controller, request)
        await wait_all_tasks_blocked()
        controller.stop()  # who waits is let go
    assert (await answer_follow(controller, request)).error_code == ErrorCode.NOT_CONTROLLER
