"""What a setting may be, beside what Apache Kafka 4.4.0 says of the same key: never anything that Kafka refuses.

Where Kafka checks nothing when a value is set, some of ours are refused all the same: OURS_IS_NARROWER.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pytest

from odradek_broker.config.broker_config import broker_keys
from odradek_broker.config.setting import Setting, SettingError
from odradek_broker.config.topic_keys import TOPIC_KEYS
from tests.protocol.messages.java_program import run_java_program, skip_without_java

BITS = {"SHORT": 16, "INT": 32, "LONG": 64}
NOT_KAFKAS = {
    "bootstrap.scram.users",
    "allow.everyone.if.no.acl.found",
    "allow.unsecured.listeners",
    "audit.log.file",
    "audit.log.max.bytes",
    "broker.lease.ms",
    "controller.journal",
    "dynamic.config.ignore",
    "etcd.endpoints",
    "etcd.password",
    "etcd.prefix",
    "etcd.ssl.key.password",
    "etcd.ssl.keystore.location",
    "etcd.ssl.keystore.password",
    "etcd.ssl.truststore.location",
    "etcd.ssl.truststore.password",
    "etcd.username",
    "follower.replication.throttled.rate",
    "leader.replication.throttled.rate",
    "log.flush.policy",
    "max.incremental.fetch.session.cache.partitions",
    "max.replicas.per.broker",
    "sasl.oauthbearer.allowed.urls",
    "sasl.oauthbearer.jwks.endpoint.ca.location",
    "sasl.oauthbearer.unsecured.tokens",
    "super.users",
}
"""Of these the two throttles are Kafka's, but among its quotas; and its authorizer reads two for itself."""

OURS_IS_NARROWER = {
    "broker.heartbeat.interval.ms": "a time that is waited for",
    "broker.session.timeout.ms": "a time that is waited for",
    "default.replication.factor": "Kafka refuses zero and less when a topic is made",
    "group.initial.rebalance.delay.ms": "a time that is waited for",
    "group.max.session.timeout.ms": "a time that is waited for",
    "group.min.session.timeout.ms": "a time that is waited for",
    "log.cleaner.dedupe.buffer.size": "Kafka refuses less than a mebibyte for each thread",
    "log.flush.interval.ms": "a time that is waited for",
    "log.flush.offset.checkpoint.interval.ms": "zero would write without a pause",
    "log.flush.scheduler.interval.ms": "a time that is waited for",
    "log.flush.start.offset.checkpoint.interval.ms": "zero would write without a pause",
    "log.retention.hours": "-1 is for ever, and Kafka refuses less when it starts",
    "log.retention.minutes": "-1 is for ever, and Kafka refuses less when it starts",
    "log.retention.ms": "-1 is for ever, and Kafka refuses less when it starts",
    "log.roll.ms": "Kafka refuses less than one when it starts",
    "offset.metadata.max.bytes": "a size",
    "offsets.topic.segment.bytes": "as for other topics",
    "queued.max.request.bytes": "-1 is no limit, and Kafka refuses less than one request when it starts",
    "replica.fetch.min.bytes": "a size",
    "replica.fetch.wait.max.ms": "a time that is waited for",
    "replica.high.watermark.checkpoint.interval.ms": "zero would write without a pause",
    "replica.lag.time.max.ms": "a time that is waited for",
    "request.timeout.ms": "a time that is waited for",
    "sasl.oauthbearer.clock.skew.seconds": "a time",
    "sasl.oauthbearer.jwks.endpoint.refresh.ms": "a time that is waited for",
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms": "a time that is waited for",
    "sasl.oauthbearer.jwks.endpoint.retry.backoff.ms": "a time that is waited for",
    "sasl.server.max.receive.size": "a size",
    "share.coordinator.state.topic.segment.bytes": "as for other topics",
    "transaction.state.log.segment.bytes": "as for other topics",
}
PROBES = (-(2**63), -(2**31), -(2**15), -2, -1, 0, 1, 2, 2**15 - 1, 2**31 - 1, 2**63 - 1)


class Theirs(NamedTuple):
    kind: str
    name: str
    type: str
    bounds: str

    def allows(self, value: int) -> bool:
        bits = BITS[self.type]
        found = re.match(r"\[(?P<least>-?\d+)?,?\.*,?(?P<most>-?\d+)?\]", self.bounds)
        least = int(found["least"]) if found and found["least"] else -(2 ** (bits - 1))
        most = int(found["most"]) if found and found["most"] else 2 ** (bits - 1) - 1
        return least <= value <= most or self.bounds.endswith(f"or {value}")

    def edges(self) -> list[int]:
        return [int(number) + step for number in re.findall(r"-?\d+", self.bounds) for step in (-1, 0, 1)]


@pytest.fixture(scope="module")
def theirs() -> dict[tuple[str, str], Theirs]:
    skip_without_java()
    keys = (Theirs(*line.split("\t")) for line in run_java_program("ConfigBounds", []))
    return {(key.kind, key.name): key for key in keys}


def takes(setting: Setting, value: int) -> bool:
    try:
        setting.parse(str(value))
    except SettingError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.java
def test_no_number_is_taken_that_kafka_refuses_and_each_that_only_we_refuse_has_a_reason(
    theirs: dict[tuple[str, str], Theirs],
) -> None:
    wider, narrower, unknown = [], set(), set()
    ours = [("broker", name, key.setting) for name, key in broker_keys().items()]
    ours += [("topic", name, key.setting) for name, key in TOPIC_KEYS.items()]
    for kind, name, setting in ours:
        key = theirs.get((kind, name))
        if key is None:
            unknown.add(name)
        elif key.type in BITS:
            for value in {*PROBES, *key.edges()}:
                if takes(setting, value) and not key.allows(value):
                    wider.append(f"{kind} {name} = {value}, Kafka: {key.bounds}")
                elif key.allows(value) and not takes(setting, value):
                    narrower.add(name)
    assert wider == []
    assert unknown == NOT_KAFKAS
    assert narrower == OURS_IS_NARROWER.keys()
