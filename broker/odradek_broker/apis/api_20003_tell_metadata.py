"""TellMetadata (API key 20003, Odradek's own): all metadata as this node knows it, for who has to make a journal anew,
and for a broker that its controller refuses.

Behaviour
    Any node answers, be it a controller or not; without the records, where who asks knows as much. Never advertised.
"""

from __future__ import annotations

from odradek_broker.apis import RequestContext
from odradek_broker.controller.frame import frame
from odradek_broker.controller.snapshot import records_of
from odradek_broker.metadata.messages import TellMetadataRequest, TellMetadataResponse

REQUEST, VERSIONS, ADVERTISED_VERSIONS = TellMetadataRequest, range(1), range(0)
FOR_BROKERS = True


def handle(request: TellMetadataRequest, context: RequestContext) -> TellMetadataResponse:
    image = context.broker.image
    knows_more = image.offset > request.beyond_offset
    return TellMetadataResponse(
        cluster_id=image.cluster_id,
        node_id=context.broker.node_id,
        last_offset=image.offset,
        epoch=context.broker.controller.metadata_epoch,
        records=[frame(record) for record in records_of(image)] if knows_more else (),
    )
