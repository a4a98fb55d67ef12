"""Configuration: Kafka's keys, what they mean here, and where each value comes from.

    setting.py          how one key is described: type, check, sentence, whether it may change while the broker runs
    listener.py         addresses to listen at and to advertise
    broker_config.py    BrokerConfig: every broker key that has an effect here
    topic_keys.py       every topic key, and the broker keys that it falls back to
    accepted.py         Kafka's keys that have no effect here, accepted so that existing files can be used
    load.py             file, environment and flags into a BrokerConfig; all mistakes at once
    effective.py        what holds for a topic or a broker once dynamic changes are laid over it, and why

Nothing here waits or knows the network; only load.py reads a file.
"""

from odradek_broker.config.broker_config import BrokerConfig
from odradek_broker.config.effective import ConfigEntry, ConfigSource, TopicConfigs
from odradek_broker.config.listener import Listener
from odradek_broker.config.load import ConfigError, LoadedConfig, load_broker_config, settings_in

__all__ = [
    "BrokerConfig",
    "ConfigEntry",
    "ConfigError",
    "ConfigSource",
    "Listener",
    "LoadedConfig",
    "TopicConfigs",
    "load_broker_config",
    "settings_in",
]
