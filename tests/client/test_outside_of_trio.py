"""Who starts a client where there is no Trio is told what to do, before anything else goes wrong."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from odradek import Admin, Consumer, Producer
from odradek.testing import Cluster


@pytest.mark.parametrize("make", [Producer, Consumer, Admin], ids=lambda make: make.__name__)
def test_a_client_under_asyncio_names_trio_run_and_the_guest(make: Any) -> None:
    check(make("127.0.0.1:1"))


def test_a_cluster_under_asyncio_does_so_too(tmp_path: Path) -> None:
    check(Cluster(1, data_dir=tmp_path))


def check(manager: AbstractAsyncContextManager[Any]) -> None:
    async def enter() -> None:
        async with manager:
            pass

    with pytest.raises(RuntimeError, match=r"trio\.run\(main\).*TrioGuest"):
        asyncio.run(enter())
