"""One broker for all commands."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from referee import Odradek
from tests.cli.commands import Done, Run, call


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
    def run_there(*words: str, stdin: str | bytes = "", code: int = 0) -> Done:
        done = call(*words, *([] if words[0] == "log" else ["-b", broker.bootstrap]), stdin=stdin)
        assert done.code == code, done
        return done

    return run_there
