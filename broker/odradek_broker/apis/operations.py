"""What a client is told that it may do, where it asks and nobody is asked for permission: everything that there is."""

from __future__ import annotations

from odradek.protocol.acl import OPERATIONS, ResourceType, operation_bits

NOT_ASKED_FOR = -(2**31)

TOPIC_OPERATIONS = operation_bits(*OPERATIONS[ResourceType.TOPIC])
GROUP_OPERATIONS = operation_bits(*OPERATIONS[ResourceType.GROUP])
CLUSTER_OPERATIONS = operation_bits(*OPERATIONS[ResourceType.CLUSTER])
