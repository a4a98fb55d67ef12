"""Kafka's broker keys that have no effect here.

A configuration file that was written for Kafka can be used as it is: each of these is accepted with a notice. What
would make a broker less safe than its configuration says is not accepted but refused: see REFUSED.
"""

from __future__ import annotations

ALIASES = {"broker.id": "node.id"}
"""Older names of keys that have an effect."""

REFUSED = {
    "remote.log.storage.system.enable": "records are kept on local disks only",
}
"""Keys that may be there only without a value (or false), and why."""

PREFIXES = (
    "alter.log.dirs.replication.quota.",
    "controller.performance.",
    "controller.quorum.",
    "controller.quota.",
    "group.coordinator.",
    "group.share.",
    "group.streams.",
    "internal.",
    "kafka.metrics.",
    "listener.name.",
    "metadata.",
    "metrics.",
    "quota.",
    "remote.",
    "replication.quota.",
    "sasl.",
    "share.",
    "socket.",
    "ssl.",
    "unstable.",
    "zookeeper.",
)
"""Families of keys: everything that begins so and has an effect nowhere."""

_NAMES = """
    add.partitions.to.txn.retry.backoff.max.ms add.partitions.to.txn.retry.backoff.ms advertised.host.name
    advertised.port alter.config.policy.class.name background.threads
    broker.id.generation.enable client.quota.callback.class compression.gzip.level compression.lz4.level
    compression.zstd.level config.providers
    control.plane.listener.name controlled.shutdown.max.retries controlled.shutdown.retry.backoff.ms
    controller.socket.timeout.ms cordoned.log.dirs create.topic.policy.class.name
    delete.records.purgatory.purge.interval.requests early.start.listeners fetch.purgatory.purge.interval.requests
    follower.fetch.last.tiered.offset.enable
    host.name initial.broker.registration.timeout.ms
    inter.broker.protocol.version leader.imbalance.per.broker.percentage
    log.cleaner.io.buffer.load.factor log.cleaner.io.buffer.size log.cleaner.io.max.bytes.per.second
    log.cleaner.threads log.dir.failure.timeout.ms log.initial.task.delay.ms log.local.retention.bytes
    log.local.retention.ms log.message.downconversion.enable log.message.format.version
    log.message.timestamp.difference.max.ms log.preallocate log.remote.copy.lag.bytes log.remote.copy.lag.ms
    log.roll.jitter.hours log.roll.jitter.ms
    max.connection.creation.rate metric.reporters num.io.threads num.network.threads
    num.recovery.threads.per.data.dir num.replica.alter.log.dirs.threads num.replica.fetchers
    offsets.commit.required.acks offsets.load.buffer.size offsets.topic.compression.codec password.encoder.secret port
    principal.builder.class producer.purgatory.purge.interval.requests queued.max.requests
    replica.socket.receive.buffer.bytes replica.socket.timeout.ms reserved.broker.max.id
    security.providers server.max.startup.time.ms telemetry.max.bytes
    transaction.partition.verification.enable transaction.state.log.load.buffer.size
    transaction.abort.timed.out.transaction.cleanup.interval.ms transaction.two.phase.commit.enable
    unclean.leader.election.interval.ms
    """

NAMES = frozenset(_NAMES.split())


def has_no_effect(name: str) -> bool:
    """Whether a key that is not ours is one of Kafka's."""
    return name in NAMES or name.startswith(PREFIXES)
