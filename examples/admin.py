"""Look after a cluster: python examples/admin.py [bootstrap]"""

from __future__ import annotations

import sys
from functools import partial

import trio

from odradek import Admin, Consumer, Producer, TopicPartition, UnknownTopicOrPartition

TOPIC, GROUP = "admin-example", "admin-example-readers"


async def main(bootstrap: str = "localhost:9092") -> None:
    async with Admin(bootstrap) as admin:
        cluster = await admin.describe_cluster()
        print("cluster", cluster.cluster_id, *map(str, cluster.brokers))
        try:
            await admin.delete_topic(TOPIC)
        except UnknownTopicOrPartition:
            pass

        await admin.create_topic(TOPIC, partitions=2, replication_factor=1, configs={"retention.ms": "3600000"})
        await admin.create_partitions(TOPIC, 3)
        await admin.alter_configs(TOPIC, set={"retention.ms": "7200000"})
        entry = (await admin.describe_configs(TOPIC, keys=["retention.ms"]))["retention.ms"]
        print(f"{entry.name} = {entry.value} (from {entry.source.name})")
        for partition in (await admin.describe_topic(TOPIC)).partitions:
            print(f"partition {partition.index}: leader {partition.leader}, in sync {partition.isr}")

        async with Producer(bootstrap) as producer:
            for number in range(10):
                await producer.send(TOPIC, b"%d" % number, partition=0)
        async with Consumer(bootstrap, TOPIC, group=GROUP) as consumer:
            for _ in range(4):
                await anext(consumer)
            group = await admin.describe_group(GROUP)
            print(f"group {group.group_id}: {group.state}, {len(group.members)} member, assignor {group.assignor}")

        for partition_of_group, lag in sorted((await admin.group_lag(GROUP)).items()):
            print(f"{partition_of_group}: committed {lag.offset} of {lag.end}, {lag.records} behind")
        await admin.alter_group_offsets(GROUP, {TopicPartition(TOPIC, 0): 0})
        await admin.delete_records({TopicPartition(TOPIC, 0): 5})
        print("begins now at", await admin.beginning_offsets([TopicPartition(TOPIC, 0)]))
        await admin.delete_group(GROUP)
        await admin.delete_topic(TOPIC)


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
