"""The metadata of the active controller in another process, followed by long poll.

A controller that answers and is of another cluster has lost its directory, or is the wrong one. Leases end then, but
the broker goes on: it still knows what was lost.
"""

from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

import trio

from odradek_broker.controller.frame import unframe
from odradek_broker.controller.history import NO_EPOCH, NO_OFFSET
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.metadata.controllers import ATTEMPT_SECONDS, BACKOFF_SECONDS
from odradek_broker.metadata.messages import FollowMetadataRequest, FollowMetadataResponse
from odradek_broker.metadata.peer import PeerUnreachable

if TYPE_CHECKING:
    from odradek_broker.loop.bell import Bell
    from odradek_broker.metadata.controllers import Controllers
    from odradek_broker.metadata.decider import OnImage

logger = logging.getLogger(__name__)

FIRST_ATTEMPT_SECONDS = 0.3
"""A process that has just begun may listen, and not answer yet: do not wait for it while another could."""
FOLLOW_WAIT_MS = 5_000
WHAT_TO_DO = (
    "It is the wrong one, or has lost its data directory. Nothing is led here until the right one answers. Stop no "
    "broker meanwhile: those that run still know the metadata, and `odradek metadata restore` makes a controller's "
    "directory anew out of it"
)


class MetadataFollower:
    """Of one broker."""

    def __init__(self, controllers: Controllers, node_id: int, on_image: OnImage, beat_now: Bell) -> None:
        """`beat_now` is set with each image, for the controller waits to hear how far we are."""
        self.image = MetadataImage()
        self.epoch = NO_EPOCH
        """Of the image's last record."""
        self.seen = (NO_OFFSET, NO_EPOCH)
        """Offset and epoch of the newest record that this broker had acted upon when it started: set it before the
        metadata is acted upon. A controller that does not know of it has lost what had been decided."""
        self.is_only_controller = False
        """Whether the controller has told us that no other process can take its place."""
        self._controllers = controllers
        self._node_id = node_id
        self._on_image = on_image
        self._beat_now = beat_now
        self._news = trio.Event()
        self._asking = trio.CancelScope()
        self._strange = ""
        """The cluster of a controller that is another cluster's than we are, as long as it is that which answers."""

    async def wait_for(self, offset: int) -> None:
        """Return once the image has that record."""
        while self.image.offset < offset:
            await self._news.wait()

    async def first_image(self) -> MetadataImage:
        """What the cluster is like at the moment, for a broker that is not in it yet. Waits for a controller."""
        for attempt in itertools.count():
            try:
                answer = await self._poll(0, self.seen if self.seen[0] >= 0 else (self.image.offset, self.epoch))
                if answer.last_offset < self.seen[0]:
                    raise PeerUnreachable(
                        f"the controller's metadata ends at offset {answer.last_offset}, but this broker has acted "
                        f"upon offset {self.seen[0]}: the controller has lost what it had decided"
                    )
                self.take(answer, apply=False)
                return self.image
            except PeerUnreachable as error:
                if attempt % 100 == 20:
                    logger.warning("waiting for a controller: %s", error)
            await trio.sleep(BACKOFF_SECONDS)
        raise AssertionError

    async def follow(self) -> None:
        """Hand every change of the metadata to the broker, until cancelled."""
        while True:
            with trio.CancelScope() as self._asking:
                try:
                    self.take(await self._poll(FOLLOW_WAIT_MS, (self.image.offset, self.epoch)), apply=True)
                except PeerUnreachable as error:
                    logger.debug("following the metadata: %s", error)
                    await trio.sleep(BACKOFF_SECONDS)

    def ask_again(self) -> None:
        """There is news, and the connection over which it was to come may be dead, or lead to a former controller."""
        self._asking.cancel()

    async def _poll(self, max_wait_ms: int, seen: tuple[int, int]) -> FollowMetadataResponse:
        """Raises PeerUnreachable."""
        cluster_id = self.image.cluster_id
        request = FollowMetadataRequest(
            self._node_id,
            self.image.offset + 1,
            max_wait_ms,
            cluster_id=cluster_id,
            seen_offset=seen[0],
            seen_epoch=seen[1],
        )
        attempt_s = ATTEMPT_SECONDS if self.image.offset >= 0 else FIRST_ATTEMPT_SECONDS
        asked, answer = await self._controllers.follow(request, max_wait_ms / 1000 + attempt_s)
        if cluster_id not in ("", answer.cluster_id):
            self._controllers.look_elsewhere(asked)
            why = f"the controller is of cluster {answer.cluster_id}, and this broker of cluster {cluster_id}"
            if answer.cluster_id != self._strange:
                logger.error("%s. %s", why, WHAT_TO_DO)
            self._strange = answer.cluster_id
            raise PeerUnreachable(why)
        self._strange = ""
        return answer

    def take(self, answer: FollowMetadataResponse, *, apply: bool) -> None:
        self.is_only_controller = not answer.has_rivals
        if answer.last_offset < self.image.offset or (answer.last_offset == self.image.offset and apply):
            return
        if not answer.is_snapshot and answer.last_offset - len(answer.records) != self.image.offset:
            return  # asked for before others have told us some of it
        records = [unframe(bytes(each)) for each in answer.records]
        base = MetadataImage(cluster_id=answer.cluster_id) if answer.is_snapshot else self.image
        old, self.image = self.image, replay(base, records, answer.last_offset)
        self.epoch = answer.epoch
        if apply:
            self._on_image(old, self.image)
        self._news.set()
        self._news = trio.Event()
        self._beat_now.set()
