"""What every client can be asked to do, in plain values: bytes in, bytes out, nothing of the client's own types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Headers = tuple[tuple[str, bytes | None], ...]

READ_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Sent:
    """A record to be produced. `timestamp_ms` None leaves it to the client's clock."""

    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int | None = None


@dataclass(frozen=True)
class Read:
    """A record as a consumer got it."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Member(Protocol):
    """One consumer in a group. It rebalances only while it is polled."""

    def poll(self, timeout_seconds: float) -> list[Read]: ...

    def assignment(self) -> set[int]:
        """Partitions of the subscribed topic that this member owns now."""
        ...

    def commit(self) -> None:
        """Commit, and wait for the answer, what `poll` has returned so far."""
        ...

    def close(self) -> None:
        """Leave the group without a further commit."""
        ...


class Client(Protocol):
    name: str
    codecs: tuple[str, ...]

    def can_send(self, record: Sent) -> bool:
        """Whether this client has a way to express `record`."""
        ...

    def produce(
        self, bootstrap: str, topic: str, records: Sequence[Sent], *, codec: str = "none", partition: int = 0
    ) -> list[int]:
        """Produce to one partition with acks=all; the acknowledged offsets, empty where the client does not tell."""
        ...

    def read(self, bootstrap: str, topic: str, count: int, *, partition: int = 0) -> list[Read]:
        """The first `count` records of a partition, from its beginning."""
        ...


class GroupClient(Client, Protocol):
    def join(self, bootstrap: str, group: str, topic: str) -> Member:
        """A new member subscribed to `topic`, starting at the earliest offset where nothing is committed."""
        ...

    def produce_idempotently(self, bootstrap: str, topic: str, records: Sequence[Sent]) -> list[int]:
        """Like `produce`, to partition 0, by a producer with enable.idempotence and many small batches in flight."""
        ...


class RefusedError(Exception):
    """The client gave up a record or a request; `code` is Kafka's error code."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
