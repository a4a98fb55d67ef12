"""The topics of the cluster, as far as a coordinator that assigns partitions has to know them.

Whether what a group has been assigned from is still true is told by one number, a hash over the topics that its members
have subscribed to (KIP-1101). It is compared and recorded, never taken apart: what it is made of is the same as in
Kafka, the function is not, so a coordinator of the other kind would assign anew once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from typing import Protocol

from msgspec import Struct

NO_TOPICS_HASH = 0


class Topic(Struct, frozen=True):
    """A topic that exists."""

    name: str
    topic_id: bytes
    racks: tuple[tuple[str, ...], ...]
    """Of each partition: where its replicas are, in order."""
    hash: bytes

    @property
    def partition_count(self) -> int:
        return len(self.racks)


class Topics(Protocol):
    """All topics there are, at one moment."""

    @property
    def version(self) -> int:
        """Rises whenever anything in the metadata changes."""

    @property
    def names_version(self) -> int:
        """That at which a topic last came to be."""

    def get(self, name: str) -> Topic | None: ...

    def name_of(self, topic_id: bytes) -> str | None: ...

    def names(self) -> Collection[str]: ...


class NoTopics:
    """Before any metadata is known."""

    version = names_version = -1

    def get(self, name: str) -> Topic | None:
        return None

    def name_of(self, topic_id: bytes) -> str | None:
        return None

    def names(self) -> Collection[str]:
        return ()


def topic_of(name: str, topic_id: bytes, racks: Iterable[Iterable[str]]) -> Topic:
    """A topic with its hash: over its name, its id, and where each partition's replicas are."""
    sorted_racks = tuple(tuple(sorted(each)) for each in racks)
    hashed = hashlib.blake2b(digest_size=8)
    for text in (topic_id.hex(), name, *("\0".join(each) for each in sorted_racks)):
        data = text.encode()
        hashed.update(len(data).to_bytes(4, "big") + data)
    return Topic(name, topic_id, sorted_racks, hashed.digest())


def metadata_hash(names: Iterable[str], topics: Topics) -> int:
    """Of those topics that exist, an int64; NO_TOPICS_HASH where none does."""
    found = [topic for name in sorted(names) if (topic := topics.get(name)) is not None]
    if not found:
        return NO_TOPICS_HASH
    digest = hashlib.blake2b(b"".join(each.hash for each in found), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
