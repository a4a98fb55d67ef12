"""Exit with 0 where the broker of this container answers, for a health check; as the profile says (ODRADEK_PROFILE)."""

from __future__ import annotations

import trio

from odradek import Admin
from odradek_cli.session import security_for

HERE = "localhost:9092"


async def ask() -> None:
    async with Admin(HERE, security=security_for(HERE)) as admin:
        await admin.list_topics()


trio.run(ask)
