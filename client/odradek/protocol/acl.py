"""The words of access control, with the numbers that Kafka gives them on the wire and in the metadata."""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct

WILDCARD = "*"
"""As the name of a resource: every one of its type. As a host: every one."""
EVERYBODY = "User:*"
"""The principal that stands for all of them."""
CLUSTER_NAME = "kafka-cluster"
"""The only resource of the type CLUSTER."""


class ResourceType(IntEnum):
    """What something is done with."""

    UNKNOWN = 0
    ANY = 1
    TOPIC = 2
    GROUP = 3
    CLUSTER = 4
    TRANSACTIONAL_ID = 5
    DELEGATION_TOKEN = 6
    USER = 7


class PatternType(IntEnum):
    """How the name of an ACL's resource is meant. ANY and MATCH occur in filters only."""

    UNKNOWN = 0
    ANY = 1
    MATCH = 2
    LITERAL = 3
    PREFIXED = 4


class Operation(IntEnum):
    """What is done. ALL occurs in ACLs, ANY in filters only."""

    UNKNOWN = 0
    ANY = 1
    ALL = 2
    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11
    IDEMPOTENT_WRITE = 12
    CREATE_TOKENS = 13
    DESCRIBE_TOKENS = 14
    TWO_PHASE_COMMIT = 15


class Permission(IntEnum):
    """What an ACL says about it. ANY occurs in filters only."""

    UNKNOWN = 0
    ANY = 1
    DENY = 2
    ALLOW = 3


O = Operation  # noqa: E741  short for the table below only
OPERATIONS: dict[ResourceType, tuple[Operation, ...]] = {
    ResourceType.TOPIC: (
        O.READ,
        O.WRITE,
        O.CREATE,
        O.DESCRIBE,
        O.DELETE,
        O.ALTER,
        O.DESCRIBE_CONFIGS,
        O.ALTER_CONFIGS,
    ),
    ResourceType.GROUP: (O.READ, O.DESCRIBE, O.DELETE, O.DESCRIBE_CONFIGS, O.ALTER_CONFIGS),
    ResourceType.CLUSTER: (
        O.CREATE,
        O.CLUSTER_ACTION,
        O.DESCRIBE_CONFIGS,
        O.ALTER_CONFIGS,
        O.IDEMPOTENT_WRITE,
        O.ALTER,
        O.DESCRIBE,
    ),
    ResourceType.TRANSACTIONAL_ID: (O.DESCRIBE, O.WRITE, O.TWO_PHASE_COMMIT),
    ResourceType.DELEGATION_TOKEN: (O.DESCRIBE,),
    ResourceType.USER: (O.CREATE_TOKENS, O.DESCRIBE_TOKENS),
}
"""What can be done with resources of each type."""
del O


class Acl(Struct, frozen=True, gc=False):
    """One permission, or one prohibition. Numbers are those of the enumerations above."""

    resource_type: int
    resource_name: str
    pattern_type: int
    principal: str
    """As `User:alice`."""
    host: str
    """An address, or WILDCARD."""
    operation: int
    permission: int

    def __str__(self) -> str:
        """As in `ALLOW User:alice from * to READ on TOPIC:PREFIXED:orders-`."""
        permission, operation = name_of(Permission, self.permission), name_of(Operation, self.operation)
        kind, pattern = name_of(ResourceType, self.resource_type), name_of(PatternType, self.pattern_type)
        return f"{permission} {self.principal} from {self.host} to {operation} on {kind}:{pattern}:{self.resource_name}"


def name_of(words: type[IntEnum], number: int) -> str:
    """The word for a number; the number itself where it is newer than these lists."""
    return words(number).name if number in words._value2member_map_ else str(number)


def operation_bits(*operations: int) -> int:
    """A set of operations as a bit field, each bit the number of an operation (KIP-430)."""
    return sum(1 << operation for operation in operations)
