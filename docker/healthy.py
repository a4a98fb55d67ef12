"""Exit with 0 where the broker of this container answers, for a health check."""

from __future__ import annotations

import trio

from odradek import Admin


async def ask() -> None:
    async with Admin("127.0.0.1:9092") as admin:
        await admin.list_topics()


trio.run(ask)
