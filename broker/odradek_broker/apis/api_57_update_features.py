"""UpdateFeatures (API key 57), versions 0-2: raise or lower the finalized level of a feature.

Behaviour
    All updates are made, or none is (controller/features.py has the rules).
    Not a feature, a level that there is not, a downgrade that was not asked for    INVALID_UPDATE_VERSION
    A feature named twice    INVALID_REQUEST
    The journal cannot be written    KAFKA_STORAGE_ERROR; no controller answers: REQUEST_TIMED_OUT
Versions
    1 upgrade_type, validate_only    2 the results of each feature go
"""

from __future__ import annotations

from odradek.protocol.messages.update_features import UpdateFeaturesRequest, UpdateFeaturesResponse
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = UpdateFeaturesRequest, range(3)


async def handle(request: UpdateFeaturesRequest, context: RequestContext) -> UpdateFeaturesResponse:
    try:
        return await context.broker.controller.ask(request, UpdateFeaturesResponse, context.version)
    except ControllerUnavailable as error:
        return UpdateFeaturesResponse(error_code=error.error_code, error_message=error.error_code.sentence)
