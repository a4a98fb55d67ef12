"""Configuration of groups: what may be set, within which bounds, and what holds."""

from __future__ import annotations

import pytest
from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from odradek_broker.config.effective import ConfigSource
from odradek_broker.config.group_keys import GROUP_KEYS, group_value
from odradek_broker.controller.configs import Operation, incremental_alter_configs
from odradek_broker.controller.effective import group_configs
from odradek_broker.controller.image import MetadataImage, ResourceType
from odradek_broker.controller.replay import replay
from tests.controller.images import CONFIG, cluster

IMAGE = cluster(None)


def set_(name: str, value: str, group: str = "g", image: MetadataImage = IMAGE) -> tuple[MetadataImage, int]:
    change = AlterableConfig(name=name, config_operation=Operation.SET, value=value)
    resource = AlterConfigsResource(resource_type=ResourceType.GROUP, resource_name=group, configs=[change])
    result = incremental_alter_configs(image, IncrementalAlterConfigsRequest(resources=[resource]), CONFIG)
    return replay(image, result.records), result.response.responses[0].error_code


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("consumer.session.timeout.ms", "60000"),
        ("consumer.heartbeat.interval.ms", "15000"),
        ("consumer.assignment.interval.ms", "0"),
        ("share.auto.offset.reset", "by_duration:PT1H"),
        ("share.isolation.level", "READ_COMMITTED"),
        ("share.delivery.count.limit", "10"),
        ("share.renew.acknowledge.enable", "false"),
    ],
)
def test_a_group_need_not_exist_to_have_a_configuration(name: str, value: str) -> None:
    image, error = set_(name, value)
    assert error == 0 and image.config(ResourceType.GROUP, "g") == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("consumer.session.timeout.ms", "44999"),
        ("consumer.session.timeout.ms", "60001"),
        ("consumer.session.timeout.ms", "soon"),
        ("consumer.heartbeat.interval.ms", "4999"),
        ("consumer.assignment.interval.ms", "-1"),
        ("share.auto.offset.reset", "none"),
        ("share.auto.offset.reset", "by_duration:P"),
        ("share.delivery.count.limit", "1"),
        ("retention.ms", "5"),
    ],
)
def test_what_is_out_of_bounds_or_unknown_is_refused(name: str, value: str) -> None:
    image, error = set_(name, value)
    assert error == ErrorCode.INVALID_CONFIG and not image.config(ResourceType.GROUP, "g")


def test_there_is_no_group_that_stands_for_all() -> None:
    assert set_("consumer.session.timeout.ms", "60000", group="")[1] == ErrorCode.INVALID_REQUEST


def test_a_group_says_what_holds_for_it_and_why() -> None:
    image, _ = set_("consumer.session.timeout.ms", "60000")
    entries = {entry.name: entry for entry in group_configs(image, CONFIG, "g")}
    assert entries.keys() == GROUP_KEYS.keys()
    session, heartbeat = entries["consumer.session.timeout.ms"], entries["consumer.heartbeat.interval.ms"]
    assert (session.value, session.source) == ("60000", ConfigSource.GROUP)
    assert (heartbeat.value, heartbeat.source) == ("5000", ConfigSource.DEFAULT)


def test_a_value_that_is_no_longer_within_bounds_counts_as_the_bound() -> None:
    broker = structs.replace(CONFIG, group_consumer_max_session_timeout_ms=50_000)
    assert group_value(broker, {"consumer.session.timeout.ms": "60000"}, "consumer.session.timeout.ms") == 50_000
    assert group_value(broker, {}, "consumer.session.timeout.ms") == 45_000
