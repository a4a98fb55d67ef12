"""Create topics (where the refusals come from: ReplicationControlManager.java, and what 4.4.0 answers).

Topics are decided one by one, each seeing those before it; a bad one never fails its neighbours. A request for more
than MAX_PARTITIONS partitions is refused as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from odradek.protocol.messages.metadata_records import ConfigRecord, PartitionRecord, TopicRecord
from odradek_broker.config import BrokerConfig, TopicConfigs
from odradek_broker.controller.assignment import MAX_PARTITIONS, refuse_assignment, refuse_replication
from odradek_broker.controller.capacity import Capacity
from odradek_broker.controller.config_room import ConfigRoom
from odradek_broker.controller.configs import refuse_bad_topic_config
from odradek_broker.controller.effective import topic_configs
from odradek_broker.controller.image import METADATA_TOPIC, MetadataImage, ResourceType
from odradek_broker.controller.names import check_topic_name, collision_key
from odradek_broker.controller.partitions import new_partition
from odradek_broker.controller.placement import Randomness, place
from odradek_broker.controller.result import ControllerResult
from odradek_broker.coordination.api_error import ApiError

DEFAULT = -1


def create_topics(
    image: MetadataImage, request: CreateTopicsRequest, config: BrokerConfig, random: Randomness
) -> ControllerResult[CreateTopicsResponse]:
    """Answer each topic of the request, in its order; a name that is there twice is refused once."""
    records: list[Struct] = []
    results = []
    occurrences = Counter(topic.name for topic in request.topics)
    keys = {collision_key(name): name for name in image.topics}
    configs = _Configs(topic_configs(image, config), ConfigRoom(image))
    capacity = Capacity(image, config)
    total = sum(_partition_count(topic, config) for topic in request.topics)
    for topic in {topic.name: topic for topic in request.topics}.values():
        try:
            if total > MAX_PARTITIONS:
                raise ApiError(ErrorCode.POLICY_VIOLATION, f"more than {MAX_PARTITIONS} partitions in one request")
            if occurrences[topic.name] > 1:
                raise ApiError(ErrorCode.INVALID_REQUEST, "the topic is named more than once in the request")
            _refuse_name(image, topic.name, keys)
            made, result = _create_topic(image, topic, config, configs, random)
            capacity.take(record.replicas for record in made if isinstance(record, PartitionRecord))
        except ApiError as refusal:
            results.append(
                CreatableTopicResult(name=topic.name, error_code=refusal.error_code, error_message=refusal.message)
            )
            continue
        keys[collision_key(topic.name)] = topic.name
        records += made
        results.append(result)
    return ControllerResult([] if request.validate_only else records, CreateTopicsResponse(topics=results))


def _refuse_name(image: MetadataImage, name: str, keys: Mapping[str, str]) -> None:
    if name == METADATA_TOPIC:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{METADATA_TOPIC} belongs to the controller")
    wrong = check_topic_name(name)
    if wrong is not None:
        raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, wrong)
    if name in image.topics:
        raise ApiError(ErrorCode.TOPIC_ALREADY_EXISTS, f"topic {name} exists already")
    other = keys.get(collision_key(name))
    if other is not None:
        raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"topic {name} collides with the existing topic {other}")


class _Configs:
    """What topics' own values come to; most topics of a request have the same."""

    def __init__(self, configs: TopicConfigs, room: ConfigRoom) -> None:
        self._configs = configs
        self._room = room
        self._known: dict[tuple[tuple[str, str], ...], list[CreatableTopicConfigs]] = {}

    def of(self, own: Mapping[str, str]) -> list[CreatableTopicConfigs]:
        """As the answer shows them. Raises ApiError where one is wrong, or there is no room for another such topic."""
        self._room.take({}, own)
        key = tuple(own.items())
        if key not in self._known:
            refuse_bad_topic_config(self._configs, own)
            entries = self._configs.entries(own)
            self._known[key] = [
                CreatableTopicConfigs(name=e.name, value=e.value, config_source=e.source) for e in entries
            ]
        return self._known[key]


def _create_topic(
    image: MetadataImage, topic: CreatableTopic, config: BrokerConfig, configs: _Configs, random: Randomness
) -> tuple[list[Struct], CreatableTopicResult]:
    own = _own_config(topic)
    shown = configs.of(own)
    placed = _assigned(image, topic) if topic.assignments else _placed(image, topic, config, random)
    topic_id = new_topic_id(image, random)
    records: list[Struct] = [TopicRecord(name=topic.name, topic_id=topic_id)]
    records += [
        ConfigRecord(resource_type=ResourceType.TOPIC, resource_name=topic.name, name=name, value=value)
        for name, value in own.items()
    ]
    records += [new_partition(image, topic_id, index, replicas) for index, replicas in enumerate(placed)]
    result = CreatableTopicResult(
        name=topic.name,
        topic_id=topic_id,
        error_message=None,
        num_partitions=len(placed),
        replication_factor=len(placed[0]),
        configs=shown,
    )
    return records, result


def new_topic_id(image: MetadataImage, random: Randomness) -> bytes:
    """A random UUID (version 4): not in use, not one of the reserved ones, its text not beginning with a dash."""
    while True:
        topic_id = bytearray(random.randbytes(16))
        topic_id[6] = topic_id[6] & 0x0F | 0x40
        topic_id[8] = topic_id[8] & 0x3F | 0x80
        if bytes(topic_id) not in image.topic_names and topic_id[0] >> 2 != 62:
            return bytes(topic_id)


def _own_config(topic: CreatableTopic) -> dict[str, str]:
    missing = [entry.name for entry in topic.configs if entry.value is None]
    if missing:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"no value is given for {', '.join(missing)}")
    return {entry.name: entry.value for entry in topic.configs if entry.value is not None}


def _partition_count(topic: CreatableTopic, config: BrokerConfig) -> int:
    if topic.assignments:
        return len(topic.assignments)
    return config.num_partitions if topic.num_partitions == DEFAULT else max(topic.num_partitions, 0)


def _placed(
    image: MetadataImage, topic: CreatableTopic, config: BrokerConfig, random: Randomness
) -> list[tuple[int, ...]]:
    count = config.num_partitions if topic.num_partitions == DEFAULT else topic.num_partitions
    factor = config.default_replication_factor if topic.replication_factor == DEFAULT else topic.replication_factor
    if count <= 0:
        raise ApiError(ErrorCode.INVALID_PARTITIONS, "the number of partitions must be positive, or -1 for the default")
    if factor <= 0:
        raise ApiError(
            ErrorCode.INVALID_REPLICATION_FACTOR, "the replication factor must be positive, or -1 for the default"
        )
    refuse_replication(image, factor)
    return place(image.brokers.values(), count, factor, random)


def _assigned(image: MetadataImage, topic: CreatableTopic) -> list[tuple[int, ...]]:
    """The replicas that the request itself names, by partition."""
    if topic.replication_factor != DEFAULT or topic.num_partitions != DEFAULT:
        raise ApiError(
            ErrorCode.INVALID_REQUEST, "with a manual assignment, partitions and replication factor must be -1"
        )
    by_index = {assignment.partition_index: tuple(assignment.broker_ids) for assignment in topic.assignments}
    if sorted(by_index) != list(range(len(topic.assignments))):
        raise ApiError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT, "the partitions must be numbered from 0, each of them once"
        )
    placed = [by_index[index] for index in range(len(by_index))]
    refuse_assignment(image, placed, len(placed[0]))
    return placed
