"""Whom this node takes for brokers and controllers of its cluster, by its settings (security/known_brokers.py)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from odradek_broker.config.listener import WITH_LOGIN
from odradek_broker.config.logins import jaas_line
from odradek_broker.security.known_brokers import KnownBrokers
from odradek_broker.security.principal import USER, Principal, parse_principal

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig


def known_brokers(config: BrokerConfig) -> KnownBrokers:
    """Raises StoreError."""
    ours = config.inter_broker_listener
    own: set[Principal] = set()
    for listener in config.listeners:
        protocol = config.protocol_of(listener.name)
        if protocol in WITH_LOGIN:
            own |= _by_login(config, listener.name)
        elif protocol == "SSL":
            own |= _by_certificate(config.at(listener.name))
    super_users = frozenset(map(parse_principal, config.super_users.names))
    return KnownBrokers(ours, _asks_who_comes(config, ours), frozenset(own), super_users)


def _asks_who_comes(config: BrokerConfig, listener: str) -> bool:
    protocol = config.protocol_of(listener)
    return protocol in WITH_LOGIN or (protocol == "SSL" and config.at(listener).ssl_client_auth != "none")


def _by_login(config: BrokerConfig, listener: str) -> set[Principal]:
    user = jaas_line(config, listener, config.sasl_mechanism_inter_broker_protocol).options.get("username")
    return set() if user is None else {Principal(USER, user)}


def _by_certificate(config: BrokerConfig) -> set[Principal]:
    """The library for certificates is imported only where there are some."""
    from odradek_broker.tls.names import subject_of
    from odradek_broker.tls.stores import load_key_store

    if config.ssl_client_auth == "none":
        return set()
    store = load_key_store(config, datetime.now(UTC))
    name = None if store is None else config.ssl_principal_mapping_rules.name_of(subject_of(store.chain[0]))
    return set() if name is None else {Principal(USER, name)}
