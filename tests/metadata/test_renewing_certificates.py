"""A file system that does not answer keeps no broker from reaching another."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio

from odradek_broker.metadata import secured
from odradek_broker.metadata.secured import SecuredNetwork


async def test_who_connects_goes_on_with_the_old_certificate_and_one_thread_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(secured, "RENEWAL_SECONDS", 0.02)
    answers, asked = threading.Event(), 0

    def renew() -> None:
        nonlocal asked
        asked += 1
        answers.wait(60)

    network = SecuredNetwork.__new__(SecuredNetwork)
    network._renewing = trio.CapacityLimiter(1)
    tls = cast(Any, SimpleNamespace(renew=renew))
    try:
        for _ in range(3):
            await network._renew(tls)
        assert asked == 1
        with trio.move_on_after(0.001) as scope:
            await network._renew(tls)
        assert scope.cancelled_caught
    finally:
        answers.set()
    with trio.fail_after(5):
        async with network._renewing:
            pass
