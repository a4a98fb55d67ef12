"""Who has connected to a node, by what it says first."""

from __future__ import annotations

from typing import Any

import trio
from trio.testing import memory_stream_pair

from odradek.testing.links import CLIENT, _first_request, _who


async def test_the_beginning_of_tls_is_passed_on_as_it_comes_and_is_a_clients(autojump_clock: Any) -> None:
    hello = b"\x16\x03\x01\x02\x00" + b"\x7f" * 100
    here, there = memory_stream_pair()
    await here.send_all(hello)
    with trio.fail_after(5):
        assert await _first_request(there) == hello  # type: ignore[arg-type]
    assert _who(hello) == CLIENT
