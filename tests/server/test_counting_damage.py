"""A damaged partition hides the lag of no other, and of itself the offsets are told."""

from __future__ import annotations

from pathlib import Path

from odradek import Admin, TopicPartition
from odradek.protocol.errors import ErrorCode
from tests.server.served_broker import produce, serving

MAGIC = 16


async def test_where_a_count_meets_damage_offsets_are_told_and_neighbours_are_counted(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        peer = await served.connect()
        for topic in ("t", "u"):
            await peer.make_topic(topic)
            for value in (b"a", b"b", b"c"):
                assert (await peer.produce(produce(value, topic=topic))).error_code == ErrorCode.NONE
        path = tmp_path / "t-0" / f"{0:020}.log"
        content = bytearray(path.read_bytes())
        content[len(content) // 3 + MAGIC] ^= 0x55
        with path.open("r+b") as file:
            file.write(content)
        partitions = [TopicPartition("t", 0), TopicPartition("u", 0)]
        async with Admin(f"127.0.0.1:{served.port}") as admin:
            await admin.alter_group_offsets("g", dict.fromkeys(partitions, 1))
            lags = await admin.group_lag("g")
    assert [(lags[each].records, lags[each].end, lags[each].is_counted) for each in partitions] == [
        (2, 3, False),
        (2, 3, True),
    ]
