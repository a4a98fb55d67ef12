"""Certificates that this broker is told to show or to believe from now on, at one of its listeners: it looks whether it
could, before anything is decided, as Kafka does it.

Nobody else can see its files, so nobody else is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from odradek.protocol.errors import ErrorCode
from odradek_broker.apis import RequestContext
from odradek_broker.config import BrokerConfig
from odradek_broker.config.effective import effective_broker_config
from odradek_broker.config.listener import OVER_TLS
from odradek_broker.config.listener_overrides import PREFIX
from odradek_broker.config.setting import SettingError
from odradek_broker.controller.effective import ALL_BROKERS
from odradek_broker.controller.image import ResourceType
from odradek_broker.coordination.api_error import ApiError


async def refuse_bad_certificates(name: str, new: Mapping[str, str], context: RequestContext) -> None:
    """`new`: all that is to be set for the broker of that name. What is wrong otherwise the controller says.

    Raises ApiError.
    """
    broker = context.broker
    old = broker.image.config(ResourceType.BROKER, name)
    changed = sorted(key for key in {**old, **new} if key.startswith(PREFIX) and old.get(key) != new.get(key))
    if not changed or name == ALL_BROKERS:
        return
    if name != str(broker.node_id):
        why = f"{changed[0]} is to be asked of broker {name} itself, unlike broker {broker.node_id}"
        raise ApiError(ErrorCode.INVALID_REQUEST, why)
    static = broker.context.static_config
    try:
        wanted = effective_broker_config(static, new, broker.image.config(ResourceType.BROKER, ALL_BROKERS))
    except SettingError:
        return
    for listener in static.listeners:
        here = wanted.at(listener.name)
        if static.protocol_of(listener.name) in OVER_TLS and here != broker.config.at(listener.name):
            wrong = await broker.workers.run(partial(_what_is_wrong, here))
            if wrong is not None:
                raise ApiError(ErrorCode.INVALID_REQUEST, f"listener {listener.name}: {wrong}")


def _what_is_wrong(config: BrokerConfig) -> str | None:
    """The library for certificates is imported only where there are some."""
    from odradek_broker.tls.contexts import server_context
    from odradek_broker.tls.stores import StoreError

    try:
        server_context(config)
    except StoreError as error:
        return str(error)
    return None
