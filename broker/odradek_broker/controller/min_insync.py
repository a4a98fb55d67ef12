"""min.insync.replicas: one truth for controller and leaders, and what becomes of partitions when it changes (KIP-966).

A leader commits while at least so many are in sync; the controller takes whoever leaves a smaller ISR for one that
still has all that was committed (the ELR). The two must never count by different numbers.

Invariants
    The number for all topics that have none of their own is in the metadata, where leaders take it from. A controller
    that finds none there writes down its own; it can be changed, not deleted, and no single broker has another.
    A change of the number and what it does to ELRs are one decision, written as one batch.

Why that is enough, though a leader hears of a change later than it is made: it hears of everything in one order.
    Lowered     At the change the ELR goes where so few are enough. A leader that still counts by the old number commits
                less than it may; one that counts by the new number has an image in which there is no ELR.
    Raised      A leader may go on committing by the old number, but only what everybody has who is in its ISR. Whoever
                leaves that ISR later, and becomes eligible by the new number, leaves it by a record that comes behind
                the change: before the leader does without it, it counts by the new number.
That asks of a broker that, where both come at once, it commits nothing by a new number with an old ISR, or by an old
number with a new one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.metadata_records import ConfigRecord, PartitionChangeRecord
from odradek_broker.controller.effective import ALL_BROKERS
from odradek_broker.controller.image import MetadataImage, ResourceType
from odradek_broker.controller.partition_change import change_partition
from odradek_broker.controller.partitions import is_active
from odradek_broker.controller.replay import replay
from odradek_broker.controller.topic_rules import TopicRules
from odradek_broker.coordination.api_error import ApiError

if TYPE_CHECKING:
    from msgspec import Struct

    from odradek_broker.config import BrokerConfig

MIN_INSYNC = "min.insync.replicas"
RULES = {MIN_INSYNC, "unclean.leader.election.enable"}


def one_truth(image: MetadataImage, config: BrokerConfig) -> list[Struct]:
    """What a controller that begins has to write so that the invariants hold; nothing where they do."""
    changes = []
    if MIN_INSYNC not in image.config(ResourceType.BROKER, ALL_BROKERS):
        changes.append(_changed(ALL_BROKERS, config.text(MIN_INSYNC)))
    for (kind, name), values in image.configs.items():
        if kind == ResourceType.BROKER and name != ALL_BROKERS and MIN_INSYNC in values:
            changes.append(_changed(name, None))
    rules = TopicRules(replay(image, changes), config)
    return [*changes, *_doubtful_eligibility(image, rules, all_counted_alike=not changes)]


def _changed(broker: str, value: str | None) -> ConfigRecord:
    return ConfigRecord(resource_type=ResourceType.BROKER, resource_name=broker, name=MIN_INSYNC, value=value)


def _doubtful_eligibility(
    image: MetadataImage, rules: TopicRules, *, all_counted_alike: bool
) -> Iterator[PartitionChangeRecord]:
    """Who is eligible beside a leader that commits without it may lack what that one committed. So may anybody, where
    leaders may have counted otherwise so far."""
    for topic in image.topics.values():
        for index, partition in topic.partitions.items():
            if partition.isr and (partition.elr or partition.last_known_elr):
                if all_counted_alike and not rules.of(topic.name).are_enough(partition.isr, partition.replicas):
                    continue
                yield PartitionChangeRecord(
                    partition_id=index, topic_id=topic.topic_id, eligible_leader_replicas=[], last_known_elr=[]
                )


def overruled(image: MetadataImage, config: BrokerConfig) -> str | None:
    """One line where this process was given another number than holds."""
    held = image.config(ResourceType.BROKER, ALL_BROKERS).get(MIN_INSYNC)
    given = config.text(MIN_INSYNC) if config.is_given(MIN_INSYNC) else None
    if held is None or given is None or held == given:
        return None
    return (
        f"{MIN_INSYNC}={given} was given to this process, and has no effect: the metadata says {held} for all brokers; "
        "change it there, as the default of all brokers, or for single topics"
    )


def refuse_min_insync(image: MetadataImage, broker: str, values: Mapping[str, str], touched: set[str]) -> None:
    """Refuse what would give one broker a number of its own, or leave all without one. Error codes are Kafka's."""
    if broker != ALL_BROKERS and MIN_INSYNC in touched:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"{MIN_INSYNC} is the same for all brokers, and changed for all only")
    known = image.config(ResourceType.BROKER, ALL_BROKERS)
    if broker == ALL_BROKERS and MIN_INSYNC in known and MIN_INSYNC not in values:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"{MIN_INSYNC} of all brokers can be changed, but not removed")


def partitions_by_new_rules(
    image: MetadataImage, changes: Sequence[ConfigRecord], config: BrokerConfig
) -> Iterator[PartitionChangeRecord]:
    """What these changes of the configuration do to who could lead, and to who leads where nobody does."""
    if not any(change.name in RULES for change in changes):
        return
    before, after = TopicRules(image, config), TopicRules(replay(image, changes), config)
    for topic in image.topics.values():
        rules = after.of(topic.name)
        if rules == before.of(topic.name):
            continue
        for index, partition in topic.partitions.items():
            record = change_partition(
                topic.topic_id, index, partition, rules, lambda replica: is_active(image, replica)
            )
            if record is not None:
                yield record
