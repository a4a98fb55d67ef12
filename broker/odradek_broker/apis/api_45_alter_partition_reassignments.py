"""AlterPartitionReassignments (API key 45), versions 0-1: put partitions on other brokers (KIP-455).

Behaviour
    A partition that is already where it should be: success. Cancelling what is not under way:
    NO_REASSIGNMENT_IN_PROGRESS. Replicas are not moved between brokers: INVALID_REPLICA_ASSIGNMENT.
Versions
    1 allow_replication_factor_change
"""

from __future__ import annotations

from odradek.protocol.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
)
from odradek_broker.apis import RequestContext
from odradek_broker.controller.reassignments import judge_reassignments

REQUEST, VERSIONS = AlterPartitionReassignmentsRequest, range(2)


def handle(request: AlterPartitionReassignmentsRequest, context: RequestContext) -> AlterPartitionReassignmentsResponse:
    return judge_reassignments(context.broker.image, request)
