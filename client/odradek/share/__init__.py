"""Share groups (KIP-932): records go to whichever member is free, one by one, and come again until they are dealt with.

Reading order
    consumer.py         what a program calls
    shared.py           a record in the hands of a member, and what the member says of it
    membership.py       heartbeats: which partitions are ours to fetch
    fetcher.py          one task for each broker that leads some of them
    session.py, verdicts.py, arrivals.py    requests made and answers taken in; no I/O
    config.py, health.py
"""

from odradek.share.consumer import ShareConsumer
from odradek.share.health import ShareConsumerHealth
from odradek.share.shared import Shared

__all__ = ["ShareConsumer", "ShareConsumerHealth", "Shared"]
