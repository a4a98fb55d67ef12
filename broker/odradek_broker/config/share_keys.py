"""Keys of share groups: their members, the records that they have in hand, and what is stored of that."""

from __future__ import annotations

from typing import Annotated

from odradek_broker.config.coordination_keys import TransactionConfig
from odradek_broker.config.setting import BOOLEAN, INT, SHORT, STRING, Setting, at_least, between
from odradek_broker.config.units import HOUR_MS, MIB, MINUTE_MS, SECOND_MS


class ShareGroupConfig(TransactionConfig, frozen=True, kw_only=True):
    """Share groups."""

    group_share_max_size: Annotated[int, Setting("Members that a share group may have.", INT, between(1, 1000))] = 200
    group_share_session_timeout_ms: Annotated[
        int, Setting("A member of a share group that is silent for so long is removed.", INT, at_least(1))
    ] = 45 * SECOND_MS
    group_share_heartbeat_interval_ms: Annotated[
        int, Setting("How often members of a share group are to say that they live.", INT, at_least(1))
    ] = 5 * SECOND_MS
    group_share_max_share_sessions: Annotated[
        int, Setting("Members of share groups that may fetch from one broker.", INT, at_least(1))
    ] = 2000
    group_share_delivery_count_limit: Annotated[
        int, Setting("How often a record may be delivered to a share group.", INT, between(2, 10))
    ] = 5
    group_share_record_lock_duration_ms: Annotated[
        int, Setting("How long a member has a record for itself.", INT, between(SECOND_MS, HOUR_MS))
    ] = 30 * SECOND_MS
    group_share_partition_max_record_locks: Annotated[
        int, Setting("Records of one partition that a share group may have in hand.", INT, between(100, 10_000))
    ] = 2000

    errors_deadletterqueue_topic_name_prefix: Annotated[
        str, Setting("How names of topics begin into which share groups write what they give up.", STRING)
    ] = "dlq."
    errors_deadletterqueue_auto_create_topics_enable: Annotated[
        bool, Setting("Whether such a topic is made if it is missing.", BOOLEAN)
    ] = False


class ShareCoordinatorConfig(ShareGroupConfig, frozen=True, kw_only=True):
    """What is stored of share groups."""

    share_coordinator_state_topic_num_partitions: Annotated[
        int, Setting("Partitions of __share_group_state; not to be changed later.", INT, at_least(1))
    ] = 50
    share_coordinator_state_topic_replication_factor: Annotated[
        int,
        Setting(
            "Replicas of __share_group_state. Where it is not set, three, or as many as there are brokers.",
            SHORT,
            at_least(1),
        ),
    ] = 3
    share_coordinator_state_topic_min_isr: Annotated[
        int,
        Setting(
            "In-sync replicas that __share_group_state needs. Where it is not set, two, or one for a single broker.",
            SHORT,
            at_least(1),
        ),
    ] = 2
    share_coordinator_state_topic_segment_bytes: Annotated[
        int, Setting("Segment size of __share_group_state.", INT, at_least(MIB))
    ] = 100 * MIB
    share_coordinator_snapshot_update_records_per_snapshot: Annotated[
        int, Setting("Updates of a share partition between two snapshots of it.", INT, between(0, 500))
    ] = 500
    share_coordinator_write_timeout_ms: Annotated[
        int, Setting("How long a share coordinator waits until what it writes is committed.", INT, at_least(1))
    ] = 5 * SECOND_MS
    share_coordinator_state_topic_prune_interval_ms: Annotated[
        int, Setting("How often a share coordinator deletes records that nobody needs.", INT, at_least(1))
    ] = 5 * MINUTE_MS
