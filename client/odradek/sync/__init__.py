"""The client for programs without async: scripts, notebooks, threads.

    from odradek.sync import Consumer, Producer

    with Producer("localhost:9092") as producer:
        producer.send("orders", b"v", key=b"k")

    with Consumer("localhost:9092", "orders", group="billing") as consumer:
        for record in consumer:
            ...

These are the Producer, Consumer, ShareConsumer and Admin of `odradek` with the same arguments, promises and errors.
They do their work in one thread, which runs Trio while at least one of them is open. Every call waits for its answer
there, which costs some tens of microseconds: send many records by `send_many`, and read many by `poll`.

A call may be made from any thread; Ctrl-C ends the one that the main thread waits for, and nothing else.
"""

from odradek.sync.admin import Admin
from odradek.sync.consumer import Consumer
from odradek.sync.producer import Delivery, Producer, Transaction
from odradek.sync.share import ShareConsumer, Shared

__all__ = ["Admin", "Consumer", "Delivery", "Producer", "ShareConsumer", "Shared", "Transaction"]
