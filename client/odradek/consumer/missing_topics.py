"""Topics that are subscribed to and are not there: said once, and looked for until they are.

Without this a consumer that was started before its topic was made would wait in silence, and find it only when its
metadata has grown old.
"""

from __future__ import annotations

import logging

import trio

from odradek.cluster.cluster import Cluster
from odradek.cluster.metadata import ClusterImage
from odradek.consumer.subscription import Subscription
from odradek.protocol.errors import ErrorCode

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 1.0


class MissingTopics:
    """Follows the metadata of one consumer."""

    def __init__(self, cluster: Cluster, subscription: Subscription) -> None:
        self._cluster = cluster
        self._subscription = subscription
        self._known: dict[str, str] = {}
        """Of each that is missing, why."""

    async def run(self) -> None:
        while True:
            self._take_note(missing(self._subscription, self._cluster.image))
            if self._known:
                await trio.sleep(LOOK_AGAIN_S)
                self._cluster.wish_refresh()
            await self._cluster.changed.wait()

    def _take_note(self, found: dict[str, str]) -> None:
        for name in self._known.keys() - found.keys():
            self._cluster.activities.end(name)
        for name in found.keys() - self._known.keys():
            logger.warning("%s: %s; the consumer waits for it", name, found[name])
            self._cluster.activities.begin(name, found[name])
        self._known = found


def missing(subscription: Subscription, image: ClusterImage) -> dict[str, str]:
    """What cannot be read because it is not there, and why; leaving out what is only without a leader."""
    if subscription.pattern is not None and not subscription.wanted_topics(image):
        return {f"topics {subscription.pattern.pattern}": "none is there"}
    found = {}
    for name in subscription.names:
        topic = image.topics.get(name)
        if topic is None or topic.error is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            found[f"topic {name}"] = "there is none of that name"
        elif not topic.partitions and not topic.error.retriable:
            found[f"topic {name}"] = topic.error.sentence
    return found
