"""What one small request may cost: budgets that no change breaks without somebody's having looked.

They are counts, and so the same on a busy machine as on an idle one. A figure above its budget is a reason to look
where it comes from, and not to raise the budget; one far below it, to lower it. benchmarks/path.py says what it takes
in time.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from odradek.protocol.headers import ApiMessage
from tests.bench.calls import Cost, cost_of, peak_bytes_of
from tests.server.served_broker import fetch, frame_of, produce, serving

ROOM = 1.1
"""A tenth more breaks a budget, and a budget that would not notice that much is to be lowered."""
VALUE = b"x" * 1000


class Budget(NamedTuple):
    """Of one request."""

    calls: int
    """Of Python functions of ours."""
    builtins: int
    """Of functions in C, by functions of ours."""
    peak_bytes: int
    """More memory at a time than before, what the client holds included. It differs by a few hundred bytes."""


class Request(NamedTuple):
    message: ApiMessage
    version: int
    settings: dict[str, str]
    budget: Budget


PAGE_CACHE, FSYNC = {"log_flush_policy": "interval"}, {"log_flush_policy": "sync"}
REQUESTS = {
    "a Produce, page cache": Request(produce(VALUE), 9, PAGE_CACHE, Budget(107, 87, 5_500)),
    "a Produce, fsync": Request(produce(VALUE), 9, FSYNC, Budget(152, 104, 7_500)),
    "a Fetch": Request(fetch(0, max_bytes=1), 11, PAGE_CACHE, Budget(108, 95, 8_000)),
}


@pytest.mark.parametrize("what", REQUESTS)
async def test_a_small_request_costs_what_its_budget_says(tmp_path: Path, what: str) -> None:
    request = REQUESTS[what]
    frame = frame_of(request.message, request.version)
    async with serving(tmp_path, **request.settings) as served:
        peer = await served.connect()
        await peer.make_topic()
        assert (await peer.produce(produce(VALUE))).error_code == 0
        cost, peak_bytes = await cost_of(peer.stream, frame), await peak_bytes_of(peer.stream, frame)
    budget, calls, builtins = request.budget, cost.calls.total(), cost.builtins.total()
    assert calls <= budget.calls, listed(cost)
    assert builtins <= budget.builtins, listed(cost)
    assert peak_bytes <= budget.peak_bytes
    assert budget.calls < ROOM * calls, f"lower it: {calls} calls"
    assert budget.builtins < ROOM * builtins, f"lower it: {builtins} calls of built-in functions"


def listed(cost: Cost) -> str:
    lines = [f"{count:4} {name}" for name, count in (*cost.calls.items(), *cost.builtins.items())]
    return "\n".join([f"{cost.calls.total()} calls, {cost.builtins.total()} of built-in functions", *lines])
