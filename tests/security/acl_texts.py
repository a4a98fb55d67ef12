"""ACLs as one writes them down."""

from __future__ import annotations

from odradek.protocol.acl import Acl, Operation, PatternType, Permission, ResourceType
from odradek_broker.security.acl_index import NO_ACLS, AclDraft, AclIndex


def acl(text: str) -> Acl:
    """Of `allow User:alice * READ TOPIC LITERAL orders`."""
    permission, principal, host, operation, kind, pattern, name = text.split()
    return Acl(
        ResourceType[kind],
        name,
        PatternType[pattern],
        principal,
        host,
        Operation[operation],
        Permission[permission.upper()],
    )


def index(*texts: str) -> AclIndex:
    """Each with a number as its id."""
    draft = AclDraft(NO_ACLS)
    for number, text in enumerate(texts):
        draft.add(number.to_bytes(16, "big"), acl(text))
    return draft.index()
