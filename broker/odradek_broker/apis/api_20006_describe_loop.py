"""DescribeLoop (API key 20006, Odradek's own), version 0: how far this broker's loop is behind, and what has held it.

Behaviour
    Where nobody watches the loop all is 0.
    Advertised to Odradek's own client alone.
"""

from __future__ import annotations

from odradek.protocol.messages.describe_loop import DescribeLoopRequest, DescribeLoopResponse
from odradek_broker.apis import RequestContext

REQUEST, VERSIONS = DescribeLoopRequest, range(1)
FOR_OWN_CLIENTS = True


def handle(request: DescribeLoopRequest, context: RequestContext) -> DescribeLoopResponse:
    lag = context.broker.context.loop_lag
    return DescribeLoopResponse(
        lag_ms=round(lag.lag_ms),
        longest_ms=round(lag.longest_ms),
        held_count=lag.held_count,
        culprit=lag.last_culprit,
    )
