"""All ACLs of a cluster, laid out so that a decision takes as long with a hundred thousand of them as with ten.

A name is matched by its own literal pattern, by the wildcard, and by those of its beginnings that are prefixed
patterns. Each of these is looked up; nothing is ever searched. What one pattern grants to one principal from one host
is two bit fields of operations.

Invariants
    An index never changes; a draft makes a new one. So a worker may look into it.
    No ACL is there twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, TypeVar

from msgspec import Struct

from odradek.protocol.acl import WILDCARD, Acl, PatternType, Permission

K = TypeVar("K")


class Pattern(NamedTuple):
    """Of names of resources."""

    resource_type: int
    pattern_type: int
    name: str


class Who(NamedTuple):
    """To whom something is granted."""

    principal: str
    host: str
    """An address, or WILDCARD."""


class Grant(NamedTuple):
    """Operations as bit fields, each bit the number of one."""

    allowed: int
    denied: int


NOTHING = Grant(0, 0)


class AclIndex(Struct, frozen=True, kw_only=True):
    """Made by `AclDraft`."""

    by_id: Mapping[bytes, Acl] = MappingProxyType({})
    patterns: Mapping[Pattern, int] = MappingProxyType({})
    """How many ACLs name it."""
    grants: Mapping[tuple[Pattern, Who], Grant] = MappingProxyType({})
    """Only such as grant or deny something."""
    patterns_of: Mapping[tuple[int, Who], Mapping[Pattern, None]] = MappingProxyType({})
    """By the type of the resource, and for whom: the patterns of `grants`."""
    prefix_lengths: Mapping[int, Mapping[int, int]] = MappingProxyType({})
    """By the type of the resource: lengths of prefixed patterns, the longest first, and how many ACLs have it."""

    def __len__(self) -> int:
        return len(self.by_id)

    def has(self, acl: Acl) -> bool:
        grant = self.grants.get((pattern_of(acl), who_of(acl)), NOTHING)
        return bool((grant.allowed if acl.permission == Permission.ALLOW else grant.denied) >> acl.operation & 1)

    def matching(self, resource_type: int, name: str) -> Iterator[Pattern]:
        """The patterns of ACLs that speak of this resource: the nearest first."""
        own = Pattern(resource_type, PatternType.LITERAL, name)
        if own in self.patterns:
            yield own
        for length in self.prefix_lengths.get(resource_type, ()):
            if length <= len(name):
                prefix = Pattern(resource_type, PatternType.PREFIXED, name[:length])
                if prefix in self.patterns:
                    yield prefix
        every = Pattern(resource_type, PatternType.LITERAL, WILDCARD)
        if name != WILDCARD and every in self.patterns:
            yield every


NO_ACLS = AclIndex()


class AclDraft:
    """An index in the making. Each mapping of the old one is copied once at most."""

    def __init__(self, old: AclIndex) -> None:
        self._by_id = dict(old.by_id)
        self._patterns = dict(old.patterns)
        self._grants = dict(old.grants)
        self._patterns_of = dict(old.patterns_of)
        self._lengths = {kind: dict(lengths) for kind, lengths in old.prefix_lengths.items()}
        self._own: set[tuple[int, Who]] = set()
        """Of which the patterns have been copied."""

    def index(self) -> AclIndex:
        """The draft must not be changed afterwards."""
        return AclIndex(
            by_id=self._by_id,
            patterns=self._patterns,
            grants=self._grants,
            patterns_of=self._patterns_of,
            prefix_lengths={
                kind: dict(sorted(lengths.items(), reverse=True)) for kind, lengths in self._lengths.items() if lengths
            },
        )

    def add(self, acl_id: bytes, acl: Acl) -> None:
        assert acl_id not in self._by_id
        self._by_id[acl_id] = acl
        pattern, who = pattern_of(acl), who_of(acl)
        self._count(pattern, 1)
        old = self._grants.get((pattern, who), NOTHING)
        self._grants[pattern, who] = _with(old, acl)
        self._patterns_for(pattern, who)[pattern] = None

    def remove(self, acl_id: bytes) -> None:
        acl = self._by_id.pop(acl_id)
        pattern, who = pattern_of(acl), who_of(acl)
        self._count(pattern, -1)
        left = _without(self._grants[pattern, who], acl)
        if left != NOTHING:
            self._grants[pattern, who] = left
            return
        del self._grants[pattern, who]
        patterns = self._patterns_for(pattern, who)
        del patterns[pattern]
        if not patterns:
            del self._patterns_of[pattern.resource_type, who]

    def _patterns_for(self, pattern: Pattern, who: Who) -> dict[Pattern, None]:
        key = (pattern.resource_type, who)
        if key not in self._own or key not in self._patterns_of:
            self._patterns_of[key] = dict(self._patterns_of.get(key, {}))
            self._own.add(key)
        own = self._patterns_of[key]
        assert isinstance(own, dict)
        return own

    def _count(self, pattern: Pattern, change: int) -> None:
        _add(self._patterns, pattern, change)
        if pattern.pattern_type == PatternType.PREFIXED:
            _add(self._lengths.setdefault(pattern.resource_type, {}), len(pattern.name), change)


def pattern_of(acl: Acl) -> Pattern:
    return Pattern(acl.resource_type, acl.pattern_type, acl.resource_name)


def who_of(acl: Acl) -> Who:
    return Who(acl.principal, acl.host)


def _with(grant: Grant, acl: Acl) -> Grant:
    bit = 1 << acl.operation
    if acl.permission == Permission.ALLOW:
        assert not grant.allowed & bit, "no ACL is there twice"
        return Grant(grant.allowed | bit, grant.denied)
    assert not grant.denied & bit, "no ACL is there twice"
    return Grant(grant.allowed, grant.denied | bit)


def _without(grant: Grant, acl: Acl) -> Grant:
    bit = 1 << acl.operation
    if acl.permission == Permission.ALLOW:
        return Grant(grant.allowed & ~bit, grant.denied)
    return Grant(grant.allowed, grant.denied & ~bit)


def _add(counts: dict[K, int], key: K, change: int) -> None:
    counts[key] = counts.get(key, 0) + change
    if not counts[key]:
        del counts[key]
