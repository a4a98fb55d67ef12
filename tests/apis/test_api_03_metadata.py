"""What Metadata answers. Where nothing else is said, it is what Apache Kafka 4.4.0 answers."""

from __future__ import annotations

import pytest
import trio
from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from odradek.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from odradek.protocol.messages.metadata_records import BrokerRegistrationChangeRecord
from odradek_broker.apis import api_03_metadata, api_20_delete_topics
from odradek_broker.config import BrokerConfig, Listener
from odradek_broker.controller.image import Endpoint, MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.loop.slices import SLICE
from odradek_broker.metadata.reachability import SUSPICION_MS
from odradek_broker.metadata.recent_deletions import RECENT_MS
from tests.apis.small_broker import SmallBroker
from tests.controller.images import join


def named(*names: str | None) -> list[MetadataRequestTopic]:
    return [MetadataRequestTopic(name=name) for name in names]


async def ask(
    broker: SmallBroker, topics: list[MetadataRequestTopic] | None, version: int = 13, *, auto: bool = False
) -> MetadataResponse:
    request = MetadataRequest(topics=topics, allow_auto_topic_creation=auto)
    response: MetadataResponse = await broker.ask(api_03_metadata, request, version)
    return response


def codes(response: MetadataResponse) -> list[tuple[str | None, int]]:
    return [(topic.name, topic.error_code) for topic in response.topics]


async def test_a_topic_is_told_with_its_id_leaders_and_replicas() -> None:
    broker = await SmallBroker().start()
    await broker.create("t", 2)
    response = await ask(broker, named("t"))
    (topic,) = response.topics
    assert (topic.error_code, topic.topic_id) == (0, broker.image.topics["t"].topic_id)
    for index, partition in enumerate(topic.partitions):
        assert (partition.error_code, partition.partition_index, partition.leader_id) == (0, index, 1)
        assert (partition.replica_nodes, partition.isr_nodes, partition.offline_replicas) == ([1], [1], [])
    assert (response.cluster_id, response.controller_id) == ("cluster", 1)


@pytest.mark.parametrize("version", api_03_metadata.VERSIONS)
async def test_every_version_can_be_answered(version: int) -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    response = await ask(broker, named("t", "nope"), version)
    assert codes(response) == [("t", 0), ("nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if version >= 4 else 0)]


async def test_null_is_all_and_empty_is_none_but_in_version_0_empty_is_all() -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    assert codes(await ask(broker, None)) == [("t", 0)]
    assert codes(await ask(broker, [])) == []
    assert codes(await ask(broker, None, 1)) == [("t", 0)]
    assert codes(await ask(broker, [], 1)) == []
    assert codes(await ask(broker, [], 0)) == [("t", 0)]


async def test_a_missing_topic_is_made_at_once_where_both_sides_agree() -> None:
    broker = await SmallBroker(BrokerConfig(num_partitions=3)).start()
    response = await ask(broker, named("new", "newer"), auto=True)
    assert codes(response) == [("new", 0), ("newer", 0)]
    assert len(response.topics[0].partitions) == 3
    assert codes(await ask(broker, named("old"), 3)) == [("old", 0)]


async def test_nothing_is_made_where_one_side_does_not_want_it() -> None:
    broker = await SmallBroker().start()
    unwilling = await SmallBroker(BrokerConfig(auto_create_topics_enable=False)).start()
    unknown = [("new", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]
    assert codes(await ask(broker, named("new"), auto=False)) == unknown
    assert codes(await ask(unwilling, named("new"), auto=True)) == unknown
    await ask(broker, None, auto=True)
    assert not broker.image.topics
    assert not unwilling.image.topics


async def test_a_topic_that_was_just_deleted_is_not_made_again_by_whoever_looks_whether_it_is_gone() -> None:
    broker = await SmallBroker().start()
    await broker.create("gone")
    await broker.ask(api_20_delete_topics, DeleteTopicsRequest(topics=[DeleteTopicState("gone")]))
    for _ in range(2):
        assert codes(await ask(broker, named("gone"), auto=True)) == [("gone", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]
    broker.clock.passed_ms += RECENT_MS
    assert codes(await ask(broker, named("gone"), auto=True)) == [("gone", 0)]


async def test_illegal_and_colliding_names_are_not_made() -> None:
    broker = await SmallBroker().start()
    await broker.create("a_b")
    response = await ask(broker, named("bad name", "", "a.b", "good"), auto=True)
    wrong = ErrorCode.INVALID_TOPIC_EXCEPTION
    assert codes(response) == [("bad name", wrong), ("", wrong), ("a.b", wrong), ("good", 0)]


async def test_coordinators_topics_are_made_as_their_coordinators_need_them() -> None:
    broker = await SmallBroker().start()
    response = await ask(broker, named("__consumer_offsets"), auto=True)
    (topic,) = response.topics
    assert (topic.error_code, topic.is_internal, len(topic.partitions)) == (0, True, 50)
    assert broker.image.topic_config("__consumer_offsets")["cleanup.policy"] == "compact"


async def test_a_replication_factor_that_was_asked_for_is_not_lowered() -> None:
    config = BrokerConfig(offsets_topic_replication_factor=3, given=frozenset({"offsets.topic.replication.factor"}))
    broker = await SmallBroker(config).start()
    response = await ask(broker, named("__consumer_offsets"), auto=True)
    assert codes(response) == [("__consumer_offsets", ErrorCode.INVALID_REPLICATION_FACTOR)]


async def test_a_topic_that_cannot_be_written_down_is_unknown() -> None:
    broker = await SmallBroker().start()
    broker.journal.failure = OSError("no space left")
    response = await ask(broker, named("new"), auto=True)
    assert codes(response) == [("new", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]
    assert not broker.image.topics


async def test_topics_are_found_by_id_from_version_12_on() -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    topic_id = broker.image.topics["t"].topic_id
    for version in (12, 13):
        by_id = [MetadataRequestTopic(name=None, topic_id=i) for i in (topic_id, b"1" * 16)]
        response = await ask(broker, by_id, version, auto=True)
        assert codes(response) == [("t", 0), (None, ErrorCode.UNKNOWN_TOPIC_ID)]
        assert response.topics[1].topic_id == b"1" * 16


@pytest.mark.parametrize("version", [10, 11])
@pytest.mark.parametrize("topic", [MetadataRequestTopic(name="t", topic_id=b"1" * 16), MetadataRequestTopic(name=None)])
async def test_ids_are_refused_where_they_have_no_meaning_yet(version: int, topic: MetadataRequestTopic) -> None:
    broker = await SmallBroker().start()
    response = await ask(broker, [topic, *named("u")], version, auto=True)
    assert [each.error_code for each in response.topics] == [ErrorCode.INVALID_REQUEST] * 2
    assert not broker.image.topics


async def test_a_topic_named_twice_is_answered_once() -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    assert codes(await ask(broker, named("t", "t"))) == [("t", 0)]


@pytest.mark.parametrize(
    ("config", "listener", "local", "told"),
    [
        (BrokerConfig(), "PLAINTEXT", ("10.0.0.1", 9092), ("10.0.0.1", 9092)),
        (BrokerConfig(), "PLAINTEXT", ("::ffff:10.0.0.1", 9092), ("10.0.0.1", 9092)),
        (
            BrokerConfig(advertised_listeners=(Listener("PLAINTEXT", "public", 19092),)),
            "PLAINTEXT",
            ("10.0.0.1", 9092),
            ("public", 19092),
        ),
        (
            BrokerConfig(
                listeners=(Listener("INSIDE", "", 9092), Listener("OUTSIDE", "", 9093)),
                advertised_listeners=(Listener("INSIDE", "in", 1), Listener("OUTSIDE", "out", 2)),
            ),
            "OUTSIDE",
            ("10.0.0.1", 9093),
            ("out", 2),
        ),
    ],
)
async def test_a_client_is_told_the_advertised_address_or_the_one_it_has_used(
    config: BrokerConfig, listener: str, local: tuple[str, int], told: tuple[str, int]
) -> None:
    broker = await SmallBroker(config).start()
    response = await broker.ask(api_03_metadata, MetadataRequest(topics=[]), local=local, listener=listener)
    assert [(each.host, each.port) for each in response.brokers] == [told]


async def test_other_brokers_are_told_unless_they_are_fenced_or_have_not_our_listener() -> None:
    broker = await SmallBroker().start()
    image = broker.image
    for broker_id, name in ((2, "PLAINTEXT"), (3, "PLAINTEXT"), (4, "OTHER")):
        endpoints = (Endpoint(name, f"h{broker_id}", broker_id),)
        image = replay(image, join(image, broker_id, None, endpoints, "rack"))
    fence = BrokerRegistrationChangeRecord(broker_id=3, broker_epoch=image.brokers[3].epoch, fenced=1)
    broker.runtime._decider.image = replay(image, [fence])
    response = await ask(broker, [])
    assert [(each.node_id, each.host, each.rack) for each in response.brokers] == [
        (1, "10.0.0.1", None),
        (2, "h2", "rack"),
    ]


async def test_a_leader_that_is_gone_or_out_of_reach_is_no_leader() -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    image = broker.image
    me = image.brokers[1]
    broker.runtime._decider.image = structs.replace(image, brokers={1: structs.replace(me, fenced=True)})
    (topic,) = (await ask(broker, named("t"))).topics
    (partition,) = topic.partitions
    assert (partition.error_code, partition.leader_id) == (ErrorCode.LEADER_NOT_AVAILABLE, -1)
    assert partition.offline_replicas == [1]
    broker.node_id = 9
    broker.runtime._decider.image = structs.replace(image, brokers={1: structs.replace(me, endpoints=())})
    for version, error in ((6, ErrorCode.LISTENER_NOT_FOUND), (5, ErrorCode.LEADER_NOT_AVAILABLE)):
        (topic,) = (await ask(broker, named("t"), version)).topics
        assert topic.partitions[0].error_code == error


class DyingLeader:
    """Broker 2 leads everything, its death has been noticed, and 1 is asked about it."""

    def __init__(self, broker: SmallBroker) -> None:
        self._broker = broker
        self._own = broker.image
        me = broker.image.brokers[1]
        both = {1: me, 2: structs.replace(me, broker_id=2, endpoints=(Endpoint("PLAINTEXT", "h2", 9092),))}
        self._take(structs.replace(self._own, brokers=both), 2)
        broker.reachability.lost(2)

    async def elect_after(self, seconds: float) -> None:
        await trio.sleep(seconds)
        brokers = self._broker.image.brokers
        dead = structs.replace(brokers[2], fenced=True)
        self._take(structs.replace(self._broker.image, brokers={**brokers, 2: dead}), 1)

    async def forgive_after(self, seconds: float) -> None:
        """The suspicion is over, and nobody has been elected."""
        await trio.sleep(seconds)
        self._broker.clock.passed_ms += SUSPICION_MS

    async def stop_after(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self._broker.is_stopping = True

    def _take(self, image: MetadataImage, leader: int) -> None:
        topics = {
            name: structs.replace(
                topic,
                partitions={index: structs.replace(one, leader=leader) for index, one in topic.partitions.items()},
            )
            for name, topic in image.topics.items()
        }
        self._broker.runtime._decider.image = structs.replace(image, topics=topics)


@pytest.mark.parametrize("partitions", [1, SLICE + 1], ids=["few", "many"])
@pytest.mark.parametrize("version", [0, 13])
async def test_who_asks_about_a_leader_that_has_just_died_is_told_of_the_next(
    version: int, partitions: int, autojump_clock: object
) -> None:
    """franz-go refuses to write while it has been told of no leader of any partition of a topic."""
    broker = await SmallBroker().start()
    await broker.create("t", partitions)
    dying = DyingLeader(broker)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dying.elect_after, 0.5)
        (topic,) = (await ask(broker, named("t"), version)).topics
    assert {(each.error_code, each.leader_id) for each in topic.partitions} == {(0, 1)}


async def test_a_leader_that_nobody_follows_is_named_again_when_the_suspicion_is_over(autojump_clock: object) -> None:
    """It may be only this broker that cannot reach it."""
    broker = await SmallBroker().start()
    await broker.create("t")
    dying = DyingLeader(broker)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dying.forgive_after, 0.5)
        (topic,) = (await ask(broker, named("t"))).topics
    assert [(each.error_code, each.leader_id) for each in topic.partitions] == [(0, 2)]


async def test_no_answer_waits_for_an_election_for_ever(autojump_clock: object) -> None:
    """Brokers that die one after the other could keep it waiting."""
    broker = await SmallBroker().start()
    await broker.create("t")
    DyingLeader(broker)
    with trio.fail_after(api_03_metadata.PATIENCE_SECONDS + 1):
        (topic,) = (await ask(broker, named("t"))).topics
    assert [each.error_code for each in topic.partitions] == [ErrorCode.LEADER_NOT_AVAILABLE]


async def test_a_broker_that_stops_waits_for_no_election(autojump_clock: object) -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    dying = DyingLeader(broker)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(dying.stop_after, 0.1)
        with trio.fail_after(api_03_metadata.PATIENCE_SECONDS / 2):
            await ask(broker, named("t"))


async def test_who_asks_about_other_topics_does_not_wait_for_the_election(autojump_clock: object) -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    DyingLeader(broker)
    with trio.fail_after(api_03_metadata.PATIENCE_SECONDS / 2):
        assert codes(await ask(broker, named("nope"))) == [("nope", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)]
        assert codes(await ask(broker, [])) == []


async def test_operations_are_told_only_where_they_are_asked_for() -> None:
    broker = await SmallBroker().start()
    await broker.create("t")
    for asked in (False, True):
        request = MetadataRequest(
            topics=named("t"), include_topic_authorized_operations=asked, include_cluster_authorized_operations=asked
        )
        response = await broker.ask(api_03_metadata, request, 10)
        assert response.topics[0].topic_authorized_operations == (3576 if asked else -(2**31))
        assert response.cluster_authorized_operations == (8096 if asked else -(2**31))
