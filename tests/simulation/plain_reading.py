"""Kafka's rules of permission, read ACL by ACL: slow, short, and beyond doubt."""

from __future__ import annotations

from collections.abc import Iterable

from odradek.protocol.acl import EVERYBODY, WILDCARD, Acl, Operation, PatternType, Permission

IMPLYING = {
    Operation.DESCRIBE: {Operation.READ, Operation.WRITE, Operation.DELETE, Operation.ALTER},
    Operation.DESCRIBE_CONFIGS: {Operation.ALTER_CONFIGS},
}


def plainly(acls: Iterable[Acl], principal: str, host: str, operation: Operation, kind: int, name: str) -> bool | None:
    """What the rules say; None where no ACL speaks of the resource."""
    about = [
        one
        for one in acls
        if one.resource_type == kind
        and (
            one.resource_name in (name, WILDCARD)
            if one.pattern_type == PatternType.LITERAL
            else name.startswith(one.resource_name)
        )
    ]
    mine = [one for one in about if one.principal in (principal, EVERYBODY) and one.host in (host, WILDCARD)]
    if any(one.permission == Permission.DENY and one.operation in (operation, Operation.ALL) for one in mine):
        return False
    enough = {operation, Operation.ALL} | IMPLYING.get(operation, set())
    if any(one.permission == Permission.ALLOW and one.operation in enough for one in mine):
        return True
    return False if about else None
