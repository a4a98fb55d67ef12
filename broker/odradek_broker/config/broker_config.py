"""BrokerConfig: the keys that have an effect on this broker, each declared once.

An attribute is the key with underscores for dots (log.segment.bytes -> log_segment_bytes); its annotation says the
rest. Defaults are Kafka 4.3's but for these, each for a reason:

    listeners               127.0.0.1:9092: nobody from outside is let in before somebody has decided so; and nobody who
                            need not say who they are, without allow.unsecured.listeners, a key of ours
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
from odradek_broker.config.server_keys import ROLES
from odradek_broker.config.setting import Setting, render
from odradek_broker.config.token_keys import DelegationTokenConfig
from odradek_broker.config.units import HOUR_MS, MINUTE_MS


class BrokerConfig(DelegationTokenConfig, frozen=True, kw_only=True):
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

    def is_guarded(self, listener: str) -> bool:
        """Whether nobody comes in there without having shown who they are."""
        protocol = self.protocol_of(listener)
        return protocol in WITH_LOGIN or (protocol == "SSL" and self.at(listener).ssl_client_auth == "required")

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

    @property
    def delegation_token_secret(self) -> str:
        """Empty where there are no delegation tokens."""
        return "" if self.delegation_token_secret_key is None else self.delegation_token_secret_key.text

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
