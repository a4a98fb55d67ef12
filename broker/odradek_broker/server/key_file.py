"""The keys of an identity provider, from a file that may be exchanged while it is in use."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from odradek_broker.security.tokens import Key

logger = logging.getLogger(__name__)

LARGEST_BYTES = 1024 * 1024


class KeyFile:
    """Raises OSError and ValueError when it is made; later what cannot be read is said once, and the old keys go on."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen = self._stamp()
        self._keys = self._read()

    def get(self, key_id: str) -> Key | None:
        return self.keys().get(key_id)

    def keys(self) -> dict[str, Key]:
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._keys = self._read()
            except (OSError, ValueError) as error:
                logger.error("%s: the keys from before are kept: %s", self._path, error)
        return self._keys

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino

    def _read(self) -> dict[str, Key]:
        from odradek_broker.security.tokens import read_keys

        with open(self._path, "rb") as file:
            return read_keys(file.read(LARGEST_BYTES))
