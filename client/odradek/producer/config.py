"""What a producer can be told, each default in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

from odradek.cluster.config import ClientConfig, ClientOptions
from odradek.protocol.records.codecs import Codec

Acks: TypeAlias = Literal[0, 1, -1, "all"]
CompressionName: TypeAlias = Literal["none", "gzip", "snappy", "lz4", "zstd"]
COMPRESSIONS: tuple[str, ...] = get_args(CompressionName)
ChoosePartition: TypeAlias = Callable[[str, bytes | None, bytes | None, int], int]
"""(topic, key, value, partition count) -> partition."""
Partitioner: TypeAlias = Literal["sticky", "round_robin"] | ChoosePartition


class ProducerOptions(ClientOptions, total=False):
    """The keyword arguments of Producer; ProducerConfig says what each means and what it is when left out."""

    acks: Acks
    idempotent: bool | None
    transactional_id: str | None
    transaction_timeout_ms: int
    compression: CompressionName | None
    compression_level: int | None
    linger_ms: float
    batch_size: int
    max_request_size: int
    buffer_memory: int
    partitioner: Partitioner
    max_in_flight: int
    delivery_timeout_ms: int
    max_block_ms: int
    close_timeout_ms: int


class ProducerConfig(ClientConfig, frozen=True, kw_only=True):
    """Checked when made: raises ValueError where options contradict each other."""

    acks: Acks = "all"
    """0: do not wait. 1: the leader has it. "all": all in-sync replicas have it."""
    idempotent: bool | None = None
    """Retries make no duplicates and change no order. Left out: on wherever acks is "all"."""
    transactional_id: str | None = None
    """Records are sent in transactions; an earlier producer with the same id is fenced."""
    transaction_timeout_ms: int = 60_000
    """The coordinator aborts a transaction that takes longer."""
    compression: CompressionName | None = None
    compression_level: int | None = None
    linger_ms: float = 5
    """How long a batch that is not full waits for more records, unless somebody waits for it."""
    batch_size: int = 256 * 1024
    """Bytes of records, before compression, that a batch is closed at. A larger record is a batch by itself."""
    max_request_size: int = 1024 * 1024
    """Bytes of records in one request, and of one record."""
    buffer_memory: int = 64 * 1024 * 1024
    """Bytes of records that may be waiting to be acknowledged; above that `send` waits."""
    partitioner: Partitioner = "sticky"
    """For records without a key (those with a key go by its murmur2, as with Kafka), or a function for all records."""
    max_in_flight: int = 5
    """Requests on their way to one broker. An idempotent producer may not have more than five."""
    delivery_timeout_ms: int = 120_000
    """From `send` until a record is given up."""
    max_block_ms: int = 60_000
    """How long `send` waits for room or for metadata, and a transactional producer to be let in."""
    close_timeout_ms: int = 5_000
    """How long the end of the scope still tries to deliver when it is left by an exception."""
    client_id: str = "odradek-producer"

    def __post_init__(self) -> None:
        if self.acks not in (0, 1, -1, "all"):
            raise ValueError(f'acks={self.acks!r}: use 0, 1 or "all"')
        if self.compression not in (None, *COMPRESSIONS):
            raise ValueError(f"compression={self.compression!r}: use one of {', '.join(COMPRESSIONS)}")
        if self.idempotent and self.acks not in (-1, "all"):
            raise ValueError('an idempotent producer needs acks="all"')
        if self.transactional_id is not None and not self.is_idempotent:
            raise ValueError("a transactional producer is idempotent")
        if self.is_idempotent and not 1 <= self.max_in_flight <= 5:
            raise ValueError("an idempotent producer has one to five requests in flight")
        if self.delivery_timeout_ms < self.linger_ms + self.request_timeout_ms:
            raise ValueError("delivery_timeout_ms has to cover linger_ms and request_timeout_ms")
        for name in ("batch_size", "max_request_size", "buffer_memory", "max_in_flight"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} has to be positive")

    @property
    def is_idempotent(self) -> bool:
        return self.acks in (-1, "all") if self.idempotent is None else self.idempotent

    @property
    def required_acks(self) -> int:
        """As it is on the wire."""
        return -1 if self.acks == "all" else self.acks

    @property
    def codec(self) -> Codec:
        return Codec[(self.compression or "none").upper()]
