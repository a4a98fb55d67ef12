"""Change the configuration of topics, groups and brokers (ConfigurationControlManager.java, and what 4.4.0 answers).

A resource is changed as a whole or not at all; a bad one never fails its neighbours. A key that gets the value which
it has makes no record. What the change means for partitions (min_insync.py) is decided with it: all of it or nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum
from typing import Any

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import alter_configs as whole
from odradek.protocol.messages import incremental_alter_configs as incremental
from odradek.protocol.messages.metadata_records import ConfigRecord
from odradek_broker.config import BrokerConfig, TopicConfigs
from odradek_broker.config.broker_config import broker_keys
from odradek_broker.config.effective import is_list
from odradek_broker.config.group_keys import check_group_values
from odradek_broker.config.inert_keys import INERT_KEYS
from odradek_broker.config.listener_overrides import PREFIX, split_override
from odradek_broker.config.setting import PASSWORD, Dynamic, SettingError
from odradek_broker.config.tls_keys import RENEWABLE
from odradek_broker.controller.config_room import ConfigRoom
from odradek_broker.controller.effective import ALL_BROKERS, broker_config, topic_configs
from odradek_broker.controller.image import MetadataImage, ResourceType
from odradek_broker.controller.min_insync import partitions_by_new_rules, refuse_min_insync
from odradek_broker.controller.names import check_topic_name
from odradek_broker.controller.result import ControllerResult
from odradek_broker.coordination.api_error import ApiError


class Operation(IntEnum):
    """What IncrementalAlterConfigs does with a key."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


def refuse_bad_topic_config(configs: TopicConfigs, own: Mapping[str, str]) -> None:
    wrong = configs.check(own)
    if wrong is not None:
        raise ApiError(ErrorCode.INVALID_CONFIG, wrong)


# --------------------------------------------------------------------------------------------------------- decisions


def incremental_alter_configs(
    image: MetadataImage, request: incremental.IncrementalAlterConfigsRequest, config: BrokerConfig
) -> ControllerResult[incremental.IncrementalAlterConfigsResponse]:
    """Set, delete, append to and subtract from single keys."""

    def changed(resource: incremental.AlterConfigsResource, current: Mapping[str, str]) -> dict[str, str]:
        values = dict(current)
        names = Counter(change.name for change in resource.configs)
        twice = next((name for name, count in names.items() if count > 1), None)
        if twice is not None:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"{twice} is changed more than once")
        for change in resource.configs:
            _apply(image, config, resource, change, values)
        return values

    records, answers = _alter(image, request.resources, config, changed)
    response = incremental.IncrementalAlterConfigsResponse(
        responses=[incremental.AlterConfigsResourceResponse(**answer) for answer in answers]
    )
    return ControllerResult([] if request.validate_only else records, response)


def alter_configs(
    image: MetadataImage, request: whole.AlterConfigsRequest, config: BrokerConfig
) -> ControllerResult[whole.AlterConfigsResponse]:
    """Replace all keys of a resource: what is not in the request returns to its default."""

    def changed(resource: whole.AlterConfigsResource, current: Mapping[str, str]) -> dict[str, str]:
        return {change.name: _given(change.name, change.value) for change in resource.configs}

    records, answers = _alter(image, request.resources, config, changed)
    response = whole.AlterConfigsResponse(
        responses=[whole.AlterConfigsResourceResponse(**answer) for answer in answers]
    )
    return ControllerResult([] if request.validate_only else records, response)


def _alter(
    image: MetadataImage,
    resources: Iterable[Any],
    config: BrokerConfig,
    changed: Callable[[Any, Mapping[str, str]], dict[str, str]],
) -> tuple[list[Struct], list[dict[str, Any]]]:
    """Records, and the fields of each resource's answer. `changed` gives the new values of a resource or refuses."""
    resources = list(resources)
    occurrences = Counter((resource.resource_type, resource.resource_name) for resource in resources)
    room = ConfigRoom(image)
    records: list[ConfigRecord] = []
    answers = []
    for resource in resources:
        kind, name = resource.resource_type, resource.resource_name
        answer: dict[str, Any] = {"resource_type": kind, "resource_name": name, "error_code": 0, "error_message": None}
        answers.append(answer)
        try:
            if occurrences[kind, name] > 1:
                raise ApiError(ErrorCode.INVALID_REQUEST, "the resource is named more than once in the request")
            _refuse_resource(image, kind, name)
            current = image.config(kind, name)
            values = changed(resource, current)
            room.take(current, values)
            _refuse_values(image, config, kind, name, values, {change.name for change in resource.configs})
        except ApiError as refusal:
            answer.update(error_code=refusal.error_code, error_message=refusal.message)
            continue
        records += _difference(kind, name, current, values)
    return [*records, *partitions_by_new_rules(image, records, config)], answers


def _difference(kind: int, name: str, old: Mapping[str, str], new: Mapping[str, str]) -> list[ConfigRecord]:
    return [
        ConfigRecord(resource_type=kind, resource_name=name, name=key, value=new.get(key))
        for key in {**old, **new}
        if old.get(key) != new.get(key)
    ]


# ---------------------------------------------------------------------------------------------------------- one key


def _apply(
    image: MetadataImage,
    config: BrokerConfig,
    resource: incremental.AlterConfigsResource,
    change: incremental.AlterableConfig,
    values: dict[str, str],
) -> None:
    if change.config_operation == Operation.DELETE:
        values.pop(change.name, None)
        return
    text = _given(change.name, change.value)
    if change.config_operation == Operation.SET:
        values[change.name] = text
        return
    if change.config_operation not in (Operation.APPEND, Operation.SUBTRACT):
        raise ApiError(ErrorCode.INVALID_REQUEST, f"there is no operation {change.config_operation}")
    if not is_list(change.name):
        raise ApiError(ErrorCode.INVALID_CONFIG, f"{change.name} is no list to be appended to or subtracted from")
    members = _members(values.get(change.name, _fallback(image, config, resource.resource_type, change.name)))
    named = _members(text)
    if change.config_operation == Operation.APPEND:
        there = set(members)
        members += [member for member in named if member not in there]
    else:
        gone = set(named)
        members = [member for member in members if member not in gone]
    values[change.name] = ",".join(members)


def _given(name: str, value: str | None) -> str:
    if value is None:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"no value is given for {name}")
    return value


def _members(text: str) -> list[str]:
    return [member.strip() for member in text.split(",")] if text else []


def _fallback(image: MetadataImage, config: BrokerConfig, kind: int, name: str) -> str:
    """What a list is where the resource says nothing."""
    if kind == ResourceType.BROKER:
        return broker_config(image, config).text(name) or "" if name in broker_keys() else ""
    return next((entry.value or "" for entry in topic_configs(image, config).entries({}) if entry.name == name), "")


# ------------------------------------------------------------------------------------------------------ one resource


def _refuse_resource(image: MetadataImage, kind: int, name: str) -> None:
    if kind == ResourceType.TOPIC:
        if not name:
            raise ApiError(ErrorCode.INVALID_REQUEST, "there is no topic that stands for all")
        wrong = check_topic_name(name)
        if wrong is not None:
            raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, wrong)
        if name not in image.topics:
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {name}")
    elif kind == ResourceType.BROKER:
        if name and not (name.isascii() and name.isdecimal()):
            raise ApiError(ErrorCode.INVALID_REQUEST, f"a broker is named by its number, unlike {name!r}")
        if name and int(name) not in image.brokers:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"broker {name} is not registered")
    elif kind == ResourceType.GROUP:
        if not name:
            raise ApiError(ErrorCode.INVALID_REQUEST, "there is no group that stands for all")
    else:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"resources of type {kind} have no configuration here")


def _refuse_values(
    image: MetadataImage, config: BrokerConfig, kind: int, name: str, values: Mapping[str, str], touched: set[str]
) -> None:
    if kind == ResourceType.TOPIC:
        refuse_bad_topic_config(topic_configs(image, config), values)
        return
    if kind == ResourceType.GROUP:
        wrong = check_group_values(broker_config(image, config), values)
        if wrong is not None:
            raise ApiError(ErrorCode.INVALID_CONFIG, wrong)
        return
    refuse_min_insync(image, name, values, touched)
    for key in sorted(touched & values.keys()):
        if key.startswith(PREFIX):
            _refuse_listener_value(image, config, key, values[key], name)
        else:
            _refuse_broker_value(key, values[key], name)


def _refuse_listener_value(image: MetadataImage, config: BrokerConfig, key: str, text: str, broker: str) -> None:
    """Certificates, or where they are, for one listener; whether they are of any use only that broker can see."""
    if broker == ALL_BROKERS:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{key} can only change for one broker")
    found = split_override(key, (endpoint.name for endpoint in image.brokers[int(broker)].endpoints))
    if found is None:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"{key} is for no listener of broker {broker}")
    place, name = found
    if place.mechanism or name not in RENEWABLE:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{key} cannot change while the broker runs")
    setting = broker_keys()[name].setting
    between = config.inter_broker_listener
    if setting.type is PASSWORD and text and not config.is_guarded(between):
        why = f"{key} is secret, and whoever comes by {between} would be told: it asks nobody who they are"
        raise ApiError(ErrorCode.INVALID_REQUEST, why)
    try:
        setting.parse(text)
    except SettingError as error:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"invalid value {setting.shown(text)!r} for {key}: {error}") from None


def _refuse_broker_value(key: str, text: str, broker: str) -> None:
    known = broker_keys().get(key) or INERT_KEYS.get(key)
    if known is None:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"{key} is no configuration of a broker")
    if known.setting.dynamic is Dynamic.NO:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{key} cannot change while the broker runs")
    if known.setting.dynamic is Dynamic.BROKER and broker == ALL_BROKERS:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"{key} can only change for one broker")
    try:
        known.setting.parse(text)
    except SettingError as error:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"invalid value {text!r} for {key}: {error}") from None
