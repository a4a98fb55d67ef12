"""Metadata as a person reads it: fields by Kafka's names, ids in its base64."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from odradek.protocol.messages.metadata_records import ConfigRecord
from odradek.protocol.sasl.scram import NUMBERS
from odradek_broker.config.effective import is_secret
from odradek_broker.config.setting import HIDDEN
from odradek_broker.controller.image import BrokerImage, MetadataImage, PartitionImage, ResourceType

SECRETS = {"salt", "stored_key", "server_key", "salted_password"}
"""Fields of records from which a password could be guessed at leisure."""

Fields = dict[str, Any]


def fields_of(record: Struct) -> Fields:
    """A record's fields; without those at their default, but for ids, where 0 is somebody."""
    hidden = {"value"} if isinstance(record, ConfigRecord) and is_secret(record.name) else ()
    return {
        _camel(each.name): HIDDEN if each.name in SECRETS or each.name in hidden else _plain(value)
        for each in structs.fields(record)
        if not _is_default(value := getattr(record, each.name), each.default) or each.name.endswith("id")
    }


def rows_of(image: MetadataImage) -> Iterator[tuple[str, Fields]]:
    """Everything in an image: what it is, and its fields."""
    yield "cluster", {"clusterId": image.cluster_id, "offset": image.offset, "nextProducerId": image.next_producer_id}
    for name, level in image.features.items():
        yield "feature", {"name": name, "level": level}
    for _, broker in sorted(image.brokers.items()):
        yield "broker", _broker(broker)
    for name, topic in sorted(image.topics.items()):
        yield "topic", {"name": name, "topicId": _plain(topic.topic_id), "partitions": len(topic.partitions)}
        for index, partition in topic.partitions.items():
            yield "partition", {"topic": name, "partition": index, **_partition(partition)}
    for (kind, name), values in sorted(image.configs.items()):
        for key, value in sorted(values.items()):
            told = HIDDEN if is_secret(key) else value
            yield "config", {"of": ResourceType(kind).name.lower(), "resource": name, "name": key, "value": told}
    for (mechanism, user), keys in sorted(image.scram.items()):
        yield "scramUser", {"name": user, "mechanism": NUMBERS.get(mechanism), "iterations": keys.iterations}
    for token in image.tokens.values():
        owner, expires_ms = str(token.owner), token.expires_ms
        yield "delegationToken", {"id": token.token_id, "owner": owner, "expires": expires_ms}
    for entity, quotas in sorted(image.quotas.items(), key=str):
        yield "quota", {"of": ", ".join(f"{kind} {name or 'by default'}" for kind, name in entity), **quotas}
    for _, acl in sorted(image.acls.by_id.items()):
        yield "acl", {"rule": str(acl)}


def line_of(head: str, fields: Mapping[str, Any]) -> str:
    return "  ".join([head, " ".join(f"{name}={_text(value)}" for name, value in fields.items())]).rstrip()


def _broker(broker: BrokerImage) -> Fields:
    return {
        "brokerId": broker.broker_id,
        "epoch": broker.epoch,
        "fenced": broker.fenced,
        "inControlledShutdown": broker.in_controlled_shutdown,
        "endpoints": [f"{one.name}://{one.host}:{one.port}" for one in broker.endpoints],
        "rack": broker.rack,
        "incarnationId": _plain(broker.incarnation_id),
        "logDirs": _plain(broker.log_dirs),
    }


def _partition(partition: PartitionImage) -> Fields:
    fields: Fields = {
        "leader": partition.leader,
        "leaderEpoch": partition.leader_epoch,
        "partitionEpoch": partition.partition_epoch,
        "replicas": partition.replicas,
        "isr": partition.isr,
        "elr": partition.elr,
    }
    rare = {
        "lastKnownElr": partition.last_known_elr,
        "addingReplicas": partition.adding_replicas,
        "removingReplicas": partition.removing_replicas,
        "leaderRecoveryState": partition.leader_recovery_state,
    }
    return {name: _plain(value) for name, value in (fields | {k: v for k, v in rare.items() if v}).items()}


def _is_default(value: Any, default: Any) -> bool:
    return bool(value == default or (default == () and value == []))


def _plain(value: Any) -> Any:
    """As JSON has it."""
    if isinstance(value, bytes):
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    if isinstance(value, Struct):
        return fields_of(value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + " ".join(f"{name}={_text(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, str) and value.isprintable() and value and not set(' "={}[],') & set(value):
        return value
    return json.dumps(value, ensure_ascii=False)


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
