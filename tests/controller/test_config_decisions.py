"""What IncrementalAlterConfigs and AlterConfigs decide. The error codes are Apache Kafka 4.4.0's."""

from __future__ import annotations

import pytest
from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import alter_configs as whole
from odradek.protocol.messages import incremental_alter_configs as incremental
from odradek_broker.controller.configs import Operation, alter_configs, incremental_alter_configs
from odradek_broker.controller.effective import broker_config
from odradek_broker.controller.image import MetadataImage, ResourceType
from odradek_broker.controller.replay import replay
from tests.controller.images import CONFIG, cluster, creatable, with_topics

SET, DELETE, APPEND, SUBTRACT = Operation
TOPIC, BROKER = ResourceType.TOPIC, ResourceType.BROKER
IMAGE = with_topics(cluster(None, None), creatable("t", retention_ms="5"), creatable("u"))

Change = tuple[str, int, str | None]


def resource(kind: int, name: str, *changes: Change) -> incremental.AlterConfigsResource:
    return incremental.AlterConfigsResource(
        resource_type=kind,
        resource_name=name,
        configs=[
            incremental.AlterableConfig(name=key, config_operation=operation, value=value)
            for key, operation, value in changes
        ],
    )


def decide(
    *resources: incremental.AlterConfigsResource, image: MetadataImage = IMAGE, validate_only: bool = False
) -> tuple[MetadataImage, list[int]]:
    request = incremental.IncrementalAlterConfigsRequest(resources=resources, validate_only=validate_only)
    result = incremental_alter_configs(image, request, CONFIG)
    for asked, answer in zip(resources, result.response.responses, strict=True):
        assert (answer.resource_type, answer.resource_name) == (asked.resource_type, asked.resource_name)
        assert answer.error_message if answer.error_code else answer.error_message is None
    return replay(image, result.records), [answer.error_code for answer in result.response.responses]


def test_keys_are_set_and_deleted_one_by_one() -> None:
    after, codes = decide(resource(TOPIC, "t", ("retention.bytes", SET, "7")))
    assert codes == [0]
    assert after.topic_config("t") == {"retention.ms": "5", "retention.bytes": "7"}
    after, _ = decide(resource(TOPIC, "t", ("retention.ms", DELETE, None)), image=after)
    assert after.topic_config("t") == {"retention.bytes": "7"}


def test_a_list_is_appended_to_and_subtracted_from_beginning_with_what_holds() -> None:
    after, _ = decide(resource(TOPIC, "t", ("cleanup.policy", APPEND, "compact,delete")))
    assert after.topic_config("t")["cleanup.policy"] == "delete,compact"
    after, _ = decide(resource(TOPIC, "t", ("cleanup.policy", SUBTRACT, "delete")), image=after)
    assert after.topic_config("t")["cleanup.policy"] == "compact"
    after, _ = decide(resource(BROKER, "1", ("log.cleanup.policy", APPEND, "compact")), image=after)
    assert after.config(BROKER, "1") == {"log.cleanup.policy": "delete,compact"}


def test_a_list_that_is_empty_is_appended_to_and_may_become_empty_again() -> None:
    key = "leader.replication.throttled.replicas"
    after, _ = decide(resource(TOPIC, "t", (key, APPEND, "0:1, 1:2")))
    assert after.topic_config("t")[key] == "0:1,1:2"
    after, _ = decide(resource(TOPIC, "t", (key, SUBTRACT, "0:1,1:2")), image=after)
    assert after.topic_config("t")[key] == ""
    after, _ = decide(resource(TOPIC, "t", (key, APPEND, "3:1")), image=after)
    assert after.topic_config("t")[key] == "3:1"


def test_a_key_that_keeps_its_value_makes_no_record() -> None:
    request = incremental.IncrementalAlterConfigsRequest(
        resources=[resource(TOPIC, "t", ("retention.ms", SET, "5"), ("segment.ms", DELETE, None))]
    )
    result = incremental_alter_configs(IMAGE, request, CONFIG)
    assert result.records == []
    assert result.response.responses[0].error_code == 0


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (resource(TOPIC, "nope", ("retention.ms", SET, "5")), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (resource(TOPIC, "bad name", ("retention.ms", SET, "5")), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (resource(TOPIC, "", ("retention.ms", SET, "5")), ErrorCode.INVALID_REQUEST),
        (resource(TOPIC, "t", ("retention.ms", SET, "x")), ErrorCode.INVALID_CONFIG),
        (resource(TOPIC, "t", ("bogus", SET, "1")), ErrorCode.INVALID_CONFIG),
        (resource(TOPIC, "t", ("retention.ms", APPEND, "1")), ErrorCode.INVALID_CONFIG),
        (resource(TOPIC, "t", ("retention.ms", SET, None)), ErrorCode.INVALID_REQUEST),
        (resource(TOPIC, "t", ("retention.ms", 9, "1")), ErrorCode.INVALID_REQUEST),
        (resource(TOPIC, "t", ("segment.ms", SET, "1"), ("segment.ms", SET, "2")), ErrorCode.INVALID_REQUEST),
        (resource(TOPIC, "t", ("segment.ms", SET, "1"), ("bogus", SET, "2")), ErrorCode.INVALID_CONFIG),
        (resource(TOPIC, "t", ("log.cleanup.policy", APPEND, "compact")), ErrorCode.INVALID_CONFIG),
        (resource(BROKER, "1", ("cleanup.policy", APPEND, "compact")), ErrorCode.INVALID_CONFIG),
        (resource(BROKER, "9", ("log.retention.ms", SET, "1")), ErrorCode.INVALID_REQUEST),
        (resource(BROKER, "x", ("log.retention.ms", SET, "1")), ErrorCode.INVALID_REQUEST),
        (resource(BROKER, "1", ("num.partitions", SET, "1")), ErrorCode.INVALID_REQUEST),
        (resource(BROKER, "1", ("log.segment.bytes", SET, "3")), ErrorCode.INVALID_REQUEST),
        (resource(BROKER, "1", ("bogus", SET, "3")), ErrorCode.INVALID_CONFIG),
        (resource(3, "t", ("retention.ms", SET, "1")), ErrorCode.INVALID_REQUEST),
        (resource(ResourceType.GROUP, "g", ("consumer.session.timeout.ms", SET, "5")), ErrorCode.INVALID_CONFIG),
    ],
)
def test_a_bad_resource_is_refused_whole_and_its_neighbour_changed(
    refused: incremental.AlterConfigsResource, error: ErrorCode
) -> None:
    after, codes = decide(refused, resource(TOPIC, "u", ("retention.ms", SET, "9")))
    assert codes == [error, 0]
    assert after.configs == {**IMAGE.configs, (TOPIC, "u"): {"retention.ms": "9"}}


def test_a_resource_named_twice_is_refused_both_times() -> None:
    again = resource(TOPIC, "t", ("retention.ms", SET, "1"))
    assert decide(again, again) == (IMAGE, [ErrorCode.INVALID_REQUEST] * 2)


def test_an_unknown_key_may_be_deleted_and_an_empty_change_is_fine() -> None:
    assert decide(resource(TOPIC, "t", ("bogus", DELETE, None)), resource(TOPIC, "u")) == (IMAGE, [0, 0])


def test_validate_only_judges_and_changes_nothing() -> None:
    after, codes = decide(
        resource(TOPIC, "t", ("retention.ms", SET, "9")),
        resource(TOPIC, "u", ("retention.ms", SET, "x")),
        validate_only=True,
    )
    assert (after, codes) == (IMAGE, [0, ErrorCode.INVALID_CONFIG])


def test_a_change_for_one_broker_goes_before_one_for_all() -> None:
    after, codes = decide(
        resource(BROKER, "", ("max.connections", SET, "8"), ("message.max.bytes", SET, "9")),
        resource(BROKER, "1", ("max.connections", SET, "7")),
    )
    assert codes == [0, 0]
    config = broker_config(after, CONFIG)
    assert (config.max_connections, config.message_max_bytes) == (7, 9)


def decide_whole(*resources: tuple[int, str, dict[str, str | None]]) -> tuple[MetadataImage, list[int]]:
    request = whole.AlterConfigsRequest(
        resources=[
            whole.AlterConfigsResource(
                resource_type=kind,
                resource_name=name,
                configs=[whole.AlterableConfig(name=key, value=value) for key, value in configs.items()],
            )
            for kind, name, configs in resources
        ]
    )
    assert alter_configs(IMAGE, structs.replace(request, validate_only=True), CONFIG).records == []
    result = alter_configs(IMAGE, request, CONFIG)
    return replay(IMAGE, result.records), [answer.error_code for answer in result.response.responses]


def test_alter_configs_replaces_the_whole_set() -> None:
    after, codes = decide_whole((TOPIC, "t", {"segment.ms": "6", "cleanup.policy": "compact"}))
    assert codes == [0]
    assert after.topic_config("t") == {"segment.ms": "6", "cleanup.policy": "compact"}
    assert decide_whole((TOPIC, "t", {}))[0].topic_config("t") == {}


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        ((TOPIC, "nope", {}), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ((TOPIC, "t", {"retention.ms": None}), ErrorCode.INVALID_REQUEST),
        ((TOPIC, "t", {"x": "1"}), ErrorCode.INVALID_CONFIG),
        ((BROKER, "1", {"num.partitions": "5"}), ErrorCode.INVALID_REQUEST),
    ],
)
def test_a_bad_replacement_is_refused(refused: tuple[int, str, dict[str, str | None]], error: ErrorCode) -> None:
    assert decide_whole(refused) == (IMAGE, [error])
