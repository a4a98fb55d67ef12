"""Puts a consumer's health together."""

from __future__ import annotations

import trio

from odradek.cluster.cluster import Cluster
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.epoch_group import EpochGroup
from odradek.consumer.group import Group
from odradek.consumer.health import ConsumerHealth, GroupHealth, PartitionHealth
from odradek.consumer.lags import Lags
from odradek.consumer.partition import PartitionState
from odradek.consumer.rebalance import OwnedPartitions
from odradek.consumer.subscription import Subscription


def consumer_health(
    cluster: Cluster,
    config: ConsumerConfig,
    subscription: Subscription,
    group: Group | EpochGroup | None,
    owned: OwnedPartitions,
    lags: Lags,
) -> ConsumerHealth:
    """A snapshot."""
    owned.note_progress()
    return ConsumerHealth(
        connections=cluster.health(),
        waiting=cluster.activities.now(),
        partitions=[_partition(cluster, config, subscription.states[p], lags) for p in subscription.assigned],
        group=None if group is None else _group(group),
        in_progress_s=owned.stuck_s,
    )


def _partition(cluster: Cluster, config: ConsumerConfig, state: PartitionState, lags: Lags) -> PartitionHealth:
    leader = cluster.image.leader(*state.topic_partition)
    counted = lags.of(state)
    return PartitionHealth(
        partition=state.topic_partition,
        leader=leader,
        position=state.position,
        finished=state.finished,
        committed=state.committed,
        lag=state.lag(config.reads_committed) if counted is None else counted.lag.records,
        lag_bytes=None if counted is None else counted.lag.size_bytes,
        lag_age_s=None if counted is None else counted.lag.age_s,
        counted_s=None if counted is None else trio.current_time() - counted.at,
        buffered_bytes=state.buffered_bytes,
        paused=state.paused,
        why_idle=_why_idle(state, leader, config),
    )


def _why_idle(state: PartitionState, leader: int, config: ConsumerConfig) -> str | None:
    if state.error is not None:
        return str(state.error)
    if state.held:
        return "on_assign has not returned"
    if state.position is None:
        return "its position is being looked up"
    if state.paused:
        return "paused"
    if leader < 0:
        return "no leader"
    if state.buffered_bytes >= config.max_partition_fetch_bytes:
        return "the program has not taken what was fetched"
    return None


def _group(group: Group | EpochGroup) -> GroupHealth:
    member = group.membership
    return GroupHealth(
        group=member.group_id,
        protocol=member.PROTOCOL,
        state=member.state.value,
        member_id=member.member_id,
        generation=member.generation,
        coordinator=group.coordinator.node_id,
        last_rebalance=member.reason,
    )
