"""OffsetFetch, asked as a client asks it."""

from __future__ import annotations

from pathlib import Path

import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from odradek.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
)
from odradek_broker.controller.image import GROUP_TOPIC
from tests.server.served_broker import serving

BY_ID = 10


async def test_a_member_that_the_group_does_not_know_is_refused_also_where_it_asks_for_topics_by_their_ids(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, offsets_topic_num_partitions="1") as served:
        peer = await served.connect()
        await peer.make_topic("t")
        await served.broker.controller.create_topic_if_missing(GROUP_TOPIC)
        topic_id = served.broker.image.topics["t"].topic_id

        async def answer(member_id: str, member_epoch: int) -> OffsetFetchResponseGroup:
            topics = [OffsetFetchRequestTopics(topic_id=topic_id, partition_indexes=[0])]
            asked = OffsetFetchRequestGroup("g", member_id, member_epoch, topics)
            return (await peer.ask(OffsetFetchRequest(groups=[asked]), OffsetFetchResponse, BY_ID)).groups[0]

        with trio.fail_after(20):
            while True:
                joining = ConsumerGroupHeartbeatRequest("g", "m", 0, None, None, 60_000, ["t"], None, "uniform", [])
                joined = await peer.ask(joining, ConsumerGroupHeartbeatResponse, 1)
                if not joined.error_code:
                    break
                await trio.sleep(0.01)  # its coordinator is on its way
        assert [each.topic_id for each in (await answer("m", joined.member_epoch)).topics] == [topic_id]
        refused = await answer("nobody", 5)
        assert refused.error_code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.GROUP_ID_NOT_FOUND)
        assert not refused.topics
        assert await peer.is_answered()
