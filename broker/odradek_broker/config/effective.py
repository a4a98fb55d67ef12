"""What holds once dynamic changes are laid over the configuration, and where each value comes from.

Four layers, the first that has a value wins (Kafka's order):

    the topic's own                     TOPIC
    a change for this broker            DYNAMIC_BROKER          (unless dynamic.config.ignore names the key)
    a change for all brokers            DYNAMIC_DEFAULT_BROKER  (likewise)
    the configuration at start          STATIC_BROKER
    the default                         DEFAULT

Dynamic values are text, as the metadata records keep it; the controller has checked them before it wrote them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any

from msgspec import Struct, structs

from odradek_broker.config.accepted import ALIASES
from odradek_broker.config.broker_config import BrokerConfig, BrokerKey, broker_keys
from odradek_broker.config.inert_keys import INERT_KEYS, InertKey
from odradek_broker.config.listener_overrides import PREFIX, Place, split_override
from odradek_broker.config.setting import LIST, PASSWORD, ConfigType, Dynamic, SettingError, render
from odradek_broker.config.tls_keys import RENEWABLE
from odradek_broker.config.topic_keys import (
    INTERNAL_KEYS,
    INTERNAL_SEGMENT_BYTES,
    TOPIC_KEYS,
    Fallback,
    TopicKey,
    check_topic_values,
)
from odradek_broker.log.config import LogConfig

NOTHING: Mapping[str, str] = {}


class ConfigSource(IntEnum):
    """Kafka's numbers, as in DescribeConfigs."""

    TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    DYNAMIC_BROKER_LOGGER = 6
    GROUP = 8


class Synonym(Struct, frozen=True):
    """One layer that has a value for a key, under that layer's name for it."""

    name: str
    value: str | None
    source: ConfigSource


class ConfigEntry(Struct, frozen=True):
    """One key as DescribeConfigs shows it."""

    name: str
    value: str | None
    source: ConfigSource
    type: ConfigType
    sentence: str
    read_only: bool
    synonyms: tuple[Synonym, ...]
    """Every layer that has a value, the one that holds first."""


class TopicConfigs:
    """What topics have, on one broker."""

    def __init__(
        self,
        broker: BrokerConfig,
        dynamic: Mapping[str, str] = NOTHING,
        dynamic_default: Mapping[str, str] = NOTHING,
    ) -> None:
        self._broker = broker
        self._dynamic = dynamic
        self._dynamic_default = dynamic_default

    def entry(self, key: TopicKey, own: Mapping[str, str]) -> ConfigEntry:
        synonyms = tuple(self._synonyms(key, own))
        value, source = self._value(key, own), synonyms[0].source if synonyms else ConfigSource.DEFAULT
        setting = key.setting
        return ConfigEntry(key.name, render(value), source, setting.type, setting.sentence, False, synonyms)

    def entries(self, own: Mapping[str, str]) -> list[ConfigEntry]:
        """Every key of a topic whose own values are `own`."""
        return [self.entry(key, own) for key in TOPIC_KEYS.values()]

    def value(self, name: str, own: Mapping[str, str]) -> Any:
        """One value. Raises SettingError where `own` has a wrong one."""
        return self._value(TOPIC_KEYS[name], own)

    def values(self, own: Mapping[str, str]) -> dict[str, Any]:
        """Every value, by attribute (retention_ms). Raises SettingError where `own` has a wrong one."""
        return {key.attribute: self._value(key, own) for key in TOPIC_KEYS.values()}

    def log_config(self, own: Mapping[str, str]) -> LogConfig:
        """What the logs of such a topic are kept by."""
        values = self.values(own)
        broker = effective_broker_config(self._broker, self._dynamic, self._dynamic_default)
        values["cleanup_policy"] = frozenset(values["cleanup_policy"])
        values["producer_id_expiration_ms"] = broker.producer_id_expiration_ms
        values["dedupe_buffer_bytes"] = broker.log_cleaner_dedupe_buffer_size
        if INTERNAL_SEGMENT_BYTES in own:
            values["segment_bytes"] = INTERNAL_KEYS[INTERNAL_SEGMENT_BYTES].setting.parse(own[INTERNAL_SEGMENT_BYTES])
        fields = set(LogConfig.__struct_fields__)
        return LogConfig(**{name: value for name, value in values.items() if name in fields})

    def check(self, own: Mapping[str, str]) -> str | None:
        """What is wrong with a topic's own values: one sentence, or None."""
        for name, text in own.items():
            key = TOPIC_KEYS.get(name) or INTERNAL_KEYS.get(name)
            if key is None:
                return f"Unknown topic config name: {name}"
            try:
                key.setting.parse(text)
            except SettingError as error:
                return f"Invalid value {text!r} for {name}: {error}"
        return check_topic_values(self.values(own))

    def _value(self, key: TopicKey, own: Mapping[str, str]) -> Any:
        if key.name in own:
            return key.setting.parse(own[key.name])
        for synonym, fallback in self._fallbacks(key):
            if synonym.value is not None:
                return _scale(broker_keys()[fallback.name].setting.parse(synonym.value), fallback.factor)
        return key.default

    def _synonyms(self, key: TopicKey, own: Mapping[str, str]) -> Iterator[Synonym]:
        if key.name in own:
            yield Synonym(key.name, own[key.name], ConfigSource.TOPIC)
        for synonym, _ in self._fallbacks(key):
            yield synonym

    def _fallbacks(self, key: TopicKey) -> Iterator[tuple[Synonym, Fallback]]:
        """The broker's layers that have a value, with the key that each goes by: all of the finest key's first."""
        for fallback in key.fallbacks:
            for synonym in broker_synonyms(self._broker, fallback.name, self._dynamic, self._dynamic_default):
                yield synonym, fallback


def broker_synonyms(
    broker: BrokerConfig, name: str, dynamic: Mapping[str, str], dynamic_default: Mapping[str, str]
) -> Iterator[Synonym]:
    """The layers that have a value for a broker key, the one that holds first."""
    is_ignored = name in broker.dynamic_config_ignore
    if name in dynamic and not is_ignored:
        yield Synonym(name, dynamic[name], ConfigSource.DYNAMIC_BROKER)
    if name in dynamic_default and not is_ignored:
        yield Synonym(name, dynamic_default[name], ConfigSource.DYNAMIC_DEFAULT_BROKER)
    if broker.is_given(name):
        yield Synonym(name, broker.text(name), ConfigSource.STATIC_BROKER)
    default = render(broker_keys()[name].default) if broker.is_given(name) else broker.text(name)
    if default is not None:
        yield Synonym(name, default, ConfigSource.DEFAULT)


def broker_entries(
    broker: BrokerConfig, dynamic: Mapping[str, str] = NOTHING, dynamic_default: Mapping[str, str] = NOTHING
) -> list[ConfigEntry]:
    """Every key of a broker, also under its older name."""
    entries = []
    for key in broker_keys().values():
        synonyms = tuple(broker_synonyms(broker, key.name, dynamic, dynamic_default))
        entries.append(_broker_entry(key, synonyms))
    entries += [_inert_entry(key, dynamic, dynamic_default) for key in INERT_KEYS.values()]
    by_name = {entry.name: entry for entry in entries}
    entries += [structs.replace(by_name[name], name=alias) for alias, name in ALIASES.items()]
    return entries + listener_entries(dynamic)


def broker_default_entries(dynamic_default: Mapping[str, str]) -> list[ConfigEntry]:
    """The keys that have been changed for all brokers."""
    return [
        _broker_entry(key, (Synonym(name, value, ConfigSource.DYNAMIC_DEFAULT_BROKER),))
        for name, value in dynamic_default.items()
        if (key := broker_keys().get(name) or INERT_KEYS.get(name)) is not None
    ]


def _inert_entry(key: InertKey, dynamic: Mapping[str, str], dynamic_default: Mapping[str, str]) -> ConfigEntry:
    layers = (
        (dynamic.get(key.name), ConfigSource.DYNAMIC_BROKER),
        (dynamic_default.get(key.name), ConfigSource.DYNAMIC_DEFAULT_BROKER),
        (render(key.default), ConfigSource.DEFAULT),
    )
    return _broker_entry(key, tuple(Synonym(key.name, text, source) for text, source in layers if text is not None))


def _broker_entry(key: BrokerKey | InertKey, synonyms: tuple[Synonym, ...]) -> ConfigEntry:
    value, source = (synonyms[0].value, synonyms[0].source) if synonyms else (None, ConfigSource.DEFAULT)
    read_only = key.setting.dynamic is Dynamic.NO
    return ConfigEntry(key.name, value, source, key.setting.type, key.setting.sentence, read_only, synonyms)


def effective_broker_config(
    static: BrokerConfig, dynamic: Mapping[str, str], dynamic_default: Mapping[str, str]
) -> BrokerConfig:
    """The broker's configuration with its dynamic changes laid over it."""
    changes = {
        key.attribute: key.setting.parse(text)
        for name, text in {**dynamic_default, **dynamic}.items()
        if (key := broker_keys().get(name)) is not None
        and key.setting.dynamic is not Dynamic.NO
        and name not in static.dynamic_config_ignore
    }
    if any(name.startswith(PREFIX) for name in dynamic):
        changes["overrides"] = _of_listeners(static, dynamic)
    return structs.replace(static, **changes) if changes else static


def _of_listeners(static: BrokerConfig, dynamic: Mapping[str, str]) -> dict[Place, Mapping[str, Any]]:
    """What holds for single listeners. What is said of one that there is no more holds for nobody."""
    overrides: dict[Place, Mapping[str, Any]] = dict(static.overrides)
    for name, text in dynamic.items():
        found = split_override(name, (listener.name for listener in static.listeners))
        if found is not None and found[1] in RENEWABLE:
            place, key = found[0], broker_keys()[found[1]]
            value = None if not text.strip() and key.default is None else key.setting.parse(text)
            overrides[place] = {**overrides.get(place, {}), key.attribute: value}
    return overrides


def listener_entries(dynamic: Mapping[str, str]) -> list[ConfigEntry]:
    """What has been changed for single listeners of a broker."""
    entries = []
    for name, value in dynamic.items():
        key = _renewable(name)
        if key is not None:
            only = (Synonym(name, value, ConfigSource.DYNAMIC_BROKER),)
            setting = key.setting
            entries.append(ConfigEntry(name, value, only[0].source, setting.type, setting.sentence, False, only))
    return entries


def _renewable(name: str) -> BrokerKey | None:
    """What it is that is given for one listener."""
    found = (each for each in RENEWABLE if name.startswith(PREFIX) and name.endswith(f".{each}"))
    return next((broker_keys()[each] for each in found), None)


def is_secret(name: str) -> bool:
    """Whether the value of this key of a broker is told to nobody."""
    key = broker_keys().get(name) or _renewable(name)
    return key is not None and key.setting.type is PASSWORD


def is_list(name: str) -> bool:
    """Whether a value of this key can be appended to and subtracted from."""
    key = TOPIC_KEYS.get(name) or broker_keys().get(name)
    return key is not None and key.setting.type is LIST


def _scale(value: Any, factor: int) -> Any:
    return -1 if value == -1 else value * factor if factor != 1 else value
