"""What is wrong with the settings of TLS: all of it, a line each, before anything is opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from odradek_broker.config.listener import OVER_TLS

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig


def check_tls(config: BrokerConfig) -> list[str]:
    """The library for certificates is imported only where there are some."""
    to_etcd = config.controller_journal == "etcd" and config.is_etcd_over_tls
    if all(config.protocol_of(listener.name) not in OVER_TLS for listener in config.listeners) and not to_etcd:
        return []
    from odradek_broker.tls.contexts import client_context, etcd_context, server_context

    mistakes = []
    for listener in config.listeners:
        if config.protocol_of(listener.name) in OVER_TLS:
            mistakes += _tried(f"listeners: {listener.name}: ", server_context, config.at(listener.name))
    ours = config.inter_broker_listener if config.listeners else ""
    if not mistakes and config.protocol_of(ours) in OVER_TLS:
        mistakes += _tried(f"listeners: {ours}: ", client_context, config.at(ours))
    return mistakes + (_tried("", etcd_context, config) if to_etcd else [])


def _tried(where: str, make: Callable[[BrokerConfig], object], config: BrokerConfig) -> list[str]:
    from odradek_broker.tls.stores import StoreError

    try:
        make(config)
    except StoreError as error:
        return [f"{where}{error}"]
    return []
