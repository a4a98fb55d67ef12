"""AlterPartitionReassignments (API key 45), versions 0-1: put partitions on other brokers (KIP-455).

Behaviour
    Partitions are decided one by one (controller/reassignments.py has the rules). Null replicas cancel what is under
    way, and are NO_REASSIGNMENT_IN_PROGRESS where nothing is.
    The journal cannot be written    KAFKA_STORAGE_ERROR; no controller answers: REQUEST_TIMED_OUT
Versions
    1 allow_replication_factor_change
"""

from __future__ import annotations

from odradek.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.metadata.client import ControllerUnavailable

REQUEST, VERSIONS = AlterPartitionReassignmentsRequest, range(2)


async def handle(
    request: AlterPartitionReassignmentsRequest, context: RequestContext
) -> AlterPartitionReassignmentsResponse:
    try:
        return await context.broker.controller.ask(request, AlterPartitionReassignmentsResponse, context.version)
    except ControllerUnavailable as error:
        return AlterPartitionReassignmentsResponse(error_code=error.error_code, error_message=str(error))
