"""What is wrong with settings that are right each for itself: a line for each mistake."""

from __future__ import annotations

from odradek.protocol.sasl.scram import HASHES
from odradek_broker.config.broker_config import BrokerConfig
from odradek_broker.config.listener import WITH_LOGIN, Listener
from odradek_broker.config.logins import check_logins


def check_together(config: BrokerConfig) -> list[str]:
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
        mistakes += _check_etcd(config)
    return mistakes


def _check_etcd(config: BrokerConfig) -> list[str]:
    mistakes = []
    if (config.etcd_username is None) != (config.etcd_password is None):
        mistakes.append("etcd.username and etcd.password must both be set, or neither")
    if config.etcd_username is not None:
        mistakes += [
            f"etcd.endpoints: {endpoint} would be sent etcd.password for all to read; use https"
            for endpoint in config.open_etcd_endpoints
        ]
    return mistakes


def check_named(config: BrokerConfig) -> list[str]:
    """Of listeners: those of which nothing says what is spoken there."""
    return [
        f"listeners: {listener} has no protocol; see listener.security.protocol.map"
        for listener in config.listeners
        if config.protocol_of(listener.name) is None
    ]


def _check_protocols(config: BrokerConfig) -> list[str]:
    mistakes = [*check_named(config), *_check_first_users(config)]
    for listener in config.listeners:
        protocol = config.protocol_of(listener.name)
        if protocol in WITH_LOGIN:
            mistakes += [f"listeners: {listener.name}: {wrong}" for wrong in check_logins(config, listener.name)]
        if protocol is not None and not (listener.is_loopback or config.allow_unsecured_listeners):
            mistakes += _check_guarded(config, listener)
    return mistakes


def _check_first_users(config: BrokerConfig) -> list[str]:
    """Where one can log in by SCRAM, it has to be by a mechanism that they have; elsewhere they are for later."""
    with_login = [each.name for each in config.listeners if config.protocol_of(each.name) in WITH_LOGIN]
    offered = {mechanism for each in with_login for mechanism in config.at(each).sasl_enabled_mechanisms} & set(HASHES)
    if config.bootstrap_scram_users is None or not offered or "broker" not in config.process_roles:
        return []
    users = config.bootstrap_scram_users.users
    known = {user.name for user in users if user.mechanism in offered}
    return [
        f"bootstrap.scram.users: {user.name} cannot log in: no listener has {user.mechanism} in sasl.enabled.mechanisms"
        for user in users
        if user.name not in known
    ]


def _check_guarded(config: BrokerConfig, listener: Listener) -> list[str]:
    """Of a listener that others can reach."""
    if config.is_guarded(listener.name):
        return []
    return [
        f"listeners: {listener} lets in whoever reaches it, and asks nobody who they are: have it ask for a login or a "
        "certificate (docs/security.md), listen at 127.0.0.1, or say by allow.unsecured.listeners=true that it is meant"
    ]
