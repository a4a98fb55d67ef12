"""ApiVersions (API key 18), versions 0-5: say which APIs this broker answers, in which versions.

Behaviour
    The answer is built from the handler files, so what is advertised is what exists.
    What Kafka does not have is advertised to Odradek's own client alone, which says its name
    A version we do not know         UNSUPPORTED_VERSION in a version 0 body that names our range (KIP-511)
    A malformed software name        INVALID_REQUEST (version 3 on)
    Another cluster or node meant    REBOOTSTRAP_REQUIRED (version 5 on); only one of the two named: INVALID_REQUEST
Versions
    1 throttle_time_ms    3 flexible, software name and version, features    4 features whose minimum is 0
    5 cluster_id, node_id (KIP-1242)
"""

from __future__ import annotations

import re

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.api_versions import (
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
    FinalizedFeatureKey,
    SupportedFeatureKey,
)
from odradek_broker.apis import Api, RequestContext
from odradek_broker.controller.features import SUPPORTED
from odradek_broker.controller.image import MetadataImage

REQUEST, VERSIONS = ApiVersionsRequest, range(6)

ANY_NODE = -1
OWN_SOFTWARE = "odradek"
"""As Odradek's client calls itself."""

FEATURES_WITH_MINIMUM_0 = 4
"""Older Java clients cannot read them."""

_software = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def handle(request: ApiVersionsRequest, context: RequestContext) -> ApiVersionsResponse:
    if context.version >= 3:
        named = (request.client_software_name, request.client_software_version)
        if not all(_software.fullmatch(name) for name in named):
            return ApiVersionsResponse(error_code=ErrorCode.INVALID_REQUEST)
        context.caller.software = " ".join(named)
    if request.cluster_id is not None or request.node_id != ANY_NODE:
        error = _check_identity(request, context)
        if error:
            return ApiVersionsResponse(error_code=error)
    image = context.broker.image
    finalized = [FinalizedFeatureKey(name, image.features[name], image.features[name]) for name in _finalized(image)]
    return ApiVersionsResponse(
        api_keys=[_entry(api) for _, api in sorted(context.apis.items()) if _is_for(context.caller.software, api)],
        supported_features=[
            SupportedFeatureKey(name, levels.start, levels.stop - 1)
            for name, levels in SUPPORTED.items()
            if levels.start > 0 or context.version >= FEATURES_WITH_MINIMUM_0
        ],
        finalized_features_epoch=image.offset,
        finalized_features=finalized,
    )


def _is_for(software: str, api: Api) -> bool:
    return bool(api.advertised_versions) and (not api.for_own_clients or software.partition(" ")[0] == OWN_SOFTWARE)


def _check_identity(request: ApiVersionsRequest, context: RequestContext) -> ErrorCode:
    """Whether this is who the client means to ask, by the metadata that it remembers."""
    if request.cluster_id is None or request.node_id == ANY_NODE:
        return ErrorCode.INVALID_REQUEST
    here = (context.broker.image.cluster_id, context.broker.node_id)
    return ErrorCode.NONE if (request.cluster_id, request.node_id) == here else ErrorCode.REBOOTSTRAP_REQUIRED


def _finalized(image: MetadataImage) -> list[str]:
    """Those that have a level; 0 is none."""
    return [name for name in SUPPORTED if image.features.get(name, 0) > 0]


def refuse_version(api: Api) -> ApiVersionsResponse:
    """The answer to a version that we do not know; to be encoded as version 0."""
    return ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[_entry(api)])


def _entry(api: Api) -> ApiVersion:
    versions = api.advertised_versions
    return ApiVersion(api_key=api.key, min_version=versions.start, max_version=versions.stop - 1)
