"""A member of etcd ends with whoever has started it."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PATIENCE_S = 60
PARENT = """
import sys
from pathlib import Path
import trio
from odradek.testing.etcd_node import EtcdNode

async def main():
    async with trio.open_nursery() as nursery:
        node = EtcdNode(Path(sys.argv[1]), 1, 2)
        nursery.start_soon(node.start)
        if sys.argv[2] == "kills":
            await trio.to_thread.run_sync(sys.stdin.readline)
            node.kill()
            print("killed", flush=True)
        await trio.sleep_forever()

trio.run(main)
"""
ETCD = """#!/bin/sh
exec 9> "$SIGN_OF_LIFE"
exec sleep 1000
"""
"""It holds something open for as long as it lives, and so does whatever it leaves behind."""


def until_over(sign_of_life: int) -> None:
    """Return when nobody holds it open any more."""
    while True:
        readable, _, _ = select.select([sign_of_life], [], [], PATIENCE_S)
        assert readable, "it lives on"
        if not os.read(sign_of_life, 1):
            return


@pytest.fixture
def etcd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name, and what shows whether it lives."""
    program, sign_of_life = tmp_path / "etcd", tmp_path / "sign-of-life"
    program.write_text(ETCD)
    program.chmod(0o700)
    os.mkfifo(sign_of_life)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SIGN_OF_LIFE", str(sign_of_life))
    return sign_of_life


@pytest.mark.parametrize("end", ["is killed", "kills"])
def test_nothing_of_it_outlives_its_parent_or_its_own_end(etcd: Path, tmp_path: Path, end: str) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "data"), end]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        try:
            with etcd.open("rb", buffering=0) as sign_of_life:
                if end == "kills":
                    parent.stdin.write(b"now\n")
                    parent.stdin.flush()
                else:
                    parent.send_signal(signal.SIGKILL)
                until_over(sign_of_life.fileno())
        finally:
            parent.kill()
