"""Keys of the broker itself: who it is, where it listens, how much it takes in at once."""

from __future__ import annotations

from typing import Annotated

from odradek_broker.config.address_limits import AddressLimits, parse_address_limits
from odradek_broker.config.etcd_keys import EtcdConfig
from odradek_broker.config.listener import (
    PROTOCOLS,
    Listener,
    ProtocolMap,
    check_listeners,
    parse_listener,
    parse_protocol_map,
)
from odradek_broker.config.setting import (
    BOOLEAN,
    INT,
    INT_MAX,
    LIST,
    LONG,
    STRING,
    Dynamic,
    Setting,
    at_least,
    each_of,
    either,
    not_empty,
    one_of,
)
from odradek_broker.config.units import HOUR_MS, KIB, MIB, MINUTE_MS, SECOND_MS

LIVE = Dynamic.CLUSTER

ROLES = ("broker", "controller")
JOURNALS = ("file", "etcd")


class IdentityConfig(EtcdConfig, frozen=True, kw_only=True):
    """Who this broker is and where it is found."""

    node_id: Annotated[int, Setting("The number of this broker, different from every other's.", INT, at_least(0))] = 1
    broker_rack: Annotated[
        str | None, Setting("Where the broker stands; replicas are spread over racks.", STRING, not_empty)
    ] = None
    log_dir: Annotated[str, Setting("The directory of all data.", STRING, not_empty)] = "odradek-data"
    log_dirs: Annotated[
        tuple[str, ...] | None, Setting("The same under its newer name; takes precedence.", LIST, not_empty)
    ] = None
    listeners: Annotated[
        tuple[Listener, ...],
        Setting("Addresses to listen at, as NAME://host:port.", LIST, check_listeners, build=parse_listener),
    ] = (Listener("PLAINTEXT", "127.0.0.1", 9092),)
    allow_unsecured_listeners: Annotated[
        bool,
        Setting(
            "Whether a listener that other machines can reach may ask nobody who they are. A key of Odradek's own.",
            BOOLEAN,
        ),
    ] = False
    advertised_listeners: Annotated[
        tuple[Listener, ...] | None,
        Setting(
            "Addresses that clients are told; where not set, the one by which they came.",
            LIST,
            check_listeners,
            build=parse_listener,
        ),
    ] = None
    inter_broker_listener_name: Annotated[
        str | None,
        Setting("The listener by which brokers and controllers reach each other; the first.", STRING, not_empty),
    ] = None
    listener_security_protocol_map: Annotated[
        ProtocolMap,
        Setting("The protocol that is spoken at each named listener.", STRING, build=parse_protocol_map),
    ] = ProtocolMap()
    security_inter_broker_protocol: Annotated[
        str | None,
        Setting(
            "The same as inter.broker.listener.name, where that listener has the name of its protocol.",
            STRING,
            one_of(*PROTOCOLS),
        ),
    ] = None
    controller_listener_names: Annotated[
        tuple[str, ...], Setting("Listeners for a controller's use, which are not opened here.", LIST)
    ] = ()
    process_roles: Annotated[
        tuple[str, ...], Setting("What this process is: broker, controller, or both.", LIST, each_of(*ROLES))
    ] = ROLES
    controller_quorum_bootstrap_servers: Annotated[
        tuple[Listener, ...],
        Setting("Where controllers are, as host:port; where not set, it is this process.", LIST, build=parse_listener),
    ] = ()
    controller_journal: Annotated[
        str,
        Setting(
            "Where controllers keep the metadata: in a file, for one; in etcd, for several.", STRING, one_of(*JOURNALS)
        ),
    ] = "file"
    metadata_log_max_record_bytes_between_snapshots: Annotated[
        int,
        Setting(
            "Bytes of metadata records after which a snapshot takes their place, unless the last one was larger.",
            LONG,
            at_least(1),
        ),
    ] = 4 * MIB
    metadata_log_max_snapshot_interval_ms: Annotated[
        int,
        Setting("The age of the oldest metadata record that is in no snapshot, at most; 0: any.", LONG, at_least(0)),
    ] = HOUR_MS


class NetworkConfig(IdentityConfig, frozen=True, kw_only=True):
    """Bounds of connections and requests."""

    socket_request_max_bytes: Annotated[
        int, Setting("The largest request that is read; a larger one ends its connection.", INT, at_least(1))
    ] = 100 * MIB
    queued_max_request_bytes: Annotated[
        int,
        Setting(
            "Memory for requests that are arriving, over all connections; -1 for no limit.",
            LONG,
            either(-1, at_least(1)),
        ),
    ] = 256 * MIB
    max_connections: Annotated[int, Setting("How many connections may be open at once.", INT, at_least(0), LIVE)] = (
        10_000
    )
    max_connections_per_ip: Annotated[
        int, Setting("How many connections one address may have open.", INT, at_least(0), LIVE)
    ] = INT_MAX
    max_connections_per_ip_overrides: Annotated[
        AddressLimits,
        Setting("The same for single hosts, as HOST:COUNT,HOST:COUNT.", STRING, None, LIVE, build=parse_address_limits),
    ] = AddressLimits()
    dynamic_config_ignore: Annotated[
        tuple[str, ...],
        Setting(
            "Settings whose changes while the cluster ran do not hold for this broker, so that whoever has locked "
            "everybody out can come in again: of the three about connections. A key of Odradek's own.",
            LIST,
            each_of("max.connections", "max.connections.per.ip", "max.connections.per.ip.overrides"),
        ),
    ] = ()
    connections_max_idle_ms: Annotated[
        int,
        Setting("A connection on which nothing has happened for so long is closed; none, if negative.", LONG),
    ] = 10 * MINUTE_MS
    request_timeout_ms: Annotated[
        int, Setting("How long this broker waits for another one's answer.", INT, at_least(1))
    ] = 30 * SECOND_MS
    fetch_max_bytes: Annotated[int, Setting("The most bytes one Fetch is answered with.", INT, at_least(KIB))] = (
        55 * MIB
    )
    max_incremental_fetch_session_cache_slots: Annotated[
        int, Setting("How many incremental fetch sessions are remembered.", INT, at_least(0))
    ] = 1000
    max_incremental_fetch_session_cache_partitions: Annotated[
        int, Setting("How many partitions they may remember together; a key of Odradek's own.", INT, at_least(0))
    ] = 200_000
    max_request_partition_size_limit: Annotated[
        int, Setting("How many partitions one DescribeTopicPartitions is answered with.", INT, at_least(1))
    ] = 2000
