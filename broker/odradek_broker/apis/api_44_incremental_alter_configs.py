"""IncrementalAlterConfigs (API key 44), versions 0-1: change single keys of topics, groups, brokers and loggers.

Behaviour
    Resources are decided one by one (controller/configs.py has the rules); a bad one never fails its neighbours.
    Certificates of this broker's listeners are looked at first (own_certificates.py): INVALID_REQUEST for what it could
    not use, and for those of another broker.
    The loggers of this broker are its own affair (config/loggers.py); the controller never hears of them.
    Another broker's loggers         INVALID_REQUEST
    No such logger, or level         INVALID_CONFIG, and none of the resource's levels is changed
    The journal cannot be written    KAFKA_STORAGE_ERROR for every resource, and nothing is changed
    No controller answers            REQUEST_TIMED_OUT likewise
Versions
    1 flexible
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import structs

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.own_certificates import refuse_bad_certificates
from odradek_broker.apis.own_resources import refuse_another_broker
from odradek_broker.config.loggers import check_level, set_level
from odradek_broker.controller.configs import Operation
from odradek_broker.controller.image import ResourceType
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = IncrementalAlterConfigsRequest, range(2)


async def handle(request: IncrementalAlterConfigsRequest, context: RequestContext) -> IncrementalAlterConfigsResponse:
    loggers = [each for each in request.resources if each.resource_type == ResourceType.BROKER_LOGGER]
    answers = [_alter_loggers(resource, request.validate_only, context) for resource in loggers]
    others = []
    for each in request.resources:
        if each.resource_type == ResourceType.BROKER and (refused := await _look_at_certificates(each, context)):
            answers.append(refused)
        elif each.resource_type != ResourceType.BROKER_LOGGER:
            others.append(each)
    if others or not answers:
        answers += await _ask_controller(structs.replace(request, resources=others), context)
    return IncrementalAlterConfigsResponse(responses=answers)


async def _look_at_certificates(
    resource: AlterConfigsResource, context: RequestContext
) -> AlterConfigsResourceResponse | None:
    """The refusal, where there is one."""
    values = dict(context.broker.image.config(ResourceType.BROKER, resource.resource_name))
    for change in resource.configs:
        if change.config_operation == Operation.DELETE:
            values.pop(change.name, None)
        elif change.config_operation == Operation.SET and change.value is not None:
            values[change.name] = change.value
    try:
        await refuse_bad_certificates(resource.resource_name, values, context)
    except ApiError as refusal:
        return _answer(resource, refusal.error_code, refusal.message)
    return None


async def _ask_controller(
    request: IncrementalAlterConfigsRequest, context: RequestContext
) -> Sequence[AlterConfigsResourceResponse]:
    try:
        response = await context.broker.controller.ask(request, IncrementalAlterConfigsResponse, context.version)
    except ControllerUnavailable as error:
        return [_answer(resource, error.error_code, str(error)) for resource in request.resources]
    return response.responses


def _alter_loggers(
    resource: AlterConfigsResource, validate_only: bool, context: RequestContext
) -> AlterConfigsResourceResponse:
    try:
        refuse_another_broker(resource.resource_name, context)
        for change in resource.configs:
            _refuse_level(change)
    except ApiError as refusal:
        return _answer(resource, refusal.error_code, refusal.message)
    if not validate_only:
        for change in resource.configs:
            set_level(change.name, change.value if change.config_operation == Operation.SET else None)
    return _answer(resource, ErrorCode.NONE, None)


def _refuse_level(change: AlterableConfig) -> None:
    if change.config_operation not in (Operation.SET, Operation.DELETE):
        raise ApiError(ErrorCode.INVALID_REQUEST, f"the level of {change.name} can be set or deleted, nothing else")
    level = (change.value or "") if change.config_operation == Operation.SET else None
    wrong = check_level(change.name, level)
    if wrong is not None:
        raise ApiError(ErrorCode.INVALID_CONFIG, wrong)


def _answer(resource: AlterConfigsResource, error: int, message: str | None) -> AlterConfigsResourceResponse:
    return AlterConfigsResourceResponse(error, message, resource.resource_type, resource.resource_name)
