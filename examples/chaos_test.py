"""A test that kills brokers: `pytest examples/chaos_test.py`, with pytest-trio."""

from odradek import Consumer, Producer
from odradek.testing import Cluster


async def test_orders_survive_their_leaders(odradek_cluster: Cluster) -> None:
    async with Producer(odradek_cluster.bootstrap) as producer:
        for number in range(5):
            await producer.send_and_wait("orders", b"%d" % number, partition=0)
            leader = await odradek_cluster.leader_of("orders", 0)
            leader.kill()
            await producer.send_and_wait("orders", b"after %d" % number, partition=0)
            await leader.start()
            await odradek_cluster.wait_in_sync("orders")
    async with Consumer(odradek_cluster.bootstrap, "orders") as consumer:
        read = [(await anext(consumer)).value for _ in range(10)]
    assert read == [text % number for number in range(5) for text in (b"%d", b"after %d")]
