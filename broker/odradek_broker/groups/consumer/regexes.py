"""Subscriptions by regular expression: which topics an expression means is a matter of the group, and is recorded.

To look through all names takes a while, so it is done by whoever hosts the coordinator, beside its loop, before the
heartbeat is decided upon that needs it: `to_resolve` says what for. Kafka: TopicRegexResolver.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from msgspec import Struct

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from odradek_broker.coordination.api_error import ApiError
from odradek_broker.groups.consumer.group import ConsumerGroup
from odradek_broker.groups.consumer.resolved_regex import ResolvedRegex
from odradek_broker.groups.regex import InvalidRegex, Regex

MIN_REFRESH_INTERVAL_MS = 10_000
"""However often topics come to be."""


class Resolved(Struct, frozen=True):
    """What has been found out for a heartbeat."""

    topics: Mapping[str, frozenset[str]] = {}
    """By expression."""
    faults: Mapping[str, str] = {}
    """Why one is none."""
    version: int = -1
    """Of the metadata that was looked through."""


def to_resolve(
    group: ConsumerGroup | None,
    request: ConsumerGroupHeartbeatRequest,
    names_version: int,
    wall_ms: int,
    refresh_interval_ms: int,
) -> frozenset[str]:
    """What has to be resolved for this heartbeat: its own expression, if it is new to the group; and from time to time,
    and after topics have come to be, those of all members."""
    said = request.subscribed_topic_regex
    new = {said} if said and (group is None or said not in group.regexes) else set()
    if group is None or not group.regexes:
        return frozenset(new)
    subscribed = {each.subscribed_topic_regex for each in group.members.values()} - {"", None}
    if _is_stale(group.regexes.values(), names_version, wall_ms, refresh_interval_ms):
        return frozenset(new | {each for each in subscribed if each})
    return frozenset(new)


def _is_stale(known: Iterable[ResolvedRegex], names_version: int, wall_ms: int, refresh_interval_ms: int) -> bool:
    oldest_ms, version = min((each.timestamp_ms, each.version) for each in known)
    age_ms = wall_ms - oldest_ms
    return age_ms > refresh_interval_ms or (version < names_version and age_ms > MIN_REFRESH_INTERVAL_MS)


def resolve(expressions: Iterable[str], names: Collection[str], version: int) -> Resolved:
    """Look through all names. Long work, for many names."""
    topics: dict[str, frozenset[str]] = {}
    faults: dict[str, str] = {}
    for expression in expressions:
        try:
            compiled = Regex(expression)
        except InvalidRegex as invalid:
            faults[expression] = str(invalid)
        else:
            topics[expression] = frozenset(filter(compiled.matches, names))
    return Resolved(topics, faults, version)


def refuse_if_invalid(expression: str | None, resolved: Resolved) -> None:
    """Raises ApiError."""
    fault = resolved.faults.get(expression or "")
    if fault is not None:
        raise ApiError(
            ErrorCode.INVALID_REGULAR_EXPRESSION,
            f"SubscribedTopicRegex `{expression}` is not a valid regular expression: {fault}.",
        )
