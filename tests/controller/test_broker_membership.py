"""Brokers come and go: what the controller makes of it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import Struct, structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionRequestPartitionData,
    AlterPartitionRequestTopicData,
    BrokerState,
)
from odradek.protocol.messages.broker_heartbeat import BrokerHeartbeatRequest, BrokerHeartbeatResponse
from odradek.protocol.messages.broker_registration import BrokerRegistrationResponse
from odradek.protocol.messages.metadata_records import PartitionChangeRecord, UnregisterBrokerRecord
from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest, UnregisterBrokerResponse
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.alter_partition import alter_partition
from odradek_broker.controller.features import BOOTSTRAP
from odradek_broker.controller.frame import frame, unframe
from odradek_broker.controller.heartbeats import Heartbeats
from odradek_broker.controller.image import BrokerImage, Endpoint, MetadataImage, PartitionImage
from odradek_broker.controller.membership import (
    bootstrap,
    fence_broker,
    register_broker,
    take_heartbeat,
    unregister_broker,
)
from odradek_broker.controller.replay import replay
from odradek_broker.controller.snapshot import records_of
from odradek_broker.controller.tail import MetadataTail
from tests.controller.images import CONFIG, cluster, creatable, registration, with_topics


def three(**configs: str) -> MetadataImage:
    return with_topics(cluster(None, None, None), creatable("t", 6, 3, min_insync_replicas="2", **configs))


def fenced(image: MetadataImage, *brokers: int) -> MetadataImage:
    for broker in brokers:
        image = replay(image, fence_broker(image, broker, CONFIG))
    return image


def partitions(image: MetadataImage) -> list[PartitionImage]:
    return list(image.topics["t"].partitions.values())


def register(image: MetadataImage, broker: int, **more: Any) -> tuple[MetadataImage, int]:
    result = register_broker(image, registration(image, broker, b"new incarnation!", **more), CONFIG)
    return replay(image, result.records), result.response.error_code


def beat(
    image: MetadataImage, broker: int, offset: int = 10**9, **more: Any
) -> tuple[MetadataImage, BrokerHeartbeatResponse]:
    epoch = more.pop("epoch", image.brokers[broker].epoch)
    request = BrokerHeartbeatRequest(broker, epoch, offset, **more)
    result = take_heartbeat(image, request, CONFIG)
    return replay(image, result.records), result.response


def test_a_fenced_broker_leads_nothing_and_is_in_no_isr() -> None:
    after = fenced(three(), 1)
    assert all(each.leader in (2, 3) and 1 not in each.isr for each in partitions(after))
    assert fence_broker(after, 1, CONFIG) == []


def test_when_all_are_fenced_the_last_in_sync_lead_again_whoever_comes_first() -> None:
    image = fenced(three(), 1, 2, 3)
    assert all(each.leader == -1 for each in partitions(image))
    image, _ = register(image, 1)
    image, answer = beat(image, 1)
    assert not answer.is_fenced
    assert all(each.leader == -1 for each in partitions(image)), "broker 1 left first: the others may know more"
    image, _ = register(image, 3)
    image, _ = beat(image, 3)
    assert all(each.leader == 3 for each in partitions(image))


def test_a_broker_with_an_empty_disk_is_in_sync_nowhere() -> None:
    image = fenced(three(), 1, 2, 3)
    image, _ = register(image, 3, previous_epoch=-1)
    image, _ = beat(image, 3)
    assert all(each.leader == -1 and 3 not in each.elr for each in partitions(image))
    image, _ = register(image, 2)
    image, _ = beat(image, 2)
    assert all(each.leader == 2 for each in partitions(image))


def unregister(image: MetadataImage, broker: int) -> MetadataImage:
    result = unregister_broker(image, UnregisterBrokerRequest(broker_id=broker), CONFIG)
    assert not result.response.error_code
    return replay(image, result.records)


@pytest.mark.parametrize("gone_before", [(1, 2), (1, 2, 3)])
def test_a_broker_that_was_unregistered_is_trusted_with_nothing_when_it_is_back(gone_before: tuple[int, ...]) -> None:
    """Also where it was fenced at the time: it was among those that could have led."""
    image = fenced(three(), *gone_before)
    assert all(2 in each.elr for each in partitions(image))
    image = unregister(image, 2)
    assert all(2 not in (*each.isr, *each.elr) for each in partitions(image))
    image, error = register(image, 2)
    assert error == 0
    image, _ = beat(image, 2)
    image = fenced(image, 3)
    assert all(each.leader == -1 for each in partitions(image)), "3 was the last to have all that is committed"


def test_a_living_broker_that_is_unregistered_leads_nothing_and_is_in_no_isr() -> None:
    image = unregister(three(), 1)
    assert all(each.leader in (2, 3) and 1 not in each.isr for each in partitions(image))


def test_a_broker_of_which_nothing_is_known_but_that_could_lead_is_trusted_with_nothing() -> None:
    """As journals have it in which a broker was unregistered before that was seen to."""
    image = fenced(three(), 1, 2)
    image = replay(image, [UnregisterBrokerRecord(broker_id=2, broker_epoch=image.brokers[2].epoch)])
    image, _ = register(image, 2)
    assert all(2 not in each.elr for each in partitions(image))


def test_a_second_process_with_an_id_that_is_in_use_is_refused_until_the_first_is_fenced() -> None:
    image = three()
    assert register(image, 1)[1] == ErrorCode.DUPLICATE_BROKER_REGISTRATION
    after, error = register(fenced(image, 1), 1)
    assert error == 0 and after.brokers[1].epoch > image.brokers[1].epoch
    again = register_broker(after, registration(after, 1, b"new incarnation!"), CONFIG)
    assert (again.records, again.response.broker_epoch) == ([], after.brokers[1].epoch), "the answer was lost"


def test_a_broker_is_registered_as_it_says_and_its_epoch_is_the_offset_of_that() -> None:
    image = three()
    endpoints = (Endpoint("PLAINTEXT", "h", 1), Endpoint("TLS", "k", 2, security_protocol=1))
    request = registration(image, 4, b"incarnation of 4", endpoints, "rack", (b"directory one...",))
    result = register_broker(image, request, CONFIG)
    after = replay(image, result.records[:1])
    assert after.brokers[4] == BrokerImage(
        broker_id=4,
        epoch=after.offset,
        incarnation_id=b"incarnation of 4",
        endpoints=endpoints,
        rack="rack",
        fenced=True,
        log_dirs=(b"directory one...",),
    )
    assert result.response == BrokerRegistrationResponse(broker_epoch=after.offset)


def test_the_number_of_a_node_that_is_a_controller_alone_is_no_brokers() -> None:
    image = three()
    config = BrokerConfig(node_id=4, process_roles=("controller",))
    result = register_broker(image, registration(image, 4), config)
    assert (result.records, result.response.error_code) == ([], ErrorCode.INVALID_REGISTRATION)
    assert register_broker(image, registration(image, 5), config).response.error_code == 0
    both = BrokerConfig(node_id=4, process_roles=("broker", "controller"))
    assert register_broker(image, registration(image, 4), both).response.error_code == 0


def test_a_journal_begins_with_the_levels_of_its_features() -> None:
    assert replay(MetadataImage(), bootstrap()).features == BOOTSTRAP


def test_a_broker_of_another_cluster_is_refused() -> None:
    request = structs.replace(registration(three(), 4), cluster_id="another")
    assert register_broker(three(), request, CONFIG).response.error_code == ErrorCode.INCONSISTENT_CLUSTER_ID


def test_a_broker_is_let_in_only_when_it_knows_of_its_own_registration() -> None:
    image, _ = register(fenced(three(), 1), 1)
    same, answer = beat(image, 1, offset=image.brokers[1].epoch - 1)
    assert answer.is_fenced and same.brokers[1].fenced
    image, answer = beat(image, 1, offset=image.brokers[1].epoch)
    assert not answer.is_fenced and not image.brokers[1].fenced


def test_a_heartbeat_is_answered_by_what_the_broker_is_from_now_on() -> None:
    image, _ = register(fenced(three(), 2), 2)
    epoch = image.brokers[2].epoch
    stays_out = BrokerHeartbeatResponse(is_caught_up=True, is_fenced=True)
    is_in = BrokerHeartbeatResponse(is_caught_up=True, is_fenced=False)
    assert beat(image, 2, offset=epoch - 1) == (image, BrokerHeartbeatResponse(is_caught_up=False, is_fenced=True))
    assert beat(image, 2, offset=epoch, want_fence=True) == (image, stays_out)
    image, answer = beat(image, 2, offset=epoch)
    assert answer == is_in and not image.brokers[2].fenced
    assert beat(image, 2, offset=epoch) == (image, is_in)
    image, answer = beat(image, 2, offset=epoch, want_fence=True)
    assert answer == stays_out and image.brokers[2].fenced


def test_who_wants_to_stop_may_as_soon_as_it_has_heard_all_and_not_while_it_leads_anything() -> None:
    image, answer = beat(three(), 2, want_shut_down=True)
    assert answer == BrokerHeartbeatResponse(is_caught_up=True, is_fenced=False)
    assert image.brokers[2].in_controlled_shutdown
    assert not beat(image, 2, offset=image.offset - 1, want_shut_down=True)[1].should_shut_down
    assert beat(image, 2, offset=image.offset, want_shut_down=True)[1] == BrokerHeartbeatResponse(
        is_caught_up=True, is_fenced=True, should_shut_down=True
    )
    leads = PartitionChangeRecord(partition_id=0, topic_id=image.topics["t"].topic_id, isr=[2], leader=2)
    image = replay(image, [leads])
    same, answer = beat(image, 2, want_shut_down=True)
    assert (same, answer) == (image, BrokerHeartbeatResponse(is_caught_up=True, is_fenced=False))


def test_who_is_not_registered_cannot_be_unregistered() -> None:
    result = unregister_broker(three(), UnregisterBrokerRequest(9), CONFIG)
    assert (result.records, result.response.error_code) == ([], ErrorCode.BROKER_ID_NOT_REGISTERED)
    assert result.response.error_message
    assert unregister_broker(three(), UnregisterBrokerRequest(2), CONFIG).response == UnregisterBrokerResponse(
        error_message=None
    )


def test_a_heartbeat_of_a_former_incarnation_is_stale() -> None:
    image = three()
    same, answer = beat(image, 1, epoch=image.brokers[1].epoch - 1)
    assert (same, answer.error_code) == (image, ErrorCode.STALE_BROKER_EPOCH)


def test_who_wants_to_stop_may_once_others_lead_and_it_has_heard_so() -> None:
    before = three()
    image, answer = beat(before, 1, want_shut_down=True)
    assert not answer.should_shut_down
    assert image.brokers[1].in_controlled_shutdown
    assert all(each.leader != 1 and 1 not in each.isr for each in partitions(image))
    same, answer = beat(image, 1, want_shut_down=True, offset=before.offset)
    assert not answer.should_shut_down and same == image, "it would still answer as the leader"
    image, answer = beat(image, 1, want_shut_down=True)
    assert answer.should_shut_down and image.brokers[1].fenced


# --------------------------------------------------------------------------------------------------- who is in sync


def propose(image: MetadataImage, isr: list[tuple[int, int]], **more: Any) -> tuple[list[Struct], int]:
    partition = image.topics["t"].partitions[0]
    leader = more.pop("broker", partition.leader)
    entry = AlterPartitionRequestPartitionData(
        partition_index=0,
        leader_epoch=more.pop("leader_epoch", partition.leader_epoch),
        new_isr_with_epochs=[BrokerState(*each) for each in isr],
        partition_epoch=more.pop("partition_epoch", partition.partition_epoch),
    )
    request = AlterPartitionRequest(
        leader, image.brokers[leader].epoch, [AlterPartitionRequestTopicData(image.topics["t"].topic_id, [entry])]
    )
    result = alter_partition(image, request, CONFIG)
    return result.records, result.response.topics[0].partitions[0].error_code


def test_a_leader_may_shrink_and_grow_what_is_in_sync() -> None:
    image = three()
    leader, other, third = image.topics["t"].partitions[0].replicas
    records, error = propose(image, [(leader, -1), (other, -1)])
    assert error == 0
    image = replay(image, records)
    assert image.topics["t"].partitions[0].isr == (leader, other)
    records, error = propose(image, [(leader, -1), (other, -1), (third, image.brokers[third].epoch)])
    assert error == 0
    assert replay(image, records).topics["t"].partitions[0].isr == (leader, other, third)


def test_to_propose_what_holds_already_ends_what_was_proposed_before() -> None:
    """That may still be on its way, though its second asking was refused: the third broker was fenced at the time."""
    image = three()
    leader, other, third = image.topics["t"].partitions[0].replicas
    image = replay(image, propose(image, [(leader, -1), (other, -1)])[0])
    before = image.topics["t"].partitions[0]
    records, error = propose(image, [(leader, -1), (other, -1)])
    assert error == 0
    image = replay(image, records)
    after = image.topics["t"].partitions[0]
    assert after == structs.replace(before, partition_epoch=before.partition_epoch + 1)
    late = [(leader, -1), (other, -1), (third, image.brokers[third].epoch)]
    assert propose(image, late, partition_epoch=before.partition_epoch) == ([], ErrorCode.INVALID_UPDATE_VERSION)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"leader_epoch": -1}, ErrorCode.FENCED_LEADER_EPOCH),
        ({"leader_epoch": 7}, ErrorCode.NOT_CONTROLLER),
        ({"partition_epoch": -1}, ErrorCode.INVALID_UPDATE_VERSION),
        ({"partition_epoch": 7}, ErrorCode.NOT_CONTROLLER),
    ],
)
def test_a_proposal_out_of_another_epoch_changes_nothing(more: dict[str, int], error: ErrorCode) -> None:
    image = three()
    leader = image.topics["t"].partitions[0].leader
    assert propose(image, [(leader, -1)], **more) == ([], error)


def test_only_the_leader_proposes_and_never_without_itself() -> None:
    image = three()
    leader, other, _ = image.topics["t"].partitions[0].replicas
    assert propose(image, [(leader, -1), (other, -1)], broker=other) == ([], ErrorCode.INVALID_REQUEST)
    assert propose(image, [(other, -1)]) == ([], ErrorCode.INVALID_REQUEST)


def test_who_is_fenced_or_has_been_replaced_since_is_ineligible() -> None:
    image = three()
    leader, other, third = image.topics["t"].partitions[0].replicas
    stale = image.brokers[third].epoch - 1
    assert propose(image, [(leader, -1), (other, -1), (third, stale)]) == ([], ErrorCode.INELIGIBLE_REPLICA)
    image = fenced(image, third)
    everybody = [(leader, -1), (other, -1), (third, -1)]
    assert propose(image, everybody) == ([], ErrorCode.INELIGIBLE_REPLICA)


# ------------------------------------------------------------------------------------------- silence, and following


def test_silence_is_measured_from_the_last_word_and_everybody_gets_a_first_session() -> None:
    heartbeats = Heartbeats(1000)
    heartbeats.watch([(1, 5), (2, 6)], now_ms=0)
    heartbeats.heard(1, 5, now_ms=900)
    assert heartbeats.silent(1000) == [(2, 6)]
    heartbeats.restart(5000)
    assert heartbeats.silent(5999) == []
    heartbeats.forget(2, 6)
    assert heartbeats.silent(6000) == [(1, 5)]


def test_a_connection_that_has_ended_is_remembered_until_the_broker_is_heard_again() -> None:
    heartbeats = Heartbeats(1000)
    heartbeats.heard(1, 5, now_ms=0)
    assert not heartbeats.is_lost(1, 5)
    heartbeats.lost(1, 5)
    assert heartbeats.is_lost(1, 5)
    heartbeats.watch([(1, 5)], now_ms=900)
    assert heartbeats.is_silent(1, 5, 1000), "it was known, and keeps its time"
    heartbeats.heard(1, 5, now_ms=1000)
    assert not heartbeats.is_lost(1, 5)
    assert not heartbeats.is_silent(2, 0, 9000) and not heartbeats.is_silent(1, 4, 9000), (
        "of those nobody expects to hear"
    )


def test_who_may_be_heard_by_the_controller_before_is_given_its_session_from_then_on() -> None:
    heartbeats = Heartbeats(1000)
    heartbeats.watch([(1, 5)], now_ms=0)
    heartbeats.heard_elsewhere(500)
    assert [heartbeats.is_silent(1, 5, now_ms) for now_ms in (1499, 1500)] == [False, True]


def test_what_is_said_of_an_earlier_life_changes_nothing_about_the_present_one() -> None:
    heartbeats = Heartbeats(1000)
    heartbeats.heard(1, 5, now_ms=0)
    heartbeats.heard(1, 9, now_ms=100)
    heartbeats.lost(1, 5)
    heartbeats.forget(1, 5)
    heartbeats.watch([(1, 5)], now_ms=900)
    heartbeats.heard(1, 5, now_ms=900)
    assert not heartbeats.is_lost(1, 9)
    assert heartbeats.silent(1100) == [(1, 9)]


def test_a_later_life_is_given_its_own_session_and_is_watched_though_an_earlier_one_was_known() -> None:
    heartbeats = Heartbeats(1000)
    heartbeats.heard(1, 5, now_ms=0)
    heartbeats.watch([(1, 9)], now_ms=900)
    assert heartbeats.is_lost(1, 9) and not heartbeats.is_lost(1, 5)
    assert heartbeats.silent(1899) == []
    assert heartbeats.silent(1900) == [(1, 9)]


@pytest.mark.parametrize("session_ms", [200, 3_000, 9_000])
@pytest.mark.parametrize("controllers_rate", [0.95, 1.0, 1.05])
@pytest.mark.parametrize("brokers_rate", [0.95, 1.0, 1.05])
def test_a_brokers_lease_is_over_before_it_is_silent_whatever_their_clocks(
    session_ms: int, controllers_rate: float, brokers_rate: float
) -> None:
    """The heartbeat arrives in the moment when it is sent; its answer came, and nothing after it."""
    for phase in range(0, 1000, 125):  # where the clocks stand within their milliseconds
        sent_us = phase + 1_000_000

        def controllers_ms(us: float) -> int:
            return int(us * controllers_rate / 1000)

        def brokers_ms(us: float, phase: int = phase) -> int:
            return int((us + 3 * phase) * brokers_rate / 1000)

        heartbeats = Heartbeats(session_ms)
        heartbeats.heard(1, 5, controllers_ms(sent_us))
        until_ms = brokers_ms(sent_us) + heartbeats.lease_ms(1, 5)
        us = sent_us + int(session_ms * 1000 / 1.06)
        while not heartbeats.is_silent(1, 5, controllers_ms(us)):
            us += 50
        assert brokers_ms(us) >= until_ms, "it is fenced, and would still lead"


def test_a_broker_is_over_only_when_the_longest_of_its_leases_is() -> None:
    """The controller before this one may have given it one of a session, and told it so a moment before it ended."""
    heartbeats = Heartbeats(9_000, 1_000)
    heartbeats.heard(1, 5, 0)
    heartbeats.heard(1, 5, 100)
    assert heartbeats.lease_ms(1, 5) < 1_000
    assert [heartbeats.is_over(1, 5, now_ms) for now_ms in (1_100, 8_999, 9_000)] == [False, False, True]
    heartbeats.heard(1, 5, 8_500)
    assert [heartbeats.is_over(1, 5, now_ms) for now_ms in (9_499, 9_500)] == [False, True]
    assert not heartbeats.is_silent(1, 5, 17_499)


def test_so_many_brokers_that_their_heartbeats_would_be_a_load_get_longer_leases() -> None:
    heartbeats = Heartbeats(9_000, 1_000)
    heartbeats.watch([(broker_id, 0) for broker_id in range(1_000)], now_ms=0)
    heartbeats.heard(1, 0, 10_000)
    assert heartbeats.lease_ms(1, 0) > 6_000
    for broker_id in range(2, 1_000):
        heartbeats.forget(broker_id, 0)
    assert not heartbeats.is_over(1, 0, 16_999), "it was told so, though there are few of them now"


def test_a_span_is_no_longer_than_a_session() -> None:
    assert Heartbeats(400, 1_000).span_ms == 400


def test_a_lease_is_not_much_shorter_than_a_session() -> None:
    heartbeats = Heartbeats(9_000)
    heartbeats.heard(1, 5, 0)
    assert heartbeats.lease_ms(1, 5) > 8_000


def test_a_snapshot_makes_the_image_again() -> None:
    image = fenced(three(retention_ms="5"), 2)
    again = replay(MetadataImage(cluster_id="test"), map(unframe, map(frame, records_of(image))), image.offset)
    assert again == image


def test_who_is_behind_the_tail_gets_none_of_it() -> None:
    tail = MetadataTail(10)
    tail.add(10, [b"a", b"b"])
    tail.add(12, [b"c"])
    assert tail.since(10) == [b"a", b"b", b"c"]
    assert tail.since(12) == [b"c"]
    assert tail.since(13) == []
    assert (tail.since(9), tail.since(14)) == (None, None)
