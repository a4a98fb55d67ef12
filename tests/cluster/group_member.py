"""A member of a group in a process of its own, so that it can be killed and paused: a line for each record it is given.

    python group_member.py share|consumer BOOTSTRAP TOPIC GROUP [SLOW_S]

A line has the value and how often it was delivered. With SLOW_S one record takes so long, and the next ones no time.
"""

from __future__ import annotations

import sys
from functools import partial

import trio

from odradek import Consumer, ShareConsumer
from odradek.errors import OdradekError

MAX_POLL_INTERVAL_MS = 3_000
SLOW_AFTER = 20


def say(value: bytes | None, deliveries: int) -> None:
    print((value or b"").decode(), deliveries, flush=True)


class Pace:
    """Of one that is slow once."""

    def __init__(self, slow_s: float) -> None:
        self._slow_s, self._left = slow_s, SLOW_AFTER

    async def take(self) -> None:
        self._left -= 1
        if self._left == 0:
            await trio.sleep(self._slow_s)


async def share(bootstrap: str, topic: str, group: str, pace: Pace) -> None:
    async with ShareConsumer(bootstrap, topic, group=group, max_poll_records=5) as consumer:
        async for shared in consumer:
            say(shared.record.value, shared.delivery_count)
            await pace.take()


async def consume(bootstrap: str, topic: str, group: str, pace: Pace) -> None:
    async with Consumer(
        bootstrap,
        topic,
        group=group,
        protocol="consumer",
        auto_commit_interval_ms=200,
        max_poll_interval_ms=MAX_POLL_INTERVAL_MS,
    ) as consumer:
        async for record in consumer:
            say(record.value, 1)
            await pace.take()


async def main(kind: str, bootstrap: str, topic: str, group: str, slow_s: str = "0") -> None:
    pace = Pace(float(slow_s))
    while True:
        try:
            await (share if kind == "share" else consume)(bootstrap, topic, group, pace)
        except OdradekError as error:
            print(f"# {error}", file=sys.stderr, flush=True)
            await trio.sleep(0.2)


if __name__ == "__main__":
    trio.run(partial(main, *sys.argv[1:]))
