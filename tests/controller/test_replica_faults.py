"""What the controller makes of a broker that says what is wrong with its replicas."""

from __future__ import annotations

from typing import Any

from msgspec import structs

from odradek.protocol.codec import decode, encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest
from odradek_broker.controller.image import NO_LEADER, MetadataImage, PartitionImage
from odradek_broker.controller.membership import fence_broker, register_broker, take_heartbeat
from odradek_broker.controller.partition_change import RECOVERING
from odradek_broker.controller.replay import replay
from odradek_broker.controller.replica_faults import (
    MESSAGES,
    RegistrationRequest,
    ReplicaFaultsRequest,
    ReplicaOf,
    take_replica_faults,
)
from tests.controller.images import CONFIG, cluster, creatable, registration, with_topics

EARLIER, NOW = b"earlier life....", b"this life......."


def cluster_with(replicas: int, partitions: int = 1, brokers: int = 3) -> MetadataImage:
    return with_topics(cluster(*[None] * brokers), creatable("t", partitions, replicas, min_insync_replicas="2"))


def fenced(image: MetadataImage, *brokers: int) -> MetadataImage:
    for broker in brokers:
        image = replay(image, fence_broker(image, broker, CONFIG))
    return image


def partition(image: MetadataImage, index: int = 0) -> PartitionImage:
    return image.topics["t"].partitions[index]


def replica(image: MetadataImage, index: int = 0, topic: str = "t") -> ReplicaOf:
    return ReplicaOf(image.topics[topic].topic_id, index)


def register(image: MetadataImage, broker: int, incarnation: bytes = NOW, **more: Any) -> MetadataImage:
    previous = more.pop("previous_epoch", None)
    plain = registration(image, broker, incarnation, previous_epoch=previous)
    request = RegistrationRequest(**structs.asdict(plain), **more)
    result = register_broker(image, decode(RegistrationRequest, encode(request, 4), 4), CONFIG)
    assert not result.response.error_code
    return replay(image, result.records)


def let_in(image: MetadataImage, broker: int) -> MetadataImage:
    request = BrokerHeartbeatRequest(broker, image.brokers[broker].epoch, 10**9)
    return replay(image, take_heartbeat(image, request, CONFIG).records)


def tell(image: MetadataImage, broker: int, epoch: int | None = None, **faults: list[ReplicaOf]) -> MetadataImage:
    request = ReplicaFaultsRequest(broker, image.brokers[broker].epoch if epoch is None else epoch, **faults)
    result = take_replica_faults(image, request, CONFIG)
    assert bool(result.response.error_code) == (epoch is not None)
    return replay(image, result.records)


# When it registers.


def test_a_replica_that_is_damaged_is_not_elected_while_another_has_everything() -> None:
    image = fenced(cluster_with(3), 3, 2, 1)
    assert set(partition(image).elr) == {1, 2}
    image = let_in(register(image, 1, damaged=[replica(image)]), 1)
    assert (partition(image).leader, partition(image).elr, partition(image).last_known_elr) == (-1, (2,), (1,))
    image = let_in(register(image, 2), 2)
    assert partition(image).leader == 2


def test_a_replica_that_is_damaged_leads_where_it_is_the_last_one_known_and_the_metadata_says_so() -> None:
    image = cluster_with(1, brokers=1)
    image = register(fenced(image, 1), 1, damaged=[replica(image)])
    assert (partition(image).leader, partition(image).last_known_elr) == (-1, (1,))
    image = let_in(image, 1)
    assert (partition(image).leader, partition(image).leader_recovery_state) == (1, RECOVERING)


def test_only_the_damaged_replicas_of_a_broker_are_doubted() -> None:
    image = fenced(cluster_with(3, partitions=2), 3, 2, 1)
    image = register(image, 1, damaged=[replica(image, 1)])
    assert 1 in partition(image, 0).elr
    assert 1 not in partition(image, 1).elr


def test_a_topic_that_is_gone_meanwhile_is_not_doubted() -> None:
    image = fenced(cluster_with(3), 1)
    register(image, 1, damaged=[ReplicaOf(b"another topic id", 0), ReplicaOf(image.topics["t"].topic_id, 9)])


def test_who_was_registered_without_ever_hearing_so_has_what_it_had_before() -> None:
    image = fenced(cluster_with(3), 3, 2, 1)
    known = image.brokers[1].epoch
    for earlier, incarnation in (((), EARLIER), ((EARLIER,), NOW)):
        image = register(image, 1, incarnation, previous_epoch=known, earlier_incarnations=earlier)
        assert 1 in partition(image).elr
    image = register(image, 1, b"one more life...", previous_epoch=known, earlier_incarnations=(EARLIER,))
    assert 1 not in partition(image).elr, "in the life in between it may have had something acknowledged"


def test_who_lacks_what_it_had_before_lacks_it_still_in_a_registration_that_it_never_heard_of() -> None:
    image = fenced(cluster_with(3), 3, 2, 1)
    image = register(image, 1, EARLIER, previous_epoch=-1)
    image = register(image, 1, NOW, previous_epoch=-1, earlier_incarnations=(EARLIER,))
    assert 1 not in partition(image).elr


# While it runs.


def test_a_leader_that_finds_damage_is_replaced_by_one_that_is_in_sync() -> None:
    image = cluster_with(3)
    leader = partition(image).leader
    image = tell(image, leader, damaged=[replica(image)])
    assert partition(image).leader in partition(image).isr
    assert set(partition(image).isr) == {1, 2, 3} - {leader}


def test_a_leader_that_finds_damage_and_is_alone_goes_on_in_a_new_epoch() -> None:
    before = cluster_with(1, brokers=1)
    image = tell(before, 1, damaged=[replica(before)])
    assert (partition(image).leader, partition(image).leader_recovery_state) == (1, RECOVERING)
    assert partition(image).leader_epoch > partition(before).leader_epoch


def test_whatever_a_broker_finds_damaged_at_once_is_led_again() -> None:
    before = cluster_with(1, partitions=3, brokers=1)
    image = tell(before, 1, damaged=[replica(before, index) for index in (2, 0)])
    for index, state in ((0, RECOVERING), (1, 0), (2, RECOVERING)):
        assert (partition(image, index).leader, partition(image, index).leader_recovery_state) == (1, state)


def test_a_damaged_leader_that_leads_on_uncleanly_begins_a_new_epoch() -> None:
    """The log is another one, also where the topic allows such an election."""
    before = with_topics(cluster(None), creatable("t", 1, 1, unclean_leader_election_enable="true"))
    image = tell(before, 1, damaged=[replica(before)])
    assert (partition(image).leader, partition(image).leader_recovery_state) == (1, RECOVERING)
    assert partition(image).leader_epoch > partition(before).leader_epoch


def test_damage_of_one_that_is_eligible_leaves_the_others_eligible_as_the_topic_has_it() -> None:
    before = fenced(with_topics(cluster(None, None, None), creatable("t", 1, 3, min_insync_replicas="3")), 3, 2)
    assert (partition(before).isr, set(partition(before).elr)) == ((1,), {2, 3})
    assert partition(tell(before, 2, damaged=[replica(before)])).elr == (3,)


def test_damage_where_nobody_may_lead_leaves_it_at_that() -> None:
    before = fenced(cluster_with(3), 3, 2, 1)
    after = tell(before, 2, damaged=[replica(before)])
    assert (partition(after).leader, partition(after).elr) == (NO_LEADER, (1,))


def test_one_log_that_is_followed_only_does_not_keep_another_from_being_handed_on() -> None:
    before = cluster_with(3, partitions=6)
    led, followed = (
        next(index for index in range(6) if (partition(before, index).leader == 1) is leads) for leads in (True, False)
    )
    image = tell(before, 1, unreadable=[replica(before, followed), replica(before, led)])
    assert partition(image, led).leader != 1 and partition(image, followed) == partition(before, followed)


def test_a_leader_that_cannot_open_its_log_is_replaced_where_others_have_it() -> None:
    image = cluster_with(3)
    leader = partition(image).leader
    image = tell(image, leader, unreadable=[replica(image)])
    assert partition(image).leader in partition(image).isr
    assert set(partition(image).isr) == {1, 2, 3} - {leader}


def test_a_leader_that_cannot_open_its_log_stays_where_no_other_may_lead() -> None:
    before = fenced(cluster_with(3), 2, 3)
    assert tell(before, 1, unreadable=[replica(before)]) == before


def test_a_log_that_cannot_be_opened_is_not_doubted_for_that() -> None:
    image = fenced(cluster_with(3), 3)
    image = tell(image, 1, unreadable=[replica(image)])
    assert partition(image).leader == 2
    assert 1 in partition(image).elr, "two were in sync, and nothing is committed by one"


def test_a_follower_that_cannot_open_its_log_is_left_to_its_leader() -> None:
    before = cluster_with(3)
    follower = partition(before).isr[-1]
    assert follower != partition(before).leader
    assert tell(before, follower, unreadable=[replica(before)]) == before


def test_what_an_earlier_life_has_found_does_not_count() -> None:
    before = cluster_with(3)
    request = ReplicaFaultsRequest(1, before.brokers[1].epoch - 1, damaged=[replica(before)])
    result = take_replica_faults(before, request, CONFIG)
    assert (result.records, result.response.error_code) == ([], ErrorCode.STALE_BROKER_EPOCH)


def test_every_message_of_our_own_is_found_by_its_key() -> None:
    assert all(key == request.API_KEY for key, (request, _) in MESSAGES.items())  # type: ignore[attr-defined]
