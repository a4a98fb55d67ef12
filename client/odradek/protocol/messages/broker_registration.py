"""BrokerRegistration (API key 62), versions 0-4: a broker makes itself known to the controller and gets its epoch.

Versions
    1 is_migrating_zk_broker, of use to migrations from ZooKeeper only    2 log_dirs (KIP-858)
    3 previous_broker_epoch (KIP-966)    4 supported features with minimum 0 are allowed
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Struct

from odradek.protocol.schema import ZERO_UUID, Array, Boolean, Int16, Int32, Int64, Since, String, UInt16, Uuid


class Listener(Struct, frozen=True):
    name: String = ""
    host: String = ""
    port: UInt16 = 0
    security_protocol: Int16 = 0


class Feature(Struct, frozen=True):
    name: String = ""
    min_supported_version: Int16 = 0
    max_supported_version: Int16 = 0


class BrokerRegistrationRequest(Struct, frozen=True):
    API_KEY: ClassVar[int] = 62
    VERSIONS: ClassVar[range] = range(5)
    FLEXIBLE: ClassVar[int | None] = 0

    broker_id: Int32 = 0
    cluster_id: String = ""
    incarnation_id: Uuid = ZERO_UUID
    """New with every start of the process."""
    listeners: Array[Listener] = ()
    features: Array[Feature] = ()
    rack: String | None = ""
    is_migrating_zk_broker: Annotated[Boolean, Since(1)] = False
    log_dirs: Annotated[Array[Uuid], Since(2)] = ()
    previous_broker_epoch: Annotated[Int64, Since(3)] = -1
    """The epoch before a clean shutdown; -1 after any other."""


class BrokerRegistrationResponse(Struct, frozen=True):
    API_KEY: ClassVar[int] = 62
    VERSIONS: ClassVar[range] = range(5)
    FLEXIBLE: ClassVar[int | None] = 0

    throttle_time_ms: Int32 = 0
    error_code: Int16 = 0
    broker_epoch: Int64 = -1
