"""Random decisions about a partition, held against who has what: whoever is elected cleanly has all that was committed.

A leader commits by the same metadata as the controller decides by. What replicas have is counted in committed records.
"""

from __future__ import annotations

from random import Random

import pytest
from msgspec import Struct

from odradek.protocol.messages.alter_partition import (
    AlterPartitionRequest,
    AlterPartitionRequestPartitionData,
    AlterPartitionRequestTopicData,
    BrokerState,
)
from odradek.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    ReassignablePartition,
    ReassignableTopic,
)
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from odradek.protocol.messages.metadata_records import PartitionChangeRecord
from odradek.protocol.messages.unregister_broker import UnregisterBrokerRequest
from odradek_broker.controller.alter_partition import alter_partition
from odradek_broker.controller.configs import Operation, incremental_alter_configs
from odradek_broker.controller.elections import elect_preferred
from odradek_broker.controller.image import NO_LEADER, PartitionImage, ResourceType
from odradek_broker.controller.membership import begin_shutdown, fence_broker, unfence_broker, unregister_broker
from odradek_broker.controller.min_insync import MIN_INSYNC, one_truth
from odradek_broker.controller.partition_change import RECOVERING
from odradek_broker.controller.partitions import is_active
from odradek_broker.controller.reassignments import alter_reassignments
from odradek_broker.controller.replay import replay
from odradek_broker.controller.replica_faults import ReplicaFaultsRequest, ReplicaOf, take_replica_faults
from odradek_broker.controller.topic_rules import TopicRules
from tests.controller.images import CONFIG, cluster, creatable, join, with_topics

BROKERS = (1, 2, 3, 4)
STEPS = 400


def told(partition: PartitionImage) -> str:
    return (
        f"{partition.replicas} led by {partition.leader}, in sync {partition.isr}, eligible {partition.elr}, "
        f"last known {partition.last_known_elr}, state {partition.leader_recovery_state}"
    )


class Walk:
    def __init__(self, random: Random) -> None:
        self.random = random
        image = cluster(None, None, None, None)
        self.image = with_topics(replay(image, one_truth(image, CONFIG)), creatable("t", 1, random.choice([1, 2, 3])))
        self.has = dict.fromkeys(BROKERS, 0)
        self.committed = 0
        self.told: list[str] = []
        self.kinds = [self.commit] * 4 + [self.let_in, self.expand, self.shrink]
        for kind in (self.let_in, self.fence, self.expand, self.lower_or_raise, self.move, self.damage, self.rarely):
            self.kinds += [kind] * random.choice([0, 1, 3])
        self.doubted: int | None = None

    @property
    def partition(self) -> PartitionImage:
        return self.image.topics["t"].partitions[0]

    def step(self) -> None:
        self.random.choice(self.kinds)()

    def decide(self, what: str, records: list[Struct], *, doubted: int | None = None) -> None:
        """`doubted`: whoever may lack something from now on."""
        self.doubted = doubted
        for record in records:
            self.change(what, record)

    def change(self, what: str, record: Struct) -> None:
        old, self.image = self.partition, replay(self.image, [record])
        new = self.partition
        if new == old:
            return
        self.told.append(f"{what}: {told(new)}, {self.has}, committed {self.committed}")
        if new.leader == NO_LEADER or new.leader_epoch == old.leader_epoch:
            return
        if isinstance(record, PartitionChangeRecord) and record.leader_recovery_state == RECOVERING:
            assert not {*old.isr, *old.elr} - {self.doubted}, "\n".join(self.told[-12:])
            self.committed = min(self.committed, self.has[new.leader])
        assert self.has[new.leader] >= self.committed, "\n".join(self.told[-12:])
        for broker in BROKERS:
            self.has[broker] = min(self.has[broker], self.committed)

    def commit(self) -> None:
        """The leader, with all in sync."""
        partition, rules = self.partition, TopicRules(self.image, CONFIG).of("t")
        if partition.leader != NO_LEADER and len(partition.isr) >= min(rules.min_insync, len(partition.replicas)):
            self.committed += 1
            for broker in partition.isr:
                self.has[broker] = self.committed

    def fence(self) -> None:
        broker = self.random.choice(BROKERS)
        if is_active(self.image, broker):
            self.decide(f"fence {broker}", fence_broker(self.image, broker, CONFIG))

    def let_in(self) -> None:
        broker = self.random.choice(BROKERS)
        if broker in self.image.brokers and self.image.brokers[broker].fenced:
            if self.random.random() < 0.1:
                self.has[broker] = 0
                records = join(self.image, broker, self.random.randbytes(16), previous_epoch=-1)
                self.decide(f"let in {broker} anew", records, doubted=broker)
            else:
                self.decide(f"let in {broker}", unfence_broker(self.image, broker, CONFIG))
        elif broker not in self.image.brokers:
            self.has[broker] = 0
            self.decide(f"join {broker}", join(self.image, broker, self.random.randbytes(16), previous_epoch=-1))

    def propose(self, isr: set[int]) -> None:
        partition = self.partition
        leader = self.image.brokers[partition.leader]
        proposal = AlterPartitionRequestPartitionData(
            partition_index=0,
            leader_epoch=partition.leader_epoch,
            new_isr_with_epochs=[BrokerState(each, self.image.brokers[each].epoch) for each in sorted(isr)],
            partition_epoch=partition.partition_epoch,
        )
        topic = AlterPartitionRequestTopicData(self.image.topics["t"].topic_id, [proposal])
        request = AlterPartitionRequest(leader.broker_id, leader.epoch, [topic])
        self.decide(f"in sync {isr}", alter_partition(self.image, request, CONFIG).records)

    def shrink(self) -> None:
        others = set(self.partition.isr) - {self.partition.leader}
        if others and self.partition.leader != NO_LEADER:
            self.propose(set(self.partition.isr) - {self.random.choice(sorted(others))})

    def expand(self) -> None:
        """Whoever has caught up."""
        partition = self.partition
        others = [each for each in partition.replicas if is_active(self.image, each) and each not in partition.isr]
        if others and partition.leader != NO_LEADER:
            broker = self.random.choice(others)
            self.has[broker] = self.has[partition.leader]
            self.propose({*partition.isr, broker})

    def lower_or_raise(self) -> None:
        kind, name = self.random.choice([(ResourceType.TOPIC, "t"), (ResourceType.BROKER, "")])
        change = AlterableConfig(MIN_INSYNC, Operation.SET, self.random.choice("123"))
        if kind is ResourceType.TOPIC and self.random.random() < 0.3:
            change = AlterableConfig(MIN_INSYNC, Operation.DELETE, None)
        request = IncrementalAlterConfigsRequest([AlterConfigsResource(kind, name, [change])])
        self.decide(f"{name} {change.value}", incremental_alter_configs(self.image, request, CONFIG).records)

    def move(self) -> None:
        known = sorted(self.image.brokers)
        target = self.random.sample(known, self.random.randrange(1, min(3, len(known)) + 1)) if known else []
        replicas = None if self.random.random() < 0.2 else target
        wanted = ReassignableTopic("t", [ReassignablePartition(0, replicas)])
        request = AlterPartitionReassignmentsRequest(topics=[wanted])
        self.decide(f"move to {replicas}", alter_reassignments(self.image, request, CONFIG).records)

    def damage(self) -> None:
        broker = self.image.brokers.get(self.random.choice(BROKERS))
        if broker is None or broker.fenced:
            return
        doubted = None
        ours = [ReplicaOf(self.image.topics["t"].topic_id, 0)]
        if self.random.random() < 0.3:
            doubted = broker.broker_id
            self.has[doubted] = 0
            request = ReplicaFaultsRequest(broker.broker_id, broker.epoch, damaged=ours)
        else:
            request = ReplicaFaultsRequest(broker.broker_id, broker.epoch, unreadable=ours)
        self.decide(
            f"faults of {broker.broker_id}", take_replica_faults(self.image, request, CONFIG).records, doubted=doubted
        )

    def rarely(self) -> None:
        broker = self.random.choice(BROKERS)
        kind = self.random.randrange(3)
        if kind == 0:
            self.decide("prefer", elect_preferred(self.image, CONFIG))
        elif kind == 1 and is_active(self.image, broker):
            self.decide(f"stop {broker}", begin_shutdown(self.image, broker, CONFIG))
        elif kind == 2 and broker in self.image.brokers and self.random.random() < 0.3:
            request = UnregisterBrokerRequest(broker)
            self.decide(f"unregister {broker}", unregister_broker(self.image, request, CONFIG).records, doubted=broker)


@pytest.mark.parametrize("seed", range(150))
def test_whoever_is_elected_cleanly_has_all_that_was_committed(seed: int) -> None:
    walk = Walk(Random(seed))
    for _ in range(STEPS):
        walk.step()
