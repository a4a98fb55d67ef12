"""The settings of one log, with Kafka's names and defaults."""

from __future__ import annotations

from functools import cached_property

import msgspec

UNLIMITED = -1
UNLIMITED_RECORD_BYTES = 2**31 - 9
"""Kafka's highest, and its default: the longest array that Java makes."""
DAY_MS = 24 * 60 * 60 * 1000
_FOREVER_MS = 2**63 - 1


class LogConfig(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Replaceable while the log is open; what it changes holds from the next append, roll or pass on.

    What follows from its settings is found out once: every append asks for it.
    """

    segment_bytes: int = 1024 * 1024 * 1024
    """A segment is sealed before it would grow past this."""
    segment_ms: int = 7 * DAY_MS
    """A segment is sealed once its first and the next batch are further apart than this."""
    segment_index_bytes: int = 10 * 1024 * 1024
    """A segment is sealed when one of its indexes is this long."""
    index_interval_bytes: int = 4096
    """One batch in so many bytes is noted in the index."""
    retention_ms: int = 7 * DAY_MS
    """Segments whose youngest batch is older go; -1 keeps them."""
    retention_bytes: int = UNLIMITED
    """The oldest segments go while the rest is at least this long; -1 keeps them."""
    cleanup_policy: frozenset[str] = frozenset({"delete"})
    """`delete`, `compact`, both, or neither."""
    delete_retention_ms: int = DAY_MS
    """A tombstone is still there this long after compaction first met it."""
    min_cleanable_dirty_ratio: float = 0.5
    """Compaction waits until so much of the log is dirty."""
    min_compaction_lag_ms: int = 0
    """Younger batches are not compacted."""
    max_compaction_lag_ms: int = _FOREVER_MS
    """Older batches are compacted whatever the ratio."""
    max_message_bytes: int = 1024 * 1024 + 12
    """The longest batch taken from a producer."""
    max_decompressed_message_bytes: int = UNLIMITED_RECORD_BYTES
    """What a record of a producer's compressed batch may come to."""
    message_timestamp_type: str = "CreateTime"
    """`CreateTime`, or `LogAppendTime`: the broker's clock replaces the producer's."""
    message_timestamp_before_max_ms: int = _FOREVER_MS
    """How far a producer's timestamps may lie behind the broker's clock."""
    message_timestamp_after_max_ms: int = 60 * 60 * 1000
    """How far they may lie before it."""
    compression_type: str = "producer"
    """`producer` keeps what came; else `uncompressed`, `gzip`, `snappy`, `lz4` or `zstd`."""
    flush_messages: int = _FOREVER_MS
    """With log.flush.policy=interval: so many unsynced records are synced."""
    flush_ms: int = _FOREVER_MS
    """With log.flush.policy=interval: records that have lain unsynced for so long are synced."""
    file_delete_delay_ms: int = 60 * 1000
    """How long files marked `.deleted` stay, for those who still read them."""
    producer_id_expiration_ms: int = DAY_MS
    """How long a silent producer's sequence numbers are remembered."""
    dedupe_buffer_bytes: int = 128 * 1024 * 1024
    """Memory that one pass of compaction may take for its keys; the broker's `log.cleaner.dedupe.buffer.size`."""

    @cached_property
    def limits_records(self) -> bool:
        return self.max_decompressed_message_bytes < UNLIMITED_RECORD_BYTES

    @cached_property
    def compacts(self) -> bool:
        return "compact" in self.cleanup_policy

    @cached_property
    def deletes(self) -> bool:
        return "delete" in self.cleanup_policy

    @cached_property
    def roll_ms(self) -> int:
        """How far apart the batches of one segment may be; compaction never touches the active one, so it must end."""
        return min(self.segment_ms, self.max_compaction_lag_ms) if self.compacts else self.segment_ms

    @cached_property
    def log_append_time(self) -> bool:
        return self.message_timestamp_type == "LogAppendTime"

    @cached_property
    def most_plain_bytes(self) -> int:
        """The largest of a producer's uncompressed batches that is taken as it came; -1 where none is."""
        if self.compacts or self.log_append_time or self.compression_type not in ("producer", "uncompressed"):
            return -1
        return min(self.max_message_bytes, self.segment_bytes)
