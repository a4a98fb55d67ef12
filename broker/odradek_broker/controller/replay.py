"""Records into an image: the one way in which the metadata ever changes.

A record says what has been decided, so replay asks no questions: a record that does not fit is a broken invariant, and
an assertion stops the process before it acts on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct, structs

from odradek.protocol.messages.metadata_records import (
    AccessControlEntryRecord,
    BrokerRegistrationChangeRecord,
    ClientQuotaRecord,
    ConfigRecord,
    DelegationTokenRecord,
    FeatureLevelRecord,
    NoOpRecord,
    PartitionChangeRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RegisterBrokerRecord,
    RemoveAccessControlEntryRecord,
    RemoveDelegationTokenRecord,
    RemoveTopicRecord,
    RemoveUserScramCredentialRecord,
    TopicRecord,
    UnregisterBrokerRecord,
    UserScramCredentialRecord,
)
from odradek.protocol.sasl.scram import ScramKeys
from odradek_broker.controller.acls import acl_of
from odradek_broker.controller.delegation_tokens import token_of
from odradek_broker.controller.image import (
    NO_LEADER,
    BrokerImage,
    Endpoint,
    MetadataImage,
    PartitionImage,
    ResourceType,
    TopicImage,
)
from odradek_broker.controller.quotas import entity_of
from odradek_broker.controller.scram_users import NOBODY
from odradek_broker.security.acl_index import AclDraft
from odradek_broker.security.delegation import DelegationToken
from odradek_broker.security.quotas import Entity

NO_LEADER_CHANGE = -2


def replay(image: MetadataImage, records: Iterable[Struct], last_offset: int | None = None) -> MetadataImage:
    """The image after these records, of which the last has this offset (where not given, they follow the image's)."""
    draft = _Draft(image)
    count = 0
    for record in records:
        _replayers[type(record)](draft, record)
        count += 1
    return draft.image(image.offset + count if last_offset is None else last_offset)


class _Draft:
    """An image in the making. Each mapping of the old image is copied once at most, when it first changes."""

    def __init__(self, old: MetadataImage) -> None:
        self._old = old
        self.brokers = dict(old.brokers)
        self.topics = dict(old.topics)
        self.topic_names = dict(old.topic_names)
        self.configs = dict(old.configs)
        self.features = dict(old.features)
        self.next_producer_id = old.next_producer_id
        self._partitions: dict[str, dict[int, PartitionImage]] = {}
        self.salts_of_nobody = old.salts_of_nobody
        self._scram: dict[tuple[int, str], ScramKeys] | None = None
        self._tokens: dict[str, DelegationToken] | None = None
        self._acls: AclDraft | None = None
        self._quotas: dict[Entity, Mapping[str, float]] | None = None

    def partitions(self, topic_id: bytes) -> dict[int, PartitionImage]:
        """The partitions of a topic, to be changed in place."""
        name = self.topic_names[topic_id]
        if name not in self._partitions:
            topic = self.topics[name]
            self._partitions[name] = dict(topic.partitions)
            self.topics[name] = structs.replace(topic, partitions=self._partitions[name])
        return self._partitions[name]

    def scram(self) -> dict[tuple[int, str], ScramKeys]:
        """What is kept of passwords, to be changed in place."""
        if self._scram is None:
            self._scram = dict(self._old.scram)
        return self._scram

    def tokens(self) -> dict[str, DelegationToken]:
        """The delegation tokens, to be changed in place."""
        if self._tokens is None:
            self._tokens = dict(self._old.tokens)
        return self._tokens

    def acls(self) -> AclDraft:
        """The ACLs, to be changed in place."""
        if self._acls is None:
            self._acls = AclDraft(self._old.acls)
        return self._acls

    def quotas(self) -> dict[Entity, Mapping[str, float]]:
        """The quotas, to be changed in place."""
        if self._quotas is None:
            self._quotas = dict(self._old.quotas)
        return self._quotas

    def forget(self, name: str) -> None:
        self._partitions.pop(name, None)

    def image(self, offset: int) -> MetadataImage:
        return MetadataImage(
            cluster_id=self._old.cluster_id,
            offset=offset,
            brokers=self.brokers,
            topics=self.topics,
            topic_names=self.topic_names,
            configs=self.configs,
            features=self.features,
            next_producer_id=self.next_producer_id,
            scram=self._old.scram if self._scram is None else self._scram,
            salts_of_nobody=self.salts_of_nobody,
            tokens=self._old.tokens if self._tokens is None else self._tokens,
            quotas=self._old.quotas if self._quotas is None else self._quotas,
            acls=self._old.acls if self._acls is None else self._acls.index(),
        )


def _topic(draft: _Draft, record: TopicRecord) -> None:
    assert record.name not in draft.topics
    assert record.topic_id not in draft.topic_names
    draft.topics[record.name] = TopicImage(record.name, record.topic_id, {})
    draft.topic_names[record.topic_id] = record.name


def _remove_topic(draft: _Draft, record: RemoveTopicRecord) -> None:
    name = draft.topic_names.pop(record.topic_id)
    del draft.topics[name]
    draft.configs.pop((ResourceType.TOPIC, name), None)
    draft.forget(name)


def _partition(draft: _Draft, record: PartitionRecord) -> None:
    partitions = draft.partitions(record.topic_id)
    assert record.partition_id == len(partitions), "partitions are numbered without a gap"
    partitions[record.partition_id] = _checked(
        PartitionImage(
            replicas=tuple(record.replicas),
            isr=tuple(record.isr),
            leader=record.leader,
            leader_epoch=record.leader_epoch,
            partition_epoch=record.partition_epoch,
            adding_replicas=tuple(record.adding_replicas),
            removing_replicas=tuple(record.removing_replicas),
            elr=tuple(record.eligible_leader_replicas or ()),
            last_known_elr=tuple(record.last_known_elr or ()),
            leader_recovery_state=record.leader_recovery_state,
            directories=tuple(record.directories),
        )
    )


def _partition_change(draft: _Draft, record: PartitionChangeRecord) -> None:
    partitions = draft.partitions(record.topic_id)
    partitions[record.partition_id] = changed(partitions[record.partition_id], record)


def changed(old: PartitionImage, record: PartitionChangeRecord) -> PartitionImage:
    """A partition after a change."""
    changes: dict[str, Any] = {"partition_epoch": old.partition_epoch + 1}
    changed_lists = {
        "isr": record.isr,
        "replicas": record.replicas,
        "removing_replicas": record.removing_replicas,
        "adding_replicas": record.adding_replicas,
        "directories": record.directories,
        "elr": record.eligible_leader_replicas,
        "last_known_elr": record.last_known_elr,
    }
    changes.update((name, tuple(members)) for name, members in changed_lists.items() if members is not None)
    if record.leader != NO_LEADER_CHANGE:
        changes.update(leader=record.leader, leader_epoch=old.leader_epoch + 1)
    if record.leader_recovery_state != -1:
        changes.update(leader_recovery_state=record.leader_recovery_state)
    return _checked(structs.replace(old, **changes))


def _checked(partition: PartitionImage) -> PartitionImage:
    assert partition.leader == NO_LEADER or partition.leader in partition.isr
    assert set(partition.isr) <= set(partition.replicas)
    return partition


def _config(draft: _Draft, record: ConfigRecord) -> None:
    resource = (record.resource_type, record.resource_name)
    values = dict(draft.configs.get(resource, {}))
    if record.value is None:
        values.pop(record.name, None)
    else:
        values[record.name] = record.value
    if values:
        draft.configs[resource] = values
    else:
        draft.configs.pop(resource, None)


def _register_broker(draft: _Draft, record: RegisterBrokerRecord) -> None:
    draft.brokers[record.broker_id] = BrokerImage(
        broker_id=record.broker_id,
        epoch=record.broker_epoch,
        incarnation_id=record.incarnation_id,
        endpoints=tuple(Endpoint(one.name, one.host, one.port, one.security_protocol) for one in record.end_points),
        rack=record.rack,
        fenced=record.fenced,
        in_controlled_shutdown=record.in_controlled_shutdown,
        log_dirs=tuple(record.log_dirs),
    )


def _change_broker(draft: _Draft, record: BrokerRegistrationChangeRecord) -> None:
    old = draft.brokers[record.broker_id]
    assert old.epoch == record.broker_epoch
    draft.brokers[record.broker_id] = structs.replace(
        old,
        fenced=old.fenced if record.fenced == 0 else record.fenced == 1,
        in_controlled_shutdown=old.in_controlled_shutdown or record.in_controlled_shutdown == 1,
        log_dirs=tuple(record.log_dirs) or old.log_dirs,
    )


def _unregister_broker(draft: _Draft, record: UnregisterBrokerRecord) -> None:
    assert draft.brokers[record.broker_id].epoch == record.broker_epoch
    del draft.brokers[record.broker_id]


def _feature_level(draft: _Draft, record: FeatureLevelRecord) -> None:
    draft.features[record.name] = record.feature_level


def _producer_ids(draft: _Draft, record: ProducerIdsRecord) -> None:
    assert record.next_producer_id > draft.next_producer_id, "a producer id is given out once"
    draft.next_producer_id = record.next_producer_id


def _scram(draft: _Draft, record: UserScramCredentialRecord) -> None:
    if record.name == NOBODY:
        draft.salts_of_nobody = record.salt
        return
    kept = ScramKeys(record.salt, record.stored_key, record.server_key, record.iterations)
    draft.scram()[(record.mechanism, record.name)] = kept


def _remove_scram(draft: _Draft, record: RemoveUserScramCredentialRecord) -> None:
    del draft.scram()[(record.mechanism, record.name)]


def _token(draft: _Draft, record: DelegationTokenRecord) -> None:
    draft.tokens()[record.token_id] = token_of(record)


def _remove_token(draft: _Draft, record: RemoveDelegationTokenRecord) -> None:
    del draft.tokens()[record.token_id]


def _acl(draft: _Draft, record: AccessControlEntryRecord) -> None:
    draft.acls().add(record.id, acl_of(record))


def _remove_acl(draft: _Draft, record: RemoveAccessControlEntryRecord) -> None:
    draft.acls().remove(record.id)


def _quota(draft: _Draft, record: ClientQuotaRecord) -> None:
    quotas, entity = draft.quotas(), entity_of(record.entity)
    values = dict(quotas.pop(entity, {}))
    if record.remove:
        # Earlier builds told ::ffff:10.0.0.7 from 10.0.0.7 and removed each; here the second is gone with the first.
        values.pop(record.key, None)
    else:
        values[record.key] = record.value
    if values:
        quotas[entity] = values


def _nothing(draft: _Draft, record: NoOpRecord) -> None:
    """Only its offset counts."""


_replayers: dict[type[Struct], Callable[[_Draft, Any], None]] = {
    TopicRecord: _topic,
    RemoveTopicRecord: _remove_topic,
    PartitionRecord: _partition,
    PartitionChangeRecord: _partition_change,
    ConfigRecord: _config,
    RegisterBrokerRecord: _register_broker,
    BrokerRegistrationChangeRecord: _change_broker,
    UnregisterBrokerRecord: _unregister_broker,
    FeatureLevelRecord: _feature_level,
    ProducerIdsRecord: _producer_ids,
    UserScramCredentialRecord: _scram,
    RemoveUserScramCredentialRecord: _remove_scram,
    DelegationTokenRecord: _token,
    RemoveDelegationTokenRecord: _remove_token,
    AccessControlEntryRecord: _acl,
    RemoveAccessControlEntryRecord: _remove_acl,
    ClientQuotaRecord: _quota,
    NoOpRecord: _nothing,
}
