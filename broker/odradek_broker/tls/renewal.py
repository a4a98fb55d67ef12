"""Certificates that are exchanged while they are in use: a store that has changed on the disk, or in the settings, is
read anew.

Connections that are open stay as they are. What cannot be used is said once and not used: the old certificate goes on,
and the new one is tried again, for it may only not be valid yet.
"""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from odradek_broker.config.tls_keys import RENEWABLE
from odradek_broker.tls.stores import StoreError

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig

logger = logging.getLogger(__name__)

_SETTINGS = tuple(name.replace(".", "_") for name in sorted(RENEWABLE))

Stamp: TypeAlias = tuple[int, int, int] | None
"""By which a file is known to be another one; None where there is none."""


class RenewedTls:
    """A context that is never older than its stores, as of the last `renew`."""

    def __init__(
        self,
        make: Callable[[BrokerConfig], ssl.SSLContext],
        config: BrokerConfig,
        whose: str,
        stores: tuple[str, ...] = ("ssl_keystore_location", "ssl_truststore_location"),
    ) -> None:
        """`stores`: the settings that name their files. Raises StoreError."""
        self._make = make
        self._config = config
        self._whose = whose
        self._stores = stores
        self._seen = self._stamps(config)
        self._refused: list[object] | None = None
        """What could not be used, and has been said to be so."""
        self.context = make(config)

    def renew(self, config: BrokerConfig | None = None) -> None:
        """In a worker thread, now and then. `config`: what holds now, which may name other files."""
        config = config or self._config
        stamps = self._stamps(config)
        if stamps == self._seen:
            return
        try:
            self.context = self._make(config)
        except (StoreError, OSError) as error:
            if stamps != self._refused:
                logger.error("%s keeps its certificates, for the new ones cannot be used: %s", self._whose, error)
            self._refused = stamps
        else:
            self._config = config
            self._seen = stamps  # of before they were read: what has changed meanwhile is seen the next time
            logger.info("%s has new certificates", self._whose)

    def _stamps(self, config: BrokerConfig) -> list[object]:
        """By which each file is known to be another one, and all that the settings say of stores."""
        return [*(_stamp(getattr(config, each)) for each in self._stores), *(getattr(config, one) for one in _SETTINGS)]


def _stamp(path: str | None) -> Stamp:
    try:
        found = os.stat(path) if path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_mtime_ns, found.st_size, found.st_ino)
