"""Holds clients to their quotas: measures what they use, and says how long a connection is not to be read.

Who has used more than the quota is answered, is told for how long to ask nothing (throttle_time_ms), and is not read
for as long, whether it heeds that or not. Where there are no quotas, nothing is measured. What brokers ask of each
other is not held to any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct, structs

from odradek_broker.apis.api_00_produce import REQUEST as PRODUCE_REQUEST
from odradek_broker.apis.api_01_fetch import REQUEST as FETCH_REQUEST
from odradek_broker.apis.api_24_add_partitions_to_txn import BATCHED_SINCE
from odradek_broker.apis.api_24_add_partitions_to_txn import REQUEST as ADD_PARTITIONS_REQUEST
from odradek_broker.apis.api_27_write_txn_markers import REQUEST as WRITE_TXN_MARKERS_REQUEST
from odradek_broker.security.quotas import (
    FETCH,
    PRODUCE,
    REQUEST_TIME,
    Bucket,
    Meter,
    connection_limit,
    held_to,
)

if TYPE_CHECKING:
    from odradek_broker.apis import Answer, RequestContext
    from odradek_broker.config import BrokerConfig
    from odradek_broker.controller.image import MetadataImage

MAX_METERS = 10_000
"""Of clients that are measured at a time; beyond that those who have been silent for longest are forgotten."""

MOST_MS = 2**31 - 1
"""What an answer can tell; a tiny quota asks for more."""

Key: TypeAlias = tuple[str, str, str]
"""A quota, and who shares it."""


class Usage(Struct):
    """What one request uses, as far as it is known."""

    user: str
    client_id: str
    produced_bytes: int = 0
    worked_ms: int = 0
    """How long the loop was kept by it."""
    throttle_ms: int = 0
    """What is known already of how long nothing more must be asked."""
    is_fetch: bool = False


class Meters:
    """By quota and who shares it; no more than MAX_METERS."""

    def __init__(self) -> None:
        self._kept: dict[Key, Meter | Bucket] = {}
        """Who was measured last is last."""

    def meter(self, key: Key, config: BrokerConfig) -> Meter:
        found = self._kept.pop(key, None)
        if not isinstance(found, Meter):
            found = Meter(config.quota_window_num, config.quota_window_size_seconds * 1000)
        self._keep(key, found)
        return found

    def bucket(self, key: Key, config: BrokerConfig) -> Bucket:
        found = self._kept.pop(key, None)
        if not isinstance(found, Bucket):
            seconds = config.controller_quota_window_num * config.controller_quota_window_size_seconds
            found = Bucket(seconds * 1000)
        self._keep(key, found)
        return found

    def _keep(self, key: Key, meter: Meter | Bucket) -> None:
        while len(self._kept) >= MAX_METERS:
            del self._kept[next(iter(self._kept))]
        self._kept[key] = meter


class Throttling:
    """Of one broker."""

    def __init__(self) -> None:
        self._meters = Meters()

    def usage(self, request: Any, context: RequestContext, frame_bytes: int) -> Usage | None:
        """Of a request that has come; None where nobody is held to anything."""
        login = context.caller.login
        if (login is not None and login.is_pending) or is_from_broker(request, context):
            return None  # who logs in is nobody yet, and may be a broker
        usage = Usage(context.caller.principal.name, context.client_id or "")
        if isinstance(request, PRODUCE_REQUEST):
            usage.produced_bytes = frame_bytes
        elif isinstance(request, FETCH_REQUEST):
            usage.is_fetch = True
        return usage

    def settle(self, usage: Usage, response: Answer, image: MetadataImage, config: BrokerConfig, now_ms: int) -> int:
        """How long the client must ask nothing more, after this answer."""
        throttle_ms = usage.throttle_ms
        if usage.produced_bytes:
            throttle_ms = max(throttle_ms, self._use(PRODUCE, usage, usage.produced_bytes, image, config, now_ms))
        if usage.is_fetch and response is not None:
            throttle_ms = max(throttle_ms, self._use(FETCH, usage, _fetched_bytes(response), image, config, now_ms))
        # A percentage of one second: ten milliseconds each. One request never costs more than a sample is long.
        spent = self._use(REQUEST_TIME, usage, usage.worked_ms / 10, image, config, now_ms)
        return min(max(throttle_ms, min(spent, config.quota_window_size_seconds * 1000)), MOST_MS)

    def bucket_of(
        self, key: str, usage: Usage, image: MetadataImage, config: BrokerConfig
    ) -> tuple[Bucket, float] | None:
        """What is left of a quota of changes, and its limit."""
        held = held_to(image.quotas, key, usage.user, usage.client_id)
        return None if held is None else (self._meters.bucket((key, *held.sharer), config), held.limit)

    def refuse_connection(self, address: str, image: MetadataImage, config: BrokerConfig, now_ms: int) -> str | None:
        """Why somebody at the door is turned away."""
        limit = connection_limit(image.quotas, address)
        if limit is None:
            return None
        meter = self._meters.meter(("connections", address, ""), config)
        if meter.throttle_ms(limit, now_ms):
            return f"its address may open {limit:g} connections a second"
        meter.record(1, now_ms)
        return None

    def _use(
        self, key: str, usage: Usage, amount: float, image: MetadataImage, config: BrokerConfig, now_ms: int
    ) -> int:
        held = held_to(image.quotas, key, usage.user, usage.client_id)
        if held is None:
            return 0
        meter = self._meters.meter((key, *held.sharer), config)
        meter.record(amount, now_ms)
        return meter.throttle_ms(held.limit, now_ms)


def is_from_broker(request: Any, context: RequestContext) -> bool:
    """By what it asks, or by whom it has shown to be; be that principal's quota, or everybody's, what it may."""
    if context.caller.principal in context.broker.known_brokers.own:
        return True
    if isinstance(request, FETCH_REQUEST):
        return max(request.replica_id, request.replica_state.replica_id) >= 0 and context.by_broker
    if isinstance(request, ADD_PARTITIONS_REQUEST):
        return context.version >= BATCHED_SINCE and context.by_broker
    is_markers = isinstance(request, WRITE_TXN_MARKERS_REQUEST)
    return (is_markers or context.apis[type(request).API_KEY].for_brokers) and context.by_broker


def _fetched_bytes(response: Any) -> int:
    return sum(
        len(partition.records)
        for topic in getattr(response, "responses", ())
        for partition in topic.partitions
        if partition.records is not None
    )


def told(response: Any, throttle_ms: int) -> Any:
    """The answer with the time, where it has a field for that."""
    if response is None or not throttle_ms or "throttle_time_ms" not in response.__struct_fields__:
        return response
    return structs.replace(response, throttle_time_ms=throttle_ms)
