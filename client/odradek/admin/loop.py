"""How promptly each broker does what it has to do."""

from __future__ import annotations

from msgspec import Struct

from odradek.admin.base import AdminBase
from odradek.errors import raise_for
from odradek.protocol.messages.describe_loop import DescribeLoopRequest, DescribeLoopResponse


class LoopDescription(Struct, frozen=True):
    """Of a broker's loop, in which all that it does takes its turn."""

    lag_ms: int
    """How late it was last."""
    longest_ms: int
    """The latest that it has been since the broker was started."""
    held_count: int
    """How often something held it for a tenth of a second and more."""
    culprit: str
    """What that was, the last time."""


class LoopAdmin(AdminBase):
    """All brokers are asked, each for itself."""

    async def loops(self) -> dict[int, LoopDescription]:
        """By broker. Raises UnsupportedVersion where one is not Odradek, ConnectionFailed, RequestTimedOut."""
        found: dict[int, LoopDescription] = {}

        await self._cluster.refresh()
        for broker in sorted(self._cluster.image.brokers):
            answer = await self._cluster.request(broker, DescribeLoopRequest(), DescribeLoopResponse)
            raise_for(answer.error_code, f"broker {broker}")
            found[broker] = LoopDescription(answer.lag_ms, answer.longest_ms, answer.held_count, answer.culprit)
        return found
