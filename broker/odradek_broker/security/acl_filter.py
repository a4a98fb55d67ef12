"""Which ACLs a filter of Kafka's means: those that it lists, and those that it deletes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from odradek.protocol.acl import WILDCARD, Acl, Operation, PatternType, Permission, ResourceType


class AclFilter(Struct, frozen=True):
    """Null and ANY stand for everything."""

    resource_type: int
    resource_name: str | None
    pattern_type: int
    """ANY takes patterns of this name, MATCH those of every kind that speak of a resource of this name."""
    principal: str | None
    host: str | None
    operation: int
    permission: int

    def refuse(self) -> str | None:
        """What is wrong with it."""
        for kind, value in (
            (ResourceType, self.resource_type),
            (PatternType, self.pattern_type),
            (Operation, self.operation),
            (Permission, self.permission),
        ):
            if value not in kind._value2member_map_ or value == 0:
                return f"the filter has an unknown {kind.__name__}: {value}"
        return None

    def matches(self, acl: Acl) -> bool:
        return (
            self.resource_type in (ResourceType.ANY, acl.resource_type)
            and self.principal in (None, acl.principal)
            and self.host in (None, acl.host)
            and self.operation in (Operation.ANY, acl.operation)
            and self.permission in (Permission.ANY, acl.permission)
            and self._matches_pattern(acl)
        )

    def select(self, acls: Iterable[tuple[bytes, Acl]]) -> Iterator[tuple[bytes, Acl]]:
        """ACLs with their ids."""
        return ((acl_id, acl) for acl_id, acl in acls if self.matches(acl))

    def _matches_pattern(self, acl: Acl) -> bool:
        if self.pattern_type not in (PatternType.ANY, PatternType.MATCH, acl.pattern_type):
            return False
        if self.resource_name is None:
            return True
        if self.pattern_type != PatternType.MATCH:
            return self.resource_name == acl.resource_name
        if acl.pattern_type == PatternType.PREFIXED:
            return self.resource_name.startswith(acl.resource_name)
        return acl.resource_name in (self.resource_name, WILDCARD)
