"""How damage is said: one line for a file, with what is wrong and what follows from it.

Whatever had been on stable storage and does not read back is said here, by whoever meets it, be it that it can be made
anew: a disk that has lost an index will lose records. Only what cannot be made anew concerns the callers too; that is
DamagedLog.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from odradek_broker.log.failures import DamagedLog

logger = logging.getLogger(__name__)

MADE_ANEW = "it is made anew from the records"


def say(path: str, fault: object, consequence: str = MADE_ANEW) -> None:
    logger.error("%s is damaged: %s; %s. Look at the disk", path, fault, consequence)


class FirstDamage:
    """Of the damage that was met, though nobody had looked for it, that which lies first in the log."""

    def __init__(self) -> None:
        self.met: DamagedLog | None = None

    def note(self, error: DamagedLog) -> None:
        if self.met is None or error.offset < self.met.offset:
            self.met = error

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Go on behind a block that meets damage."""
        try:
            yield
        except DamagedLog as error:
            self.note(error)
