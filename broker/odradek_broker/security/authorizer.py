"""Whether somebody may do something, by the rules of Kafka's StandardAuthorizer.

    a super user                        may do everything, whatever ACLs say
    an ACL that prohibits it            wins over all that allow it
    an ACL that allows it               Describe is allowed also by Read, Write, Delete and Alter, and DescribeConfigs
                                        by AlterConfigs; prohibitions imply nothing
    no ACL speaks of the resource       nobody may, or everybody with allow.everyone.if.no.acl.found
    ACLs speak of it, but none of this  refused
An ACL holds for one principal or for User:*, from one address or from everywhere. Where there is no authorizer at all,
everybody may do everything; nobody asks here then.
"""

from __future__ import annotations

import ipaddress
from enum import Enum

from msgspec import Struct

from odradek.protocol.acl import (
    EVERYBODY,
    WILDCARD,
    Acl,
    Operation,
    PatternType,
    Permission,
    ResourceType,
    name_of,
    operation_bits,
)
from odradek_broker.ports.addresses import plain_address
from odradek_broker.security.acl_index import NOTHING, AclIndex, Pattern, Who

ALSO_DESCRIBE = operation_bits(Operation.READ, Operation.WRITE, Operation.DELETE, Operation.ALTER)
ALSO_DESCRIBE_CONFIGS = operation_bits(Operation.ALTER_CONFIGS)


class Reason(Enum):
    """What a decision rests on."""

    ACL = "an ACL"
    SUPER_USER = "super.users"
    NOBODY_SPEAKS_OF_IT = "no ACL speaks of it"
    """So allow.everyone.if.no.acl.found decides."""
    NOT_AMONG_ITS_ACLS = "no ACL of the resource allows it"


class Decision(Struct, frozen=True):
    allowed: bool
    reason: Reason
    acl: Acl | None = None
    """Where that is the reason. Where several would be, one of the nearest pattern."""

    @property
    def rule(self) -> str:
        """For people, and for the audit log."""
        return str(self.acl) if self.acl is not None else self.reason.value


class Asker(Struct, frozen=True):
    """Who asks, and from where."""

    principal: str
    """As `User:alice`."""
    as_whom: tuple[Who, ...]
    """All those for whom an ACL may be, that would hold for this one."""


def asker(principal: str, host: str) -> Asker:
    """`host`: the address from which it is asked."""
    names, hosts = dict.fromkeys((principal, EVERYBODY)), (WILDCARD, *spellings(host))
    return Asker(principal, tuple(Who(name, each) for name in names for each in hosts))


class Authorizer(Struct, frozen=True):
    """The settings by which ACLs are read."""

    super_users: frozenset[str] = frozenset()
    """As `User:alice`."""
    allow_everyone_if_no_acl_found: bool = False

    def decide(self, acls: AclIndex, asker: Asker, operation: int, resource_type: int, name: str) -> Decision:
        if asker.principal in self.super_users:
            return Decision(True, Reason.SUPER_USER)
        allowing, denying = _allowed_by(operation), _denied_by(operation)
        spoken_of, allowed = False, None
        for pattern in acls.matching(resource_type, name):
            spoken_of = True
            for who in asker.as_whom:
                grant = acls.grants.get((pattern, who), NOTHING)
                if grant.denied & denying:
                    return Decision(False, Reason.ACL, _acl(pattern, who, grant.denied & denying, Permission.DENY))
                if allowed is None and grant.allowed & allowing:
                    allowed = _acl(pattern, who, grant.allowed & allowing, Permission.ALLOW)
        if allowed is not None:
            return Decision(True, Reason.ACL, allowed)
        if spoken_of:
            return Decision(False, Reason.NOT_AMONG_ITS_ACLS)
        return Decision(self.allow_everyone_if_no_acl_found, Reason.NOBODY_SPEAKS_OF_IT)

    def decide_any(self, acls: AclIndex, asker: Asker, operation: int, resource_type: int) -> Decision:
        """Whether it may be done with at least one resource of the type, be there such a one or not (KIP-679).

        Operations imply nothing here, as in Kafka.
        """
        probe = self.decide(acls, asker, operation, resource_type, "hardcode")
        if probe.allowed:
            return probe
        bits, denied, allowed = _denied_by(operation), set[Pattern](), dict[Pattern, Acl]()
        for who in asker.as_whom:
            for pattern in acls.patterns_of.get((resource_type, who), ()):
                grant = acls.grants[pattern, who]
                if grant.denied & bits:
                    denied.add(pattern)
                if grant.allowed & bits:
                    allowed[pattern] = _acl(pattern, who, grant.allowed & bits, Permission.ALLOW)
        every = Pattern(resource_type, PatternType.LITERAL, WILDCARD)
        if every in denied:
            return Decision(False, Reason.NOT_AMONG_ITS_ACLS)
        for pattern, acl in allowed.items():
            if pattern == every or not _is_covered(pattern, denied):
                return Decision(True, Reason.ACL, acl)
        return Decision(False, Reason.NOT_AMONG_ITS_ACLS)


def parse_super_users(text: str) -> frozenset[str]:
    """Of `User:alice;User:bob`. Raises ValueError for what is no principal."""
    users = {each.strip() for each in text.split(";")} - {""}
    for each in sorted(users):
        kind, colon, _ = each.partition(":")
        if not kind or not colon:
            raise ValueError(f"{each!r} must look like User:NAME")
    return frozenset(users)


def spellings(host: str) -> tuple[str, ...]:
    """How ACLs may name an address: an IPv6 address also as Java writes it, without any abbreviation."""
    plain = plain_address(host)
    if ":" not in plain:
        return (plain,)
    groups = ipaddress.ip_address(plain).exploded.partition("%")[0].split(":")
    return plain, ":".join(f"{int(group, 16):x}" for group in groups)


def _denied_by(operation: int) -> int:
    return 1 << operation | 1 << Operation.ALL


def _allowed_by(operation: int) -> int:
    if operation == Operation.DESCRIBE:
        return _denied_by(operation) | ALSO_DESCRIBE
    if operation == Operation.DESCRIBE_CONFIGS:
        return _denied_by(operation) | ALSO_DESCRIBE_CONFIGS
    return _denied_by(operation)


def _acl(pattern: Pattern, who: Who, bits: int, permission: Permission) -> Acl:
    """The ACL of the lowest operation among the bits."""
    operation = (bits & -bits).bit_length() - 1
    return Acl(
        pattern.resource_type, pattern.name, pattern.pattern_type, who.principal, who.host, operation, permission
    )


def _is_covered(pattern: Pattern, denied: set[Pattern]) -> bool:
    """Whether all that the pattern names is denied by one of these, each by itself."""
    if pattern.pattern_type == PatternType.LITERAL and pattern in denied:
        return True
    name = pattern.name
    prefixes = (Pattern(pattern.resource_type, PatternType.PREFIXED, name[:end]) for end in range(1, len(name) + 1))
    return any(prefix in denied for prefix in prefixes)


def describe_resource(resource_type: int, name: str) -> str:
    """As `TOPIC:orders`."""
    return f"{name_of(ResourceType, resource_type)}:{name}"
