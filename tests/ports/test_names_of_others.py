"""What becomes of names that nobody resolves: they keep no work waiting, and end nothing."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
import trio
import trio.testing

from odradek_broker.ports.tcp_network import TcpNetwork
from odradek_broker.ports.workers import ThreadWorkers


async def test_names_that_nobody_resolves_keep_no_work_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()

    def getaddrinfo(host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> list[Any]:
        if not flags & socket.AI_NUMERICHOST:
            answers.wait()
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    network, workers = TcpNetwork(), ThreadWorkers(1)
    threads = int(trio.to_thread.current_default_thread_limiter().total_tokens)
    try:
        async with trio.open_nursery() as nursery:
            for _ in range(threads + 1):
                nursery.start_soon(network.touch, "gone.example", 9092)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        with trio.fail_after(30):
            assert await workers.run(lambda: "written") == "written"
    finally:
        answers.set()
        workers.close()


@pytest.mark.parametrize("name", ["a..b", "a" * 64 + ".example", "\u00e9" * 64, "\u00e9..b", "zero\0", "x" * 70_000])
async def test_what_can_be_no_name_is_an_error_of_the_network(name: str) -> None:
    with pytest.raises(OSError):
        await TcpNetwork().touch(name, 9092)
