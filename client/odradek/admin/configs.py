"""Configurations of topics, brokers and groups: describe, change."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import IntEnum
from typing import TypeVar

import trio
from msgspec import Struct

from odradek.admin.base import AdminBase
from odradek.errors import raise_for
from odradek.protocol.headers import ApiMessage
from odradek.protocol.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

R = TypeVar("R")


class ResourceType(IntEnum):
    """What has a configuration."""

    TOPIC = 2
    BROKER = 4
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class ConfigSource(IntEnum):
    """Where a value comes from."""

    UNKNOWN = 0
    TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    DYNAMIC_BROKER_LOGGER = 6
    CLIENT_METRICS = 7
    GROUP = 8


class ConfigEntry(Struct, frozen=True):
    """One key. `value` is None where it is sensitive."""

    name: str
    value: str | None
    source: ConfigSource
    read_only: bool
    is_sensitive: bool

    @property
    def is_default(self) -> bool:
        return self.source in (ConfigSource.DEFAULT, ConfigSource.STATIC_BROKER, ConfigSource.DYNAMIC_DEFAULT_BROKER)


LONGEST_PROPAGATION_S = 5.0

SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


class ConfigAdmin(AdminBase):
    """Names are topic names, broker ids as text ("" for all brokers together), group ids."""

    async def describe_configs(
        self, name: str, kind: ResourceType = ResourceType.TOPIC, *, keys: Collection[str] | None = None
    ) -> dict[str, ConfigEntry]:
        """The configuration in force, by key. Raises UnknownTopicOrPartition."""
        resource = DescribeConfigsResource(kind, name, None if keys is None else list(keys))
        answer = await self._ask_resource(
            kind, name, DescribeConfigsRequest(resources=[resource]), DescribeConfigsResponse
        )
        entries: dict[str, ConfigEntry] = {}
        for result in answer.results:
            raise_for(result.error_code, result.error_message or name)
            for config in result.configs:
                source = _source(config.config_source)
                entries[config.name] = ConfigEntry(
                    config.name, config.value, source, config.read_only, config.is_sensitive
                )
        return entries

    async def alter_configs(
        self,
        name: str,
        kind: ResourceType = ResourceType.TOPIC,
        *,
        set: Mapping[str, str] | None = None,
        delete: Collection[str] = (),
        append: Mapping[str, str] | None = None,
        subtract: Mapping[str, str] | None = None,
        validate_only: bool = False,
    ) -> None:
        """Change keys and leave all others as they are; a deleted one is the default again. `append` and `subtract`
        are for lists. Returns when what was set or deleted can be seen.

        Raises InvalidConfig, UnknownTopicOrPartition.
        """
        changes = [AlterableConfig(key, SET, value) for key, value in (set or {}).items()]
        changes += [AlterableConfig(key, DELETE, None) for key in delete]
        changes += [AlterableConfig(key, APPEND, value) for key, value in (append or {}).items()]
        changes += [AlterableConfig(key, SUBTRACT, value) for key, value in (subtract or {}).items()]
        request = IncrementalAlterConfigsRequest(
            resources=[AlterConfigsResource(kind, name, changes)], validate_only=validate_only
        )
        answer = await self._ask_resource(kind, name, request, IncrementalAlterConfigsResponse)
        for result in answer.responses:
            raise_for(result.error_code, result.error_message or name)
        if not validate_only:
            await self._wait_until_in_force(name, kind, set or {}, delete)

    async def _wait_until_in_force(
        self, name: str, kind: ResourceType, set: Mapping[str, str], deleted: Collection[str]
    ) -> None:
        """Brokers hear of a change from the controller, a little later than we do."""
        own = (ConfigSource.TOPIC, ConfigSource.DYNAMIC_BROKER, ConfigSource.GROUP, ConfigSource.CLIENT_METRICS)
        with trio.move_on_after(min(self._timeout_s, LONGEST_PROPAGATION_S)):
            while set or deleted:
                found = await self.describe_configs(name, kind, keys=[*set, *deleted])
                changed = all(key in found and found[key].value in (value, None) for key, value in set.items())
                if changed and not any(key in found and found[key].source in own for key in deleted):
                    return
                await trio.sleep(self._cluster.backoff_s)

    async def _ask_resource(self, kind: ResourceType, name: str, request: ApiMessage, response: type[R]) -> R:
        """A broker's own configuration is that broker's to tell."""
        if kind in (ResourceType.BROKER, ResourceType.BROKER_LOGGER) and name:
            return await self._cluster.request(int(name), request, response)
        return await self._cluster.ask_any(request, response)


def _source(code: int) -> ConfigSource:
    try:
        return ConfigSource(code)
    except ValueError:
        return ConfigSource.UNKNOWN
