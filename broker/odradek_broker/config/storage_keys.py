"""Keys of topics that say nothing of their own, and of how logs are kept."""

from __future__ import annotations

from typing import Annotated

from odradek_broker.config.server_keys import NetworkConfig
from odradek_broker.config.setting import (
    BOOLEAN,
    DOUBLE,
    INT,
    LIST,
    LONG,
    LONG_MAX,
    STRING,
    Dynamic,
    Setting,
    at_least,
    between,
    each_of,
    one_of,
)
from odradek_broker.config.units import DAY_MS, GIB, HOUR_MS, MIB, MINUTE_MS, SECOND_MS
from odradek_broker.log.config import UNLIMITED_RECORD_BYTES

COMPRESSION_TYPES = ("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")
TIMESTAMP_TYPES = ("CreateTime", "LogAppendTime")
FLUSH_POLICIES = ("sync", "interval")
LIVE = Dynamic.CLUSTER


class TopicDefaultsConfig(NetworkConfig, frozen=True, kw_only=True):
    """What a topic gets that says nothing of its own."""

    auto_create_topics_enable: Annotated[
        bool, Setting("Whether a topic that a client asks for is made when it is missing.", BOOLEAN)
    ] = True
    delete_topic_enable: Annotated[bool, Setting("Whether topics may be deleted.", BOOLEAN)] = True
    num_partitions: Annotated[
        int, Setting("Partitions of a topic made without a number of them.", INT, at_least(1))
    ] = 1
    default_replication_factor: Annotated[
        int, Setting("Replicas of a topic made without a number of them.", INT, at_least(1))
    ] = 1
    min_insync_replicas: Annotated[int, Setting("In-sync replicas that acks=all needs.", INT, at_least(1), LIVE)] = 1
    unclean_leader_election_enable: Annotated[
        bool, Setting("Whether a replica that may lack records may lead; such records are lost.", BOOLEAN, None, LIVE)
    ] = False
    message_max_bytes: Annotated[int, Setting("The largest record batch, as it is stored.", INT, at_least(0), LIVE)] = (
        MIB + 12
    )
    max_decompressed_message_bytes: Annotated[
        int,
        Setting(
            "What a record of a compressed batch may come to; where this is set, each is undone to see it.",
            INT,
            between(1, UNLIMITED_RECORD_BYTES),
            LIVE,
        ),
    ] = UNLIMITED_RECORD_BYTES
    compression_type: Annotated[
        str,
        Setting("How batches are stored: producer keeps what came.", STRING, one_of(*COMPRESSION_TYPES), LIVE),
    ] = "producer"


class LogStorageConfig(TopicDefaultsConfig, frozen=True, kw_only=True):
    """Segments, retention, compaction and flushing."""

    log_segment_bytes: Annotated[
        int, Setting("A segment file of this size is closed and a new one begun.", INT, at_least(MIB), LIVE)
    ] = GIB
    log_roll_ms: Annotated[
        int | None, Setting("A segment of this age is closed and a new one begun.", LONG, at_least(1), LIVE)
    ] = None
    log_roll_hours: Annotated[int, Setting("log.roll.ms in hours, where that is not set.", INT, at_least(1))] = 168
    log_index_interval_bytes: Annotated[
        int, Setting("Bytes of the log between two entries of its index.", INT, at_least(0), LIVE)
    ] = 4096
    log_index_size_max_bytes: Annotated[
        int, Setting("The largest index file; a full one closes its segment.", INT, at_least(4), LIVE)
    ] = 10 * MIB
    log_message_timestamp_type: Annotated[
        str, Setting("Whose clock stamps the records.", STRING, one_of(*TIMESTAMP_TYPES), LIVE)
    ] = "CreateTime"
    log_message_timestamp_before_max_ms: Annotated[
        int, Setting("How far a producer's timestamp may lie behind our clock.", LONG, at_least(0), LIVE)
    ] = LONG_MAX
    log_message_timestamp_after_max_ms: Annotated[
        int, Setting("How far a producer's timestamp may lie ahead of our clock.", LONG, at_least(0), LIVE)
    ] = HOUR_MS

    log_cleanup_policy: Annotated[
        tuple[str, ...],
        Setting("What is done with old segments: delete, compact or both.", LIST, each_of("compact", "delete"), LIVE),
    ] = ("delete",)
    log_retention_ms: Annotated[
        int | None,
        Setting("A segment whose newest record is this old is deleted; -1 for never.", LONG, at_least(-1), LIVE),
    ] = None
    log_retention_minutes: Annotated[
        int | None, Setting("log.retention.ms in minutes, where that is not set.", INT, at_least(-1))
    ] = None
    log_retention_hours: Annotated[
        int, Setting("log.retention.ms in hours, where minutes are not set either.", INT, at_least(-1))
    ] = 168
    log_retention_bytes: Annotated[
        int, Setting("Old segments are deleted while a partition is larger; -1 for no limit.", LONG, None, LIVE)
    ] = -1
    log_retention_check_interval_ms: Annotated[
        int, Setting("How often old segments are looked for.", LONG, at_least(1))
    ] = 5 * MINUTE_MS
    log_segment_delete_delay_ms: Annotated[
        int, Setting("How long the files of a deleted segment are kept.", LONG, at_least(0), LIVE)
    ] = MINUTE_MS

    log_cleaner_enable: Annotated[bool, Setting("Whether compaction runs at all.", BOOLEAN)] = True
    log_cleaner_backoff_ms: Annotated[
        int, Setting("How long compaction rests when there is nothing to do.", LONG, at_least(0), LIVE)
    ] = 15 * SECOND_MS
    log_cleaner_dedupe_buffer_size: Annotated[
        int, Setting("Bytes of memory that one pass of compaction may take for keys.", LONG, at_least(MIB), LIVE)
    ] = 128 * MIB
    log_cleaner_min_cleanable_ratio: Annotated[
        float, Setting("The share of not yet compacted bytes that makes it worth while.", DOUBLE, between(0, 1), LIVE)
    ] = 0.5
    log_cleaner_min_compaction_lag_ms: Annotated[
        int, Setting("A record younger than this is not compacted away.", LONG, at_least(0), LIVE)
    ] = 0
    log_cleaner_max_compaction_lag_ms: Annotated[
        int, Setting("A record older than this makes its partition due for compaction.", LONG, at_least(1), LIVE)
    ] = LONG_MAX
    log_cleaner_delete_retention_ms: Annotated[
        int, Setting("How long the mark of a deleted key stays readable.", LONG, at_least(0), LIVE)
    ] = DAY_MS

    log_flush_policy: Annotated[
        str,
        Setting(
            "When appended records are forced to the disk: sync, before acks=all is answered; interval, when the "
            "operating system or log.flush.interval.* sees to it, as Kafka does: a power cut may then lose "
            "acknowledged records.",
            STRING,
            one_of(*FLUSH_POLICIES),
        ),
    ] = "sync"
    log_flush_interval_messages: Annotated[
        int, Setting("With the interval policy: force to disk after so many records.", LONG, at_least(1), LIVE)
    ] = LONG_MAX
    log_flush_interval_ms: Annotated[
        int | None, Setting("With the interval policy: force to disk after so long.", LONG, at_least(1), LIVE)
    ] = None
    log_flush_scheduler_interval_ms: Annotated[
        int, Setting("With the interval policy: how often that is looked after.", LONG, at_least(1))
    ] = LONG_MAX
    log_flush_offset_checkpoint_interval_ms: Annotated[
        int, Setting("How often it is noted up to where each log is on the disk.", INT, at_least(1))
    ] = SECOND_MS
    log_flush_start_offset_checkpoint_interval_ms: Annotated[
        int, Setting("How often it is noted where each log begins.", INT, at_least(1))
    ] = MINUTE_MS
    producer_id_expiration_ms: Annotated[
        int, Setting("After so long without a record an idempotent producer is forgotten.", INT, at_least(1), LIVE)
    ] = DAY_MS
    producer_id_expiration_check_interval_ms: Annotated[
        int, Setting("How often such producers are looked for.", INT, at_least(1))
    ] = 10 * MINUTE_MS
