"""One broker for all commands."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from referee import Odradek
from tests.cli.commands import PATIENCE_SECONDS, Run, command


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odradek]:
    judged = Odradek(tmp_path_factory.mktemp("broker") / "data", {"group.initial.rebalance.delay.ms": "0"})
    judged.start()
    try:
        yield judged
    finally:
        judged.stop()


@pytest.fixture(scope="session")
def run(broker: Odradek) -> Run:
    def call(*words: str, stdin: str | bytes = "", code: int = 0) -> subprocess.CompletedProcess[str]:
        where = [] if words[0] == "log" else ["-b", broker.bootstrap]
        done = subprocess.run(
            command(*words, *where),
            input=stdin if isinstance(stdin, bytes) else stdin.encode(),
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        out, err = done.stdout.decode(), done.stderr.decode()
        assert done.returncode == code, err
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    return call
