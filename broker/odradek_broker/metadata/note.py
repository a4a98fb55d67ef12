"""What this node writes down about the metadata: up to which record it has acted.

A restart has no image to compare with. By this note a broker refuses to set data aside on the word of a controller that
has lost what it had decided, and a controller takes the loss of its journal's end for what it is. At most PACE_S of
decisions are not in it after a crash.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from odradek_broker.context import NodeContext
    from odradek_broker.log.directory import LogDirectory
    from odradek_broker.metadata.client import ControllerClient
    from odradek_broker.ports.workers import Workers

logger = logging.getLogger(__name__)

PACE_S = 1.0


class MetadataNote:
    """Of one node."""

    def __init__(
        self, context: NodeContext, controller: ControllerClient, directory: LogDirectory, workers: Workers
    ) -> None:
        self._context = context
        self._controller = controller
        self._directory = directory
        self._workers = workers
        self._news = trio.Event()

    def see(self) -> None:
        """There is a new image."""
        self._news.set()

    async def run(self) -> None:
        while True:
            await self._news.wait()
            self._news = trio.Event()
            try:
                await self._workers.run(partial(self.write, *self.seen()))
            except OSError as error:
                logger.warning("cannot write down how far the metadata is known: %s", error)
            await trio.sleep(PACE_S)

    def seen(self) -> tuple[int, int]:
        return self._context.image.offset, self._controller.metadata_epoch

    def write(self, offset: int, epoch: int) -> None:
        """Blocking. Raises OSError."""
        if (offset, epoch) > self._directory.seen_metadata:
            self._directory.remember_metadata(offset, epoch)
