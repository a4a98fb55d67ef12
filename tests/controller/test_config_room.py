"""Configuration that would be too large for the metadata is refused, and nothing of it is decided."""

from __future__ import annotations

from random import Random

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from odradek_broker.config import BrokerConfig
from odradek_broker.controller import config_room
from odradek_broker.controller.config_room import MAX_VALUE_LENGTH, ConfigRoom
from odradek_broker.controller.configs import incremental_alter_configs
from odradek_broker.controller.create_topics import create_topics
from odradek_broker.controller.image import BrokerImage, MetadataImage, ResourceType
from odradek_broker.controller.replay import replay
from odradek_broker.coordination.api_error import ApiError

KEY, APPEND = "follower.replication.throttled.replicas", 2
CONFIG = BrokerConfig()
BROKER = BrokerImage(broker_id=1, epoch=1)


def made(image: MetadataImage, name: str, value: str) -> tuple[MetadataImage, int]:
    topic = CreatableTopic(name, 1, 1, configs=[CreatableTopicConfig(KEY, value)])
    result = create_topics(image, CreateTopicsRequest([topic]), CONFIG, Random(1))
    return replay(image, result.records), result.response.topics[0].error_code


def appended(image: MetadataImage, value: str) -> tuple[int, int]:
    resource = AlterConfigsResource(ResourceType.TOPIC, "t", [AlterableConfig(KEY, APPEND, value)])
    result = incremental_alter_configs(image, IncrementalAlterConfigsRequest([resource]), CONFIG)
    return result.response.responses[0].error_code, len(result.records)


def test_a_value_is_as_long_as_kafka_takes_it_and_no_longer_whichever_way_it_comes() -> None:
    many = ",".join(f"{n}:1" for n in range(5_000))
    longest, longer = many[: MAX_VALUE_LENGTH - 2].rpartition(",")[0], many
    image, error = made(MetadataImage(brokers={1: BROKER}), "t", longest)
    assert error == ErrorCode.NONE
    assert made(image, "u", longer)[1] == ErrorCode.INVALID_CONFIG
    assert appended(image, "6000:1,7000:1,8000:1") == (ErrorCode.INVALID_CONFIG, 0)


def test_all_configuration_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_room, "MAX_TOTAL_LENGTH", 200)
    image, error = made(MetadataImage(brokers={1: BROKER}), "t", ",".join(["1:1"] * 20))
    assert error == ErrorCode.NONE
    assert made(image, "u", ",".join(["1:1"] * 20))[1] == ErrorCode.POLICY_VIOLATION
    assert appended(image, ",".join(f"{n}:1" for n in range(2, 25))) == (ErrorCode.POLICY_VIOLATION, 0)
    assert appended(image, "2:1")[0] == ErrorCode.NONE, "what fits is taken"


def test_what_is_too_large_already_can_be_made_smaller(monkeypatch: pytest.MonkeyPatch) -> None:
    image = MetadataImage(configs={(ResourceType.TOPIC, "t"): {"a": "1" * (MAX_VALUE_LENGTH + 5), "b": "1"}})
    monkeypatch.setattr(config_room, "MAX_TOTAL_LENGTH", 10)
    old = image.topic_config("t")
    ConfigRoom(image).take(old, {"a": old["a"]})
    ConfigRoom(image).take(old, {})
    with pytest.raises(ApiError):
        ConfigRoom(image).take(old, {**old, "c": "1"})
