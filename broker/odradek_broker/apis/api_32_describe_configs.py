"""DescribeConfigs (API key 32), versions 1-4: how topics and brokers are configured, and by whom.

Behaviour
    A list of keys that is null or empty means every key; keys that we do not have are left out.
    Topic that does not exist        UNKNOWN_TOPIC_OR_PARTITION; an illegal name: INVALID_TOPIC_EXCEPTION
    Broker ""                        what is set for all brokers, and nothing else
    Another broker than this         INVALID_REQUEST: each knows only its own configuration at start
    The loggers of this broker       config/loggers.py
    Group                            there need not be one; without a name: INVALID_REQUEST
    Client metrics                   nothing: nobody has subscribed to any
    Any other kind of resource       INVALID_REQUEST
    A password                       no value, and is_sensitive
    A resource that is named again, with the same keys, is answered once
Versions
    1 synonyms, sources    3 types, documentation    4 flexible
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.own_resources import refuse_another_broker
from odradek_broker.config.effective import ConfigEntry, broker_default_entries, broker_entries
from odradek_broker.config.loggers import logger_entries
from odradek_broker.config.setting import PASSWORD
from odradek_broker.controller.effective import ALL_BROKERS, group_configs, topic_configs
from odradek_broker.controller.image import ResourceType
from odradek_broker.controller.names import check_topic_name
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.loop.slices import Slices

REQUEST, VERSIONS = DescribeConfigsRequest, range(1, 5)

RESOURCES_AT_ONCE = 4
"""Each has some hundred keys."""


async def handle(request: DescribeConfigsRequest, context: RequestContext) -> DescribeConfigsResponse:
    slices, results = Slices(RESOURCES_AT_ONCE), []
    for resource in {_identity(each): each for each in request.resources}.values():
        results.append(_describe(resource, request, context))
        await slices.pay()
    return DescribeConfigsResponse(results=results)


def _identity(resource: DescribeConfigsResource) -> tuple[object, ...]:
    keys = resource.configuration_keys
    return resource.resource_type, resource.resource_name, None if keys is None else tuple(keys)


def _describe(
    resource: DescribeConfigsResource, request: DescribeConfigsRequest, context: RequestContext
) -> DescribeConfigsResult:
    kind, name = resource.resource_type, resource.resource_name
    try:
        entries = _entries(kind, name, context)
    except ApiError as refusal:
        return DescribeConfigsResult(
            error_code=refusal.error_code, error_message=refusal.message, resource_type=kind, resource_name=name
        )
    wanted = set(resource.configuration_keys or ())
    return DescribeConfigsResult(
        error_message=None,
        resource_type=kind,
        resource_name=name,
        configs=[_result(entry, request) for entry in entries if not wanted or entry.name in wanted],
    )


def _entries(kind: int, name: str, context: RequestContext) -> list[ConfigEntry]:
    """Every key of a resource. Raises ApiError."""
    image, config = context.broker.image, context.broker.controller.static_config
    if kind == ResourceType.TOPIC:
        wrong = check_topic_name(name)
        if wrong is not None:
            raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, wrong)
        if name not in image.topics:
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no topic {name}")
        return topic_configs(image, config).entries(image.topic_config(name))
    if kind == ResourceType.BROKER_LOGGER:
        refuse_another_broker(name, context)
        return logger_entries()
    if kind == ResourceType.CLIENT_METRICS:
        return []
    if kind == ResourceType.GROUP and name:
        return group_configs(image, config, name)
    if kind != ResourceType.BROKER:
        raise ApiError(ErrorCode.INVALID_REQUEST, f"resources of type {kind} have no configuration here")
    everywhere = image.config(ResourceType.BROKER, ALL_BROKERS)
    if name == ALL_BROKERS:
        return broker_default_entries(everywhere)
    refuse_another_broker(name, context)
    return broker_entries(config, image.config(ResourceType.BROKER, name), everywhere)


def _result(entry: ConfigEntry, request: DescribeConfigsRequest) -> DescribeConfigsResourceResult:
    is_secret = entry.type is PASSWORD
    synonyms = entry.synonyms if request.include_synonyms else ()
    return DescribeConfigsResourceResult(
        name=entry.name,
        value=None if is_secret else entry.value,
        read_only=entry.read_only,
        config_source=entry.source,
        is_sensitive=is_secret,
        synonyms=[
            DescribeConfigsSynonym(name=one.name, value=None if is_secret else one.value, source=one.source)
            for one in synonyms
        ],
        config_type=entry.type,
        documentation=entry.sentence if request.include_documentation else None,
    )
