"""The keys of an identity provider, from a file that may be exchanged while it is in use.

A worker looks at it before a login, never the loop: a file system that does not answer keeps that one thread, and a
login for LOOK_SECONDS; then it goes by the keys from before.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from odradek_broker.security.tokens import Key

logger = logging.getLogger(__name__)

LARGEST_BYTES = 1024 * 1024
LOOK_SECONDS = 2.0


class KeyFile:
    """Raises OSError and ValueError when it is made; later what cannot be read is said once, and the old keys go on."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen = self._stamp()
        self._keys = self._read()
        self._thread = trio.CapacityLimiter(1)

    def get(self, key_id: str) -> Key | None:
        return self._keys.get(key_id)

    async def ready(self) -> None:
        """Return once they are those of now, or it takes too long."""
        with trio.move_on_after(LOOK_SECONDS):
            await trio.to_thread.run_sync(self._look, abandon_on_cancel=True, limiter=self._thread)

    def _look(self) -> None:
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._keys = self._read()
            except (OSError, ValueError) as error:
                logger.error("%s: the keys from before are kept: %s", self._path, error)

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
