"""Keys of what brokers and clients do together: replication, groups, transactions."""

from __future__ import annotations

from typing import Annotated

from odradek_broker.config.setting import (
    BOOLEAN,
    INT,
    INT_MAX,
    LIST,
    LONG,
    LONG_MAX,
    SHORT,
    STRING,
    Dynamic,
    Setting,
    at_least,
    each_of,
    not_empty,
    one_of,
)
from odradek_broker.config.storage_keys import LogStorageConfig
from odradek_broker.config.units import MIB, MINUTE_MS, SECOND_MS

LIVE = Dynamic.CLUSTER
RACK_AWARE = "org.apache.kafka.common.replica.RackAwareReplicaSelector"
LEADER_ONLY = "org.apache.kafka.common.replica.LeaderSelector"
SELECTORS = (RACK_AWARE, LEADER_ONLY)
ASSIGNORS = ("uniform", "range")
CLASSIC, CONSUMER = "classic", "consumer"
PROTOCOLS = (CLASSIC, CONSUMER, "share", "streams")
migration_policy = one_of("bidirectional", "upgrade", "downgrade", "disabled")


def assignors(names: tuple[str, ...]) -> str | None:
    """What is wrong with a list of assignors, or None."""
    return each_of(*ASSIGNORS)(names) or not_empty(names)


def protocols(names: tuple[str, ...]) -> str | None:
    """What is wrong with a list of protocols of groups, or None."""
    missing = None if CLASSIC in names else f"has to name {CLASSIC}"
    return each_of(*PROTOCOLS)(names) or missing


class ReplicationConfig(LogStorageConfig, frozen=True, kw_only=True):
    """Between brokers."""

    max_replicas_per_broker: Annotated[
        int | None,
        Setting(
            "Replicas that a controller places on one broker; if not set, a quarter as many as its own process may "
            "have files open. A key of Odradek's own.",
            INT,
            at_least(1),
        ),
    ] = None
    replica_lag_time_max_ms: Annotated[
        int, Setting("A follower that has not caught up for so long leaves the in-sync replicas.", LONG, at_least(1))
    ] = 30 * SECOND_MS
    replica_fetch_max_bytes: Annotated[
        int, Setting("Bytes of one partition that a follower asks for at once.", INT, at_least(0))
    ] = MIB
    replica_fetch_min_bytes: Annotated[
        int, Setting("Bytes that the leader waits for before it answers a follower.", INT, at_least(0))
    ] = 1
    replica_fetch_response_max_bytes: Annotated[
        int, Setting("Bytes that a follower asks for at once, over all partitions.", INT, at_least(0))
    ] = 10 * MIB
    replica_fetch_wait_max_ms: Annotated[int, Setting("How long the leader may wait for them.", INT, at_least(0))] = 500
    replica_fetch_backoff_ms: Annotated[
        int, Setting("How long a follower rests after a failed fetch.", INT, at_least(0))
    ] = SECOND_MS
    replica_selector_class: Annotated[
        str | None,
        Setting(
            "By what a consumer is sent to a follower to read from; by nothing, if not set.", STRING, one_of(*SELECTORS)
        ),
    ] = None
    leader_replication_throttled_rate: Annotated[
        int, Setting("Bytes a second for throttled replicas that are not in sync, as leader.", LONG, at_least(0), LIVE)
    ] = LONG_MAX
    follower_replication_throttled_rate: Annotated[
        int, Setting("Bytes a second of throttled partitions while not in sync, as follower.", LONG, at_least(0), LIVE)
    ] = LONG_MAX
    replica_high_watermark_checkpoint_interval_ms: Annotated[
        int, Setting("How often high watermarks are written down.", LONG, at_least(1))
    ] = 5 * SECOND_MS
    broker_heartbeat_interval_ms: Annotated[
        int, Setting("How often a broker says to the controller that it lives.", INT, at_least(1))
    ] = 2 * SECOND_MS
    broker_session_timeout_ms: Annotated[
        int, Setting("A broker silent for so long is taken to be dead.", INT, at_least(1))
    ] = 9 * SECOND_MS
    broker_lease_ms: Annotated[
        int,
        Setting(
            "For how long, at most, a broker may lead without hearing from the controller. One whose host has gone "
            "without a word is replaced when that is over; one that hangs, after broker.session.timeout.ms.",
            INT,
            at_least(100),
        ),
    ] = SECOND_MS
    controlled_shutdown_enable: Annotated[
        bool, Setting("Whether a broker that stops hands its partitions over first.", BOOLEAN)
    ] = True
    auto_leader_rebalance_enable: Annotated[
        bool, Setting("Whether leadership returns to the first replica of each partition.", BOOLEAN)
    ] = True
    leader_imbalance_check_interval_seconds: Annotated[
        int, Setting("How often that is looked after.", LONG, at_least(1))
    ] = 300


class GroupConfig(ReplicationConfig, frozen=True, kw_only=True):
    """Consumer groups and their offsets."""

    group_initial_rebalance_delay_ms: Annotated[
        int, Setting("How long a new group waits for more members.", INT, at_least(0))
    ] = 3 * SECOND_MS
    group_min_session_timeout_ms: Annotated[
        int, Setting("The shortest session a member may ask for.", INT, at_least(1))
    ] = 6 * SECOND_MS
    group_max_session_timeout_ms: Annotated[
        int, Setting("The longest session a member may ask for.", INT, at_least(1))
    ] = 30 * MINUTE_MS
    group_max_size: Annotated[int, Setting("Members that a group may have.", INT, at_least(1))] = INT_MAX
    group_coordinator_rebalance_protocols: Annotated[
        tuple[str, ...],
        Setting(
            "Protocols by which members may take part in groups. Only consumer can be left out; share groups go by the "
            "feature share.version alone, and there are no streams groups.",
            LIST,
            protocols,
        ),
    ] = (CLASSIC, CONSUMER, "streams")
    group_consumer_session_timeout_ms: Annotated[
        int, Setting("How long a member of the consumer protocol may be silent.", INT, at_least(1))
    ] = 45 * SECOND_MS
    group_consumer_min_session_timeout_ms: Annotated[
        int, Setting("The shortest such time that a group's own configuration may say.", INT, at_least(1))
    ] = 45 * SECOND_MS
    group_consumer_max_session_timeout_ms: Annotated[
        int, Setting("The longest such time that a group's own configuration may say.", INT, at_least(1))
    ] = 60 * SECOND_MS
    group_consumer_heartbeat_interval_ms: Annotated[
        int, Setting("How often members of the consumer protocol are told to send heartbeats.", INT, at_least(1))
    ] = 5 * SECOND_MS
    group_consumer_min_heartbeat_interval_ms: Annotated[
        int, Setting("The shortest such interval that a group's own configuration may say.", INT, at_least(1))
    ] = 5 * SECOND_MS
    group_consumer_max_heartbeat_interval_ms: Annotated[
        int, Setting("The longest such interval that a group's own configuration may say.", INT, at_least(1))
    ] = 15 * SECOND_MS
    group_consumer_max_size: Annotated[
        int, Setting("Members that a group of the consumer protocol may have.", INT, at_least(1))
    ] = INT_MAX
    group_consumer_assignors: Annotated[
        tuple[str, ...],
        Setting(
            "Who may divide the partitions of such a group; the first does, unless members prefer another.",
            LIST,
            assignors,
        ),
    ] = ("uniform", "range")
    group_consumer_migration_policy: Annotated[
        str,
        Setting(
            "Whether a classic group with members becomes one of the consumer protocol when somebody joins by that "
            "(upgrade), and a classic one again when the last such member goes (downgrade).",
            STRING,
            migration_policy,
            build=str.lower,
        ),
    ] = "bidirectional"
    group_consumer_assignment_interval_ms: Annotated[
        int,
        Setting("How long after one division of a group's partitions there may be another.", INT, at_least(0), LIVE),
    ] = SECOND_MS
    group_consumer_min_assignment_interval_ms: Annotated[
        int, Setting("The shortest such time that a group's own configuration may say.", INT, at_least(0))
    ] = 0
    group_consumer_max_assignment_interval_ms: Annotated[
        int, Setting("The longest such time that a group's own configuration may say.", INT, at_least(0))
    ] = 15 * SECOND_MS
    group_consumer_regex_refresh_interval_ms: Annotated[
        int,
        Setting(
            "How often it is looked which topics the regular expressions mean that members have subscribed to.",
            INT,
            at_least(10_000),
        ),
    ] = 10 * MINUTE_MS
    offset_metadata_max_bytes: Annotated[
        int, Setting("The longest note that may accompany a committed offset.", INT, at_least(0))
    ] = 4096
    offsets_retention_minutes: Annotated[
        int, Setting("How long the offsets of an empty group are kept.", INT, at_least(1))
    ] = 7 * 24 * 60
    offsets_retention_check_interval_ms: Annotated[
        int, Setting("How often such offsets are looked for.", LONG, at_least(1))
    ] = 10 * MINUTE_MS
    offsets_commit_timeout_ms: Annotated[
        int, Setting("How long a commit may wait to be written.", INT, at_least(1))
    ] = 5 * SECOND_MS
    offsets_topic_num_partitions: Annotated[
        int, Setting("Partitions of __consumer_offsets; not to be changed later.", INT, at_least(1))
    ] = 50
    offsets_topic_replication_factor: Annotated[
        int,
        Setting(
            "Replicas of __consumer_offsets. Where it is not set, three, or as many as there are brokers.",
            SHORT,
            at_least(1),
        ),
    ] = 3
    offsets_topic_segment_bytes: Annotated[int, Setting("Segment size of __consumer_offsets.", INT, at_least(MIB))] = (
        100 * MIB
    )


class TransactionConfig(GroupConfig, frozen=True, kw_only=True):
    """Transactions and the ids of their producers."""

    transaction_state_log_num_partitions: Annotated[
        int, Setting("Partitions of __transaction_state; not to be changed later.", INT, at_least(1))
    ] = 50
    transaction_state_log_replication_factor: Annotated[
        int,
        Setting(
            "Replicas of __transaction_state. Where it is not set, three, or as many as there are brokers.",
            SHORT,
            at_least(1),
        ),
    ] = 3
    transaction_state_log_min_isr: Annotated[
        int,
        Setting(
            "In-sync replicas that __transaction_state needs. Where it is not set, two, or one for a single broker.",
            INT,
            at_least(1),
        ),
    ] = 2
    transaction_max_timeout_ms: Annotated[
        int, Setting("The longest transaction timeout that a producer may ask for.", INT, at_least(1))
    ] = 15 * MINUTE_MS
    transactional_id_expiration_ms: Annotated[
        int, Setting("How long a transactional id that nobody uses is remembered.", INT, at_least(1))
    ] = 7 * 24 * 60 * MINUTE_MS
    transaction_remove_expired_transaction_cleanup_interval_ms: Annotated[
        int, Setting("How often to look for transactional ids that nobody uses.", INT, at_least(1))
    ] = 60 * MINUTE_MS
    transaction_state_log_segment_bytes: Annotated[
        int, Setting("Segment size of __transaction_state.", INT, at_least(MIB))
    ] = 100 * MIB
