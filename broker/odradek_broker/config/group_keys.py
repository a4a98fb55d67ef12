"""Every key that a group may have of its own, and the broker key that it falls back to.

An operator bounds what groups may say by keys of the broker. A value that was right when it was set, and is not within
the bounds of today, counts as the bound that it passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from odradek_broker.config.broker_config import BrokerConfig, broker_keys
from odradek_broker.config.effective import ConfigEntry, ConfigSource, Synonym, broker_synonyms
from odradek_broker.config.setting import BOOLEAN, INT, STRING, Setting, SettingError, at_least, one_of, render
from odradek_broker.config.units import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS

_DURATION = re.compile(
    r"by_duration:P(?=.)(?:(\d+)D)?(?:T(?=.)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.IGNORECASE
)
"""Days, hours, minutes and seconds."""


class GroupKey(Struct, frozen=True, kw_only=True):
    """One key of a group."""

    name: str
    setting: Setting
    default: Any
    fallback: str | None = None
    """The broker key whose value holds where the group says nothing."""
    least: str | int | None = None
    """The broker key that is the lower bound, or the bound itself."""
    most: str | int | None = None

    def bounds(self, broker: BrokerConfig) -> tuple[int, int] | None:
        return None if self.least is None or self.most is None else (_of(broker, self.least), _of(broker, self.most))


def _of(broker: BrokerConfig, bound: str | int) -> int:
    return bound if isinstance(bound, int) else int(getattr(broker, bound.replace(".", "_")))


def _consumer(name: str, default: int, least: int = 1) -> GroupKey:
    sentence = broker_keys()[f"group.consumer.{name}"].setting.sentence
    return GroupKey(
        name=f"consumer.{name}",
        setting=Setting(sentence, INT, at_least(least)),
        default=default,
        fallback=f"group.consumer.{name}",
        least=f"group.consumer.min.{name}",
        most=f"group.consumer.max.{name}",
    )


def _share(name: str, sentence: str, default: int, least: int, most: int) -> GroupKey:
    fallback = f"group.share.{name}"
    return GroupKey(
        name=f"share.{name}",
        setting=Setting(sentence, INT, at_least(1)),
        default=default,
        fallback=fallback if fallback in broker_keys() else None,
        least=least,
        most=most,
    )


def _reset(value: str) -> str | None:
    fits = value.lower() in ("earliest", "latest") or _DURATION.fullmatch(value)
    return None if fits else "must be earliest, latest or by_duration:PnDTnHnMn.nS"


def reset_age_ms(value: str) -> int | None:
    """Of share.auto.offset.reset, how old the first records may be; None where it says nothing of age."""
    found = _DURATION.fullmatch(value)
    if found is None:
        return None
    days, hours, minutes, seconds = (float(each or 0) for each in found.groups())
    return int(days * DAY_MS + hours * HOUR_MS + minutes * MINUTE_MS + seconds * SECOND_MS)


_KEYS = (
    _consumer("session.timeout.ms", 45 * SECOND_MS),
    _consumer("heartbeat.interval.ms", 5 * SECOND_MS),
    _consumer("assignment.interval.ms", SECOND_MS, least=0),
    _share("session.timeout.ms", "How long a member may be silent.", 45 * SECOND_MS, 45 * SECOND_MS, MINUTE_MS),
    _share("heartbeat.interval.ms", "How often members send heartbeats.", 5 * SECOND_MS, 5 * SECOND_MS, 15 * SECOND_MS),
    _share("record.lock.duration.ms", "How long a member has a record.", 30 * SECOND_MS, 15 * SECOND_MS, MINUTE_MS),
    _share("delivery.count.limit", "How often a record is delivered at most.", 5, 2, 10),
    _share("partition.max.record.locks", "Records of a partition that members may have at once.", 2_000, 100, 10_000),
    GroupKey(
        name="share.auto.offset.reset",
        setting=Setting("Where a share group begins to read a partition.", STRING, _reset),
        default="latest",
    ),
    GroupKey(
        name="share.isolation.level",
        setting=Setting(
            "Whether members get records of transactions before these are committed.",
            STRING,
            one_of("read_committed", "read_uncommitted"),
            build=str.lower,
        ),
        default="read_uncommitted",
    ),
    GroupKey(
        name="errors.deadletterqueue.topic.name",
        setting=Setting("The topic into which a share group writes what it gives up.", STRING),
        default="",
    ),
    GroupKey(
        name="errors.deadletterqueue.copy.record.enable",
        setting=Setting("Whether it writes the records themselves there, with what it says of them.", BOOLEAN),
        default=False,
    ),
    GroupKey(
        name="share.renew.acknowledge.enable",
        setting=Setting("Whether members may keep a record for longer than its lock.", BOOLEAN),
        default=True,
    ),
)

GROUP_KEYS = {key.name: key for key in _KEYS}


def check_group_values(broker: BrokerConfig, own: Mapping[str, str]) -> str | None:
    """What is wrong with a group's own values: one sentence, or None."""
    for name, text in own.items():
        key = GROUP_KEYS.get(name)
        if key is None:
            return f"Unknown group config name: {name}"
        try:
            value = key.setting.parse(text)
        except SettingError as error:
            return f"Invalid value {text!r} for {name}: {error}"
        bounds = key.bounds(broker)
        if bounds is not None and not bounds[0] <= value <= bounds[1]:
            return f"{name} must be in the range {bounds[0]} to {bounds[1]} inclusive."
    for kind in ("consumer", "share"):
        session, heartbeat = f"{kind}.session.timeout.ms", f"{kind}.heartbeat.interval.ms"
        is_about = session in own or heartbeat in own
        if is_about and group_value(broker, own, session) <= group_value(broker, own, heartbeat):
            return f"{session} must be greater than {heartbeat}"
    return None


def group_value(broker: BrokerConfig, own: Mapping[str, str], name: str) -> Any:
    """What holds for a group. `broker`: with its dynamic changes."""
    key = GROUP_KEYS[name]
    if name not in own:
        return key.default if key.fallback is None else getattr(broker, key.fallback.replace(".", "_"))
    value, bounds = key.setting.parse(own[name]), key.bounds(broker)
    return value if bounds is None else min(max(value, bounds[0]), bounds[1])


def group_entries(
    broker: BrokerConfig, dynamic: Mapping[str, str], dynamic_default: Mapping[str, str], own: Mapping[str, str]
) -> list[ConfigEntry]:
    """Every key of a group whose own values are `own`, whether there is such a group or not."""
    entries = []
    for key in GROUP_KEYS.values():
        synonyms = tuple(_synonyms(key, broker, dynamic, dynamic_default, own))
        first = synonyms[0] if synonyms else Synonym(key.name, render(key.default), ConfigSource.DEFAULT)
        setting = key.setting
        entries.append(
            ConfigEntry(key.name, first.value, first.source, setting.type, setting.sentence, False, synonyms)
        )
    return entries


def _synonyms(
    key: GroupKey,
    broker: BrokerConfig,
    dynamic: Mapping[str, str],
    dynamic_default: Mapping[str, str],
    own: Mapping[str, str],
) -> Iterator[Synonym]:
    if key.name in own:
        yield Synonym(key.name, own[key.name], ConfigSource.GROUP)
    if key.fallback is not None:
        yield from broker_synonyms(broker, key.fallback, dynamic, dynamic_default)
