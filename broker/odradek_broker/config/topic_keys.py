"""Every key that a topic may have, and the broker keys that it falls back to.

The names are those that a Kafka 4.4 broker lists. A key whose sentence says so is kept and shown, because tools set
and compare it, but has no effect.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from odradek_broker.config.broker_config import broker_keys
from odradek_broker.config.inert_keys import SENTENCE
from odradek_broker.config.setting import (
    BOOLEAN,
    INT,
    LIST,
    LONG,
    LONG_MAX,
    Check,
    ConfigType,
    Setting,
    at_least,
    between,
    either,
)
from odradek_broker.config.units import HOUR_MS, MINUTE_MS


class Fallback(Struct, frozen=True):
    """A broker key, and how many of the topic key's units one of its own makes."""

    name: str
    factor: int = 1


class TopicKey(Struct, frozen=True):
    name: str
    setting: Setting
    default: Any
    fallbacks: tuple[Fallback, ...] = ()

    @property
    def attribute(self) -> str:
        return self.name.replace(".", "_")


def _same(name: str, broker_name: str | None = None, *coarser: Fallback) -> TopicKey:
    """A key that means for one topic what the broker's means for all."""
    key = broker_keys()[broker_name or name]
    return TopicKey(name, key.setting, key.default, (Fallback(key.name), *coarser))


def _timed(name: str, default: int, finest: str, *coarser: Fallback) -> TopicKey:
    """Likewise for a time whose broker key has coarser companions; `default` in milliseconds."""
    return TopicKey(name, broker_keys()[finest].setting, default, (Fallback(finest), *coarser))


def _inert(name: str, kind: ConfigType, default: Any, check: Check | None = None) -> TopicKey:
    return TopicKey(name, Setting(SENTENCE, kind, check), default)


def _check_throttled(replicas: tuple[str, ...]) -> str | None:
    pairs = [replica.split(":") for replica in replicas]
    fine = replicas == ("*",) or all(len(pair) == 2 and all(map(str.isdecimal, pair)) for pair in pairs)
    return None if fine else "must be * or look like partition:broker,partition:broker"


LEADER_THROTTLED = "leader.replication.throttled.replicas"
FOLLOWER_THROTTLED = "follower.replication.throttled.replicas"


def _throttled(name: str, rate: str) -> TopicKey:
    sentence = f"Whose replication is held to {rate}, as partition:broker pairs, or *."
    return TopicKey(name, Setting(sentence, LIST, _check_throttled), ())


def is_throttled(replicas: tuple[str, ...], partition: int, broker: int) -> bool:
    """Whether one of the values of the two keys above means that replica."""
    return replicas == ("*",) or f"{partition}:{broker}" in replicas


_TABLE = (
    _same("cleanup.policy", "log.cleanup.policy"),
    _inert("compression.gzip.level", INT, -1, either(-1, between(1, 9))),
    _inert("compression.lz4.level", INT, 9, between(1, 17)),
    _same("compression.type"),
    _inert("compression.zstd.level", INT, 3, between(-131072, 22)),
    _same("delete.retention.ms", "log.cleaner.delete.retention.ms"),
    TopicKey(
        "errors.deadletterqueue.group.enable",
        Setting("Whether share groups may write what they give up into the topic.", BOOLEAN),
        False,
    ),
    _same("file.delete.delay.ms", "log.segment.delete.delay.ms"),
    _same("flush.messages", "log.flush.interval.messages"),
    TopicKey(
        "flush.ms",
        Setting("With the interval policy: force to disk after so long.", LONG, at_least(0)),
        LONG_MAX,
        (Fallback("log.flush.interval.ms"), Fallback("log.flush.scheduler.interval.ms")),
    ),
    _throttled(FOLLOWER_THROTTLED, "follower.replication.throttled.rate"),
    _same("index.interval.bytes", "log.index.interval.bytes"),
    _throttled(LEADER_THROTTLED, "leader.replication.throttled.rate"),
    _inert("local.retention.bytes", LONG, -2, at_least(-2)),
    _inert("local.retention.ms", LONG, -2, at_least(-2)),
    _same("max.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms"),
    _same("max.decompressed.message.bytes"),
    _same("max.message.bytes", "message.max.bytes"),
    _same("message.timestamp.after.max.ms", "log.message.timestamp.after.max.ms"),
    _same("message.timestamp.before.max.ms", "log.message.timestamp.before.max.ms"),
    _same("message.timestamp.type", "log.message.timestamp.type"),
    _same("min.cleanable.dirty.ratio", "log.cleaner.min.cleanable.ratio"),
    _same("min.compaction.lag.ms", "log.cleaner.min.compaction.lag.ms"),
    _same("min.insync.replicas"),
    _inert("preallocate", BOOLEAN, False),
    _inert("remote.copy.lag.bytes", LONG, -1, at_least(-1)),
    _inert("remote.copy.lag.ms", LONG, 0, at_least(-1)),
    _inert("remote.log.copy.disable", BOOLEAN, False),
    _inert("remote.log.delete.on.disable", BOOLEAN, False),
    TopicKey(
        "remote.storage.enable",
        Setting("Records are kept on local disks only.", BOOLEAN, lambda on: "must be false" if on else None),
        False,
    ),
    _same("retention.bytes", "log.retention.bytes"),
    _timed(
        "retention.ms",
        168 * HOUR_MS,
        "log.retention.ms",
        Fallback("log.retention.minutes", MINUTE_MS),
        Fallback("log.retention.hours", HOUR_MS),
    ),
    _same("segment.bytes", "log.segment.bytes"),
    _same("segment.index.bytes", "log.index.size.max.bytes"),
    _inert("segment.jitter.ms", LONG, 0, at_least(0)),
    _timed("segment.ms", 168 * HOUR_MS, "log.roll.ms", Fallback("log.roll.hours", HOUR_MS)),
    _same("unclean.leader.election.enable"),
)

TOPIC_KEYS = {key.name: key for key in _TABLE}

INTERNAL_SEGMENT_BYTES = "internal.segment.bytes"
"""Segments smaller than segment.bytes may be, for tests: taken as Kafka takes it, and likewise never shown."""
INTERNAL_KEYS = {
    INTERNAL_SEGMENT_BYTES: TopicKey(
        INTERNAL_SEGMENT_BYTES, Setting("Takes the place of segment.bytes.", INT, at_least(1)), None
    )
}


def check_topic_values(values: dict[str, Any]) -> str | None:
    """What is wrong with values that are right each for itself; `values` by attribute."""
    if values["min_compaction_lag_ms"] > values["max_compaction_lag_ms"]:
        return "min.compaction.lag.ms must not exceed max.compaction.lag.ms"
    return None
