"""DescribeCluster (API key 60), versions 0-2: the brokers of the cluster (KIP-700).

Behaviour
    Every broker passes on what the controller must decide, so each names itself as the controller.
    Asked for controllers            MISMATCHED_ENDPOINT_TYPE; for anything else: UNSUPPORTED_ENDPOINT_TYPE
Versions
    1 endpoint_type    2 fenced brokers
"""

from __future__ import annotations

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.apis.addresses import reachable_brokers
from odradek_broker.apis.operations import CLUSTER_OPERATIONS, NOT_ASKED_FOR

REQUEST, VERSIONS = DescribeClusterRequest, range(3)

BROKERS, CONTROLLERS = 1, 2


def handle(request: DescribeClusterRequest, context: RequestContext) -> DescribeClusterResponse:
    if request.endpoint_type != BROKERS:
        mismatched = request.endpoint_type == CONTROLLERS
        error = ErrorCode.MISMATCHED_ENDPOINT_TYPE if mismatched else ErrorCode.UNSUPPORTED_ENDPOINT_TYPE
        return DescribeClusterResponse(error_code=error, error_message="brokers are all that can be asked for here")
    asked = request.include_cluster_authorized_operations
    return DescribeClusterResponse(
        cluster_id=context.broker.image.cluster_id,
        controller_id=context.broker.node_id,
        brokers=[
            DescribeClusterBroker(
                broker_id=broker.broker_id,
                host=address[0],
                port=address[1],
                rack=broker.rack,
                is_fenced=broker.fenced,
            )
            for broker, address in reachable_brokers(context, fenced_too=request.include_fenced_brokers)
        ],
        cluster_authorized_operations=CLUSTER_OPERATIONS if asked else NOT_ASKED_FOR,
    )
