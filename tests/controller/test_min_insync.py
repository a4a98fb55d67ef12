"""min.insync.replicas changes: who could lead is brought to what the new number says, in the same decision."""

from __future__ import annotations

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import alter_configs as whole
from odradek.protocol.messages import incremental_alter_configs as incremental
from odradek.protocol.messages.metadata_records import ConfigRecord, PartitionChangeRecord
from odradek_broker.config import BrokerConfig
from odradek_broker.controller.configs import Operation, alter_configs, incremental_alter_configs
from odradek_broker.controller.image import MetadataImage, PartitionImage, ResourceType
from odradek_broker.controller.membership import fence_broker, unfence_broker
from odradek_broker.controller.min_insync import MIN_INSYNC, one_truth, overruled
from odradek_broker.controller.replay import replay
from tests.controller.images import CONFIG, cluster, creatable, with_topics

TOPIC, BROKER = ResourceType.TOPIC, ResourceType.BROKER
TWO = BrokerConfig(min_insync_replicas=2, given=frozenset({MIN_INSYNC}))
SET, DELETE = Operation.SET, Operation.DELETE


def without(image: MetadataImage, *brokers: int) -> MetadataImage:
    for broker in brokers:
        image = replay(image, fence_broker(image, broker, CONFIG))
    return image


def three(*gone: int, **configs: str) -> MetadataImage:
    """A topic "t" on three brokers, of which these are gone; min.insync.replicas is 2 for all brokers."""
    image = replay(cluster(None, None, None), one_truth(cluster(None, None, None), TWO))
    return without(with_topics(image, creatable("t", 1, 3, **configs)), *gone)


def t(image: MetadataImage) -> PartitionImage:
    return image.topics["t"].partitions[0]


def change(
    image: MetadataImage, kind: int, name: str, value: str | None, *, validate_only: bool = False
) -> tuple[MetadataImage, int]:
    """One key, set or deleted."""
    alterable = incremental.AlterableConfig(MIN_INSYNC, DELETE if value is None else SET, value)
    resource = incremental.AlterConfigsResource(kind, name, [alterable])
    request = incremental.IncrementalAlterConfigsRequest([resource], validate_only)
    result = incremental_alter_configs(image, request, CONFIG)
    return replay(image, result.records), result.response.responses[0].error_code


def replace(image: MetadataImage, kind: int, name: str, **values: str) -> tuple[MetadataImage, int]:
    """All keys of a resource."""
    configs = [whole.AlterableConfig(key.replace("_", "."), value) for key, value in values.items()]
    request = whole.AlterConfigsRequest([whole.AlterConfigsResource(kind, name, configs)])
    result = alter_configs(image, request, CONFIG)
    return replay(image, result.records), result.response.responses[0].error_code


def test_once_fewer_are_enough_nobody_beside_the_isr_is_eligible() -> None:
    """The leader will commit without them from now on."""
    before = three(1, 2)
    assert (t(before).isr, t(before).elr) == ((3,), (2,))
    after, error = change(before, TOPIC, "t", "1")
    assert error == 0
    assert (t(after).isr, t(after).elr, t(after).last_known_elr) == ((3,), (), ())
    assert t(without(after, 3)).elr == (3,), "of whoever was the last"


def test_the_same_by_a_change_for_all_brokers_and_by_a_replacement_of_all_keys() -> None:
    for after, error in (
        change(three(1, 2), BROKER, "", "1"),
        replace(three(1, 2), BROKER, "", min_insync_replicas="1"),
        replace(three(1, 2), TOPIC, "t", min_insync_replicas="1", retention_ms="5"),
    ):
        assert (error, t(after).elr) == (0, ())


def test_the_same_where_a_topics_own_number_is_taken_away() -> None:
    image, _ = change(three(min_insync_replicas="2"), BROKER, "", "1")
    image = without(image, 1, 2)
    assert t(image).elr == (2,)
    assert t(change(image, TOPIC, "t", None)[0]).elr == ()
    assert t(replace(image, TOPIC, "t")[0]).elr == ()


def test_a_topic_with_a_number_of_its_own_keeps_who_is_eligible_when_that_of_all_brokers_changes() -> None:
    after, _ = change(three(1, 2, min_insync_replicas="2"), BROKER, "", "1")
    assert t(after).elr == (2,)


def test_whoever_is_elected_out_of_several_that_could_lead_is_alone_eligible_where_one_is_enough() -> None:
    """It commits without the others from then on, so they may not be elected after it."""
    image, _ = change(three(1, 2, 3), TOPIC, "t", "1")
    assert (t(image).isr, t(image).elr) == ((), (2, 3)), "nobody leads, and both have all that was committed"
    image = replay(image, unfence_broker(image, 3, CONFIG))
    assert (t(image).leader, t(image).isr, t(image).elr) == (3, (3,), ())
    image = without(replay(image, unfence_broker(image, 2, CONFIG)), 3)
    assert (t(image).leader, t(image).elr) == (-1, (3,))


def test_while_even_the_lower_number_is_not_reached_nobody_has_committed_anything_and_all_stay_eligible() -> None:
    image = three(1, 2, min_insync_replicas="3")
    assert t(image).elr == (1, 2)
    after, _ = change(image, TOPIC, "t", "2")
    assert (t(after).elr, after.topic_config("t")) == ((1, 2), {MIN_INSYNC: "2"})


def test_a_higher_number_makes_nobody_eligible_who_has_left_before() -> None:
    after, _ = change(three(1, 2, min_insync_replicas="1"), TOPIC, "t", "3")
    assert (t(after).isr, t(after).elr) == ((3,), ()), "2 may lack what 3 has committed alone"


def test_a_change_that_is_only_to_be_judged_changes_no_partition() -> None:
    before = three(1, 2)
    assert change(before, TOPIC, "t", "1", validate_only=True) == (before, 0)


def test_a_change_that_is_refused_changes_no_partition() -> None:
    before = three(1, 2)
    assert change(before, TOPIC, "t", "0") == (before, ErrorCode.INVALID_CONFIG)


def test_no_broker_has_a_number_of_its_own() -> None:
    image = three()
    for value in ("1", "2", None):
        assert change(image, BROKER, "1", value) == (image, ErrorCode.INVALID_CONFIG)
    assert replace(image, BROKER, "1", min_insync_replicas="2") == (image, ErrorCode.INVALID_CONFIG)
    assert replace(image, BROKER, "1", log_retention_ms="5")[1] == 0


def test_the_number_of_all_brokers_can_be_changed_but_not_removed() -> None:
    image = three()
    assert change(image, BROKER, "", None) == (image, ErrorCode.INVALID_CONFIG)
    assert replace(image, BROKER, "", log_retention_ms="5") == (image, ErrorCode.INVALID_CONFIG)
    after, error = replace(image, BROKER, "", log_retention_ms="5", min_insync_replicas="3")
    assert (error, after.config(BROKER, "")[MIN_INSYNC]) == (0, "3")


def test_a_controller_writes_down_its_own_number_where_there_is_none_yet() -> None:
    image = cluster(None)
    image = replay(image, one_truth(image, TWO))
    assert image.config(BROKER, "") == {MIN_INSYNC: "2"}
    assert one_truth(image, BrokerConfig(min_insync_replicas=3)) == [], "it is there"


def test_a_journal_in_which_brokers_had_numbers_of_their_own_is_put_right() -> None:
    """The leader may have counted by its own: who is eligible beside it may lack what it has committed."""
    image = without(with_topics(cluster(None, None, None), creatable("t", 1, 3, min_insync_replicas="2")), 1, 2)
    own = ConfigRecord(resource_type=BROKER, resource_name="3", name=MIN_INSYNC, value="1")
    image = replay(image, [own])
    assert t(image).elr == (2,)
    image = replay(image, one_truth(image, TWO))
    assert (image.config(BROKER, "3"), image.config(BROKER, "")) == ({}, {MIN_INSYNC: "2"})
    assert (t(image).isr, t(image).elr) == ((3,), ())


def test_a_controller_that_begins_finds_nobody_eligible_beside_a_leader_that_commits_alone() -> None:
    """A journal of an earlier version may say so."""
    image = three(1, 2, min_insync_replicas="2")
    assert (t(image).isr, t(image).elr) == ((3,), (2,))
    assert one_truth(image, TWO) == [], "that is as it should be"
    lowered = ConfigRecord(resource_type=TOPIC, resource_name="t", name=MIN_INSYNC, value="1")
    image = replay(image, [lowered])
    image = replay(image, one_truth(image, TWO))
    assert (t(image).isr, t(image).elr) == ((3,), ())


def test_of_several_partitions_those_are_put_right_that_need_it_and_no_others() -> None:
    image = replay(cluster(None, None, None), one_truth(cluster(None, None, None), TWO))
    image = with_topics(
        image,
        creatable("kept", 2, 3, min_insync_replicas="2"),
        creatable("t", 1, 3, min_insync_replicas="2"),
        creatable("whole", 1, 3, min_insync_replicas="1"),
    )
    image = without(image, 1, 2)
    lowered = ConfigRecord(resource_type=TOPIC, resource_name="t", name=MIN_INSYNC, value="1")
    known = PartitionChangeRecord(partition_id=0, topic_id=image.topics["t"].topic_id, last_known_elr=[2])
    none = PartitionChangeRecord(
        partition_id=0, topic_id=image.topics["whole"].topic_id, eligible_leader_replicas=[], last_known_elr=[]
    )
    enough = PartitionChangeRecord(partition_id=1, topic_id=image.topics["kept"].topic_id, isr=[3, 1])
    image = replay(image, [lowered, known, none, enough])
    after = replay(image, one_truth(image, TWO))
    assert (t(after).elr, t(after).last_known_elr) == ((), ())
    kept = after.topics["kept"].partitions
    assert (kept[0], kept[1].elr) == (image.topics["kept"].partitions[0], ())
    assert after.topics["whole"] == image.topics["whole"]


def test_where_a_broker_had_a_number_of_its_own_nobody_stays_eligible_though_there_was_one_for_all() -> None:
    own = ConfigRecord(resource_type=BROKER, resource_name="3", name=MIN_INSYNC, value="1")
    image = replay(three(1, 2), [own])
    assert t(image).elr == (2,)
    image = replay(image, one_truth(image, TWO))
    assert (image.config(BROKER, "3"), t(image).elr) == ({}, ())


def test_where_nobody_leads_an_unclean_election_is_made_as_soon_as_the_topic_allows_it() -> None:
    image = three(1, 2, 3, min_insync_replicas="1")
    image = replay(image, unfence_broker(image, 1, CONFIG))
    assert t(image).leader == -1
    request = incremental.IncrementalAlterConfigsRequest(
        [
            incremental.AlterConfigsResource(
                TOPIC, "t", [incremental.AlterableConfig("unclean.leader.election.enable", SET, "true")]
            )
        ]
    )
    after = replay(image, incremental_alter_configs(image, request, CONFIG).records)
    assert (t(after).leader, t(after).leader_recovery_state) == (1, 1)


@pytest.mark.parametrize(("given", "says"), [("2", False), ("1", True), (None, False)])
def test_a_process_that_was_given_another_number_than_holds_says_so(given: str | None, says: bool) -> None:
    config = BrokerConfig() if given is None else BrokerConfig(min_insync_replicas=int(given), given={MIN_INSYNC})  # type: ignore[arg-type]
    line = overruled(three(), config)
    assert (line is not None) is says
    assert line is None or (f"{MIN_INSYNC}=1" in line and "says 2" in line)


def test_a_topic_that_the_number_of_all_does_not_concern_hides_none_that_it_does() -> None:
    image = replay(cluster(None, None, None), one_truth(cluster(None, None, None), TWO))
    image = without(with_topics(image, creatable("own", 1, 3, min_insync_replicas="2"), creatable("t", 1, 3)), 1, 2)
    assert t(image).elr == image.topics["own"].partitions[0].elr == (2,)
    after, error = change(image, BROKER, "", "1")
    assert (error, t(after).elr, after.topics["own"]) == (0, (), image.topics["own"])
