"""BrokerConfig: the keys that have an effect on this broker, each declared once.

An attribute is the key with underscores for dots (log.segment.bytes -> log_segment_bytes); its annotation says the
rest. Defaults are Kafka 4.3's but for these, each for a reason:

    listeners               127.0.0.1:9092: nobody from outside is let in before somebody has decided so
    sasl.enabled.mechanisms    SCRAM: Kerberos, Kafka's default, is not supported
    security.inter.broker.protocol    not set: without it, brokers reach each other by the first listener
    advertised.listeners    not set: a client is told the address by which it came, so a container's port works at once
    node.id                 1: there need not be a configuration at all
    log.dir                 odradek-data: the system's temporary directory is no place for a log
    metadata.log.max.record.bytes.between.snapshots    4 MiB: a controller reads that in about two seconds
    log.flush.policy        sync: a key of ours; an acknowledged record is on the disk (see there)
    log.flush.offset.checkpoint.interval.ms    1 s: only before the point that is noted can a start tell damage from a
                            write that a power cut has torn
    queued.max.request.bytes, max.connections    bounded: no client may fill the memory
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, get_args, get_type_hints

from msgspec import Struct, structs

from odradek_broker.config.listener import WITH_LOGIN, Listener
from odradek_broker.config.listener_overrides import Place
from odradek_broker.config.login_keys import LoginConfig
from odradek_broker.config.logins import check_logins
from odradek_broker.config.permission_keys import PermissionConfig
from odradek_broker.config.server_keys import ROLES
from odradek_broker.config.setting import Setting, render
from odradek_broker.config.units import HOUR_MS, MINUTE_MS


class BrokerConfig(PermissionConfig, frozen=True, kw_only=True):
    """What holds for one broker. Made by `load_broker_config`; in tests directly, from attributes."""

    given: frozenset[str] = frozenset()
    """The keys (with dots) that somebody has set, unlike those that are at their defaults."""

    overrides: Mapping[Place, Mapping[str, Any]] = MappingProxyType({})
    """What is set for one listener, or for one mechanism there, by attribute."""

    def at(self, listener: str, mechanism: str = "") -> BrokerConfig:
        """What holds at one listener, for a mechanism of logins there."""
        changes = {**self.overrides.get(Place(listener), {}), **self.overrides.get(Place(listener, mechanism), {})}
        return structs.replace(self, **changes) if changes else self

    def protocol_of(self, listener: str) -> str | None:
        """What is spoken at the listener of that name; None where nothing says so."""
        return self.listener_security_protocol_map.protocols.get(listener)

    @property
    def data_directory(self) -> str:
        return self.log_dirs[0] if self.log_dirs else self.log_dir

    @property
    def retention_ms(self) -> int:
        """Of log.retention.ms, .minutes and .hours, the finest that is set."""
        if self.log_retention_ms is not None:
            return self.log_retention_ms
        if self.log_retention_minutes is not None:
            return _scaled(self.log_retention_minutes, MINUTE_MS)
        return _scaled(self.log_retention_hours, HOUR_MS)

    def advertised(self, name: str) -> Listener | None:
        """The address to tell clients that came by this listener; None for the one that they have used."""
        return next((listener for listener in self.advertised_listeners or () if listener.name == name), None)

    @property
    def inter_broker_listener(self) -> str:
        """The name of the listener by which the others reach this process."""
        return self.inter_broker_listener_name or self.security_inter_broker_protocol or self.listeners[0].name

    @property
    def is_alone(self) -> bool:
        """Whether it needs nobody to begin with; others may still name it as their controller."""
        return not self.controller_quorum_bootstrap_servers and set(self.process_roles) == set(ROLES)

    def is_given(self, name: str) -> bool:
        return name in self.given

    def text(self, name: str) -> str | None:
        """The value of the key `name` (with dots) as text; None where it is not set."""
        return render(getattr(self, name.replace(".", "_")))


def _scaled(value: int, unit_ms: int) -> int:
    return -1 if value == -1 else value * unit_ms


class BrokerKey(Struct, frozen=True):
    """One key, as it stands in the annotations above."""

    name: str
    attribute: str
    setting: Setting
    default: Any


@cache
def broker_keys() -> dict[str, BrokerKey]:
    """Every key that has an effect here, by name."""
    hints = get_type_hints(BrokerConfig, include_extras=True)
    keys = {}
    for field in structs.fields(BrokerConfig):
        setting = next((mark for mark in get_args(hints[field.name]) if isinstance(mark, Setting)), None)
        if setting is not None:
            name = field.name.replace("_", ".")
            keys[name] = BrokerKey(name, field.name, setting, field.default)
    return keys


LISTENER_KEYS = frozenset(field.name.replace("_", ".") for field in structs.fields(LoginConfig))
"""Keys that may be set for one listener alone."""


def check_together(config: BrokerConfig) -> list[str]:
    """What is wrong with values that are right each for itself."""
    mistakes = [*_check_identity(config), *_check_protocols(config), *_check_roles(config)]
    if config.group_min_session_timeout_ms > config.group_max_session_timeout_ms:
        mistakes.append("group.min.session.timeout.ms must not exceed group.max.session.timeout.ms")
    mistakes += _check_consumer_groups(config)
    if 0 < config.queued_max_request_bytes < config.socket_request_max_bytes:
        mistakes.append("queued.max.request.bytes must be at least socket.request.max.bytes, or -1")
    if config.broker_heartbeat_interval_ms * 2 > config.broker_session_timeout_ms:
        mistakes.append("broker.heartbeat.interval.ms must be at most half of broker.session.timeout.ms")
    return mistakes


def _check_consumer_groups(config: BrokerConfig) -> list[str]:
    session_ms, heartbeat_ms = config.group_consumer_session_timeout_ms, config.group_consumer_heartbeat_interval_ms
    mistakes = [
        f"group.consumer.{what} must be from group.consumer.min.{what} to group.consumer.max.{what}"
        for what, least, value, most in (
            (
                "session.timeout.ms",
                config.group_consumer_min_session_timeout_ms,
                session_ms,
                config.group_consumer_max_session_timeout_ms,
            ),
            (
                "heartbeat.interval.ms",
                config.group_consumer_min_heartbeat_interval_ms,
                heartbeat_ms,
                config.group_consumer_max_heartbeat_interval_ms,
            ),
            (
                "assignment.interval.ms",
                config.group_consumer_min_assignment_interval_ms,
                config.group_consumer_assignment_interval_ms,
                config.group_consumer_max_assignment_interval_ms,
            ),
        )
        if not least <= value <= most
    ]
    if heartbeat_ms >= session_ms:
        mistakes.append("group.consumer.heartbeat.interval.ms must be less than group.consumer.session.timeout.ms")
    return mistakes


def _check_identity(config: BrokerConfig) -> list[str]:
    mistakes = []
    names = {listener.name for listener in config.listeners}
    if not config.listeners:
        mistakes.append("listeners must name at least one address that clients can use")
    for listener in config.advertised_listeners or ():
        if listener.name not in names:
            mistakes.append(f"advertised.listeners names {listener.name}, which is not among the listeners")
        if listener.is_any_address or not listener.port:
            mistakes.append(f"advertised.listeners must tell clients a host and a port, unlike {listener}")
    named = ("inter.broker.listener.name", "security.inter.broker.protocol")
    given = [(key, name) for key in named if (name := getattr(config, key.replace(".", "_"))) is not None]
    if len(given) > 1:
        mistakes.append(f"only one of {' and '.join(named)} may be set")
    mistakes += [f"{key} is {name}, which is not a listener" for key, name in given if name not in names]
    if config.log_dirs is not None and len(config.log_dirs) > 1:
        mistakes.append("log.dirs may name one directory only: data is not spread over several disks")
    return mistakes


def _check_roles(config: BrokerConfig) -> list[str]:
    mistakes = []
    decides = "controller" in config.process_roles
    if not decides and not config.controller_quorum_bootstrap_servers:
        mistakes.append("process.roles=broker needs controller.quorum.bootstrap.servers: where its controller is")
    if decides and config.controller_journal == "etcd":
        if not config.etcd_endpoints:
            mistakes.append("controller.journal=etcd needs etcd.endpoints: where etcd is")
        if not config.controller_quorum_bootstrap_servers:
            mistakes.append("controller.journal=etcd needs controller.quorum.bootstrap.servers: all controllers")
    return mistakes


def _check_protocols(config: BrokerConfig) -> list[str]:
    mistakes = []
    for listener in config.listeners:
        protocol = config.protocol_of(listener.name)
        if protocol is None:
            mistakes.append(f"listeners: {listener} has no protocol; see listener.security.protocol.map")
        elif protocol in WITH_LOGIN:
            mistakes += [f"listeners: {listener.name}: {wrong}" for wrong in check_logins(config, listener.name)]
    return mistakes
