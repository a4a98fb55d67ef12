"""What a consumer can be told, each default in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeAlias

from odradek.cluster.config import ClientConfig, ClientOptions
from odradek.protocol.topic_partition import TopicPartition

Start: TypeAlias = Literal["earliest", "latest", "none"]
CommitMode: TypeAlias = Literal["auto", "manual", "before"]
Isolation: TypeAlias = Literal["read_uncommitted", "read_committed"]
AssignorName: TypeAlias = Literal["range", "roundrobin", "sticky", "cooperative-sticky"]
GroupProtocol: TypeAlias = Literal["classic", "consumer"]
RebalanceCallback: TypeAlias = Callable[[list[TopicPartition]], Awaitable[None]]


class ConsumerOptions(ClientOptions, total=False):
    """The keyword arguments of Consumer; ConsumerConfig says what each means and what it is when left out."""

    start: Start
    commit: CommitMode
    auto_commit_interval_ms: int
    isolation_level: Isolation
    show_markers: bool
    on_assign: RebalanceCallback | None
    on_revoke: RebalanceCallback | None
    protocol: GroupProtocol | None
    instance_id: str | None
    assignors: Sequence[AssignorName]
    session_timeout_ms: int
    heartbeat_interval_ms: int
    max_poll_interval_ms: int
    max_poll_records: int
    prefetch_bytes: int
    fetch_max_bytes: int
    decompressed_max_bytes: int
    max_partition_fetch_bytes: int
    fetch_min_bytes: int
    fetch_max_wait_ms: int
    close_timeout_ms: int
    client_rack: str


class ConsumerConfig(ClientConfig, frozen=True, kw_only=True):
    """Checked when made: raises ValueError."""

    start: Start = "earliest"
    """Where a partition begins that has no committed offset, or one out of range: Kafka's auto.offset.reset."""
    commit: CommitMode = "auto"
    """auto: what is finished, every now and then and at the end (at least once). manual: only `commit()`. before: what
    is about to be handed out, so that it never is twice (at most once)."""
    auto_commit_interval_ms: int = 5_000
    isolation_level: Isolation = "read_uncommitted"
    show_markers: bool = False
    """Hand out the ends of transactions among the records, as `odradek.record.Marker`."""
    on_assign: RebalanceCallback | None = None
    """Awaited before records of newly assigned partitions are handed out; it may seek."""
    on_revoke: RebalanceCallback | None = None
    """Awaited when partitions have been taken away."""
    protocol: GroupProtocol | None = None
    """How the group divides its partitions. consumer (KIP-848): the coordinator does; who keeps partitions reads on.
    classic: one of the members does, by `assignors`, and all join anew. Left out: consumer where the brokers have it
    and the group may become one of it; but classic where something is given that is the coordinator's affair then:
    `assignors`, `session_timeout_ms`, `heartbeat_interval_ms`."""
    instance_id: str | None = None
    """Makes this a static member, which keeps its partitions through a restart (KIP-345)."""
    assignors: Sequence[AssignorName] = ("cooperative-sticky",)
    """Best first. All members of a group need one in common."""
    session_timeout_ms: int = 45_000
    heartbeat_interval_ms: int = 3_000
    max_poll_interval_ms: int = 300_000
    """How long one record, or the records of one `poll`, may take; a slower member leaves the group until it asks for
    more. Also how long a rebalance waits for it."""
    max_poll_records: int = 500
    """The most records that `poll` returns, and that commit="before" gives up at once."""
    prefetch_bytes: int = 64 * 1024 * 1024
    """Bytes of fetched batches that may be waiting to be handed out."""
    fetch_max_bytes: int = 50 * 1024 * 1024
    max_partition_fetch_bytes: int = 1024 * 1024
    """Of one partition in one answer. A partition is fetched again when less than this is left of it."""
    decompressed_max_bytes: int = 64 * 1024 * 1024
    """What one batch may swell to when its compression is undone. One that would be larger raises CorruptRecords, with
    the offset behind it: only a seek leads past."""
    fetch_min_bytes: int = 1
    fetch_max_wait_ms: int = 500
    close_timeout_ms: int = 5_000
    """How long the end of the scope takes at most for its last commit; leaving the group gets a fifth of it."""
    client_id: str = "odradek-consumer"
    client_rack: str = ""

    def __post_init__(self) -> None:
        for name, allowed in (
            ("start", ("earliest", "latest", "none")),
            ("commit", ("auto", "manual", "before")),
            ("isolation_level", ("read_uncommitted", "read_committed")),
            ("protocol", (None, "classic", "consumer")),
        ):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}={getattr(self, name)!r}: use one of {', '.join(filter(None, allowed))}")
        unknown = set(self.assignors) - {"range", "roundrobin", "sticky", "cooperative-sticky"}
        if unknown or not self.assignors:
            raise ValueError(f"assignors: {', '.join(sorted(unknown)) or 'none given'}")
        if "cooperative-sticky" in self.assignors and len(self.assignors) > 1:
            raise ValueError("cooperative-sticky gives partitions up in another way than the others: name it alone")
        if self.heartbeat_interval_ms * 2 > self.session_timeout_ms:
            raise ValueError("session_timeout_ms has to cover at least two heartbeats")
        for name in (
            "max_poll_records",
            "prefetch_bytes",
            "fetch_max_bytes",
            "max_partition_fetch_bytes",
            "decompressed_max_bytes",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} has to be positive")

    @property
    def reads_committed(self) -> bool:
        return self.isolation_level == "read_committed"


OF_CLASSIC_MEMBERS = frozenset({"assignors", "session_timeout_ms", "heartbeat_interval_ms"})


def consumer_config(options: ConsumerOptions) -> ConsumerConfig:
    """Who says what only a classic member can have is meant to be one. Raises ValueError."""
    if options.get("protocol") is None and OF_CLASSIC_MEMBERS & options.keys():
        options = {**options, "protocol": "classic"}
    return ConsumerConfig(**options)
