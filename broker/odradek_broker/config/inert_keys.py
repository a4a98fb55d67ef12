"""Broker keys of Kafka's that may change while a broker runs, and mean nothing to this one.

Tools set them and compare what they read afterwards. So a value is checked, kept and shown as Kafka does it, and the
log says that it has no effect. What would protect something (TLS, logins) is not among them:
nobody is to believe that it holds.
"""

from __future__ import annotations

import sys
from typing import Any

from msgspec import Struct

from odradek_broker.config.setting import (
    BOOLEAN,
    DOUBLE,
    INT,
    INT_MAX,
    LONG,
    LONG_MAX,
    Check,
    ConfigType,
    Dynamic,
    Setting,
    at_least,
    between,
)

SENTENCE = "Kept and shown; has no effect here."


class InertKey(Struct, frozen=True):
    name: str
    setting: Setting
    default: Any


def _key(name: str, kind: ConfigType, default: Any, check: Check | None = None) -> InertKey:
    return InertKey(name, Setting(SENTENCE, kind, check, Dynamic.CLUSTER), default)


_TABLE = (
    _key("background.threads", INT, 10, at_least(1)),
    _key("compression.gzip.level", INT, -1),
    _key("compression.lz4.level", INT, 9, between(1, 17)),
    _key("compression.zstd.level", INT, 3, between(-131072, 22)),
    _key("follower.fetch.last.tiered.offset.enable", BOOLEAN, False),
    _key("group.coordinator.cached.buffer.max.bytes", INT, 1_048_588, at_least(524_288)),
    _key("log.cleaner.io.buffer.load.factor", DOUBLE, 0.9),
    _key("log.cleaner.io.buffer.size", INT, 524_288, at_least(0)),
    _key("log.cleaner.io.max.bytes.per.second", DOUBLE, sys.float_info.max),
    _key("log.cleaner.threads", INT, 1, at_least(0)),
    _key("log.local.retention.bytes", LONG, -2, at_least(-2)),
    _key("log.local.retention.ms", LONG, -2, at_least(-2)),
    _key("log.preallocate", BOOLEAN, False),
    _key("log.remote.copy.lag.bytes", LONG, -1, at_least(-1)),
    _key("log.remote.copy.lag.ms", LONG, 0, at_least(-1)),
    _key("log.roll.jitter.ms", LONG, None, at_least(0)),
    _key("max.connection.creation.rate", INT, INT_MAX, at_least(0)),
    _key("num.io.threads", INT, 8, at_least(1)),
    _key("num.network.threads", INT, 3, at_least(1)),
    _key("num.recovery.threads.per.data.dir", INT, 2, at_least(1)),
    _key("num.replica.fetchers", INT, 1, at_least(1)),
    _key("remote.fetch.max.wait.ms", INT, 500, at_least(1)),
    _key("remote.list.offsets.request.timeout.ms", LONG, 30_000, at_least(1)),
    _key("remote.log.index.file.cache.total.size.bytes", LONG, 1 << 30, at_least(1)),
    _key("remote.log.manager.copier.thread.pool.size", INT, 10, at_least(1)),
    _key("remote.log.manager.copy.max.bytes.per.second", LONG, LONG_MAX, at_least(1)),
    _key("remote.log.manager.expiration.thread.pool.size", INT, 10, at_least(1)),
    _key("remote.log.manager.fetch.max.bytes.per.second", LONG, LONG_MAX, at_least(1)),
    _key("remote.log.manager.follower.thread.pool.size", INT, 2, at_least(1)),
    _key("remote.log.reader.threads", INT, 10, at_least(1)),
    _key("share.coordinator.cached.buffer.max.bytes", INT, 1_048_588, at_least(524_288)),
    _key("transaction.partition.verification.enable", BOOLEAN, True),
)

INERT_KEYS = {key.name: key for key in _TABLE}
