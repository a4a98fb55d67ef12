"""Dead letters of share groups: what those who wait for them may rely on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.controller.image import SHARE_VERSION
from odradek_broker.coordinators.dead_letters import COMMIT_SECONDS, DeadLetters
from odradek_broker.partitions.commits import Commits
from odradek_broker.sharing.share_partition import GivenUp

CLIENTS_WAIT_SECONDS = 30
SETTINGS: Any = SimpleNamespace(dead_letter_topic="dlq.t", dead_letters_copy=True)


class Context:
    node_id = 0
    image = SimpleNamespace(features={SHARE_VERSION: 2})
    clock = SimpleNamespace(now_ms=lambda: 7)


class Looks:
    is_at_work = False

    async def look(self, what: Any) -> Any:
        Looks.is_at_work = True
        try:
            return what()
        finally:
            Looks.is_at_work = False


class Log:
    """A batch for each value; `happened` is told of each that is read."""

    def __init__(self, values: list[bytes], happened: list[str]) -> None:
        self.values, self.happened = values, happened

    def read(self, offset: int, _max_bytes: int, **_: Any) -> Any:
        if offset >= len(self.values):
            return None
        self.happened.append(f"read {offset}")
        batch = bytearray(bytes(build_batch([Record(value=self.values[offset])])))
        batch[:8] = offset.to_bytes(8, "big")

        def read() -> bytes:
            assert Looks.is_at_work, "a worker waits for the disk"
            return bytes(batch)

        return SimpleNamespace(read=read)


def partition_of(log: Any) -> Any:
    return SimpleNamespace(topic="t", index=0, log=log)


def letters() -> DeadLetters:
    return DeadLetters(Context(), None, None, Looks())  # type: ignore[arg-type]


async def test_who_waits_for_dead_letters_is_answered_while_clients_wait(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    dead = letters()

    async def hang(*_: Any) -> str:
        await trio.sleep_forever()
        return ""

    monkeypatch.setattr(dead, "_why_not", hang)
    with trio.fail_after(CLIENTS_WAIT_SECONDS):
        await dead.write("g", partition_of(None), [GivenUp(0, 0, 1, True)], SETTINGS)
    assert "what was given up is not in dlq.t: it took longer than" in caplog.text


async def test_a_long_range_is_copied_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    dead = letters()

    async def may(*_: Any) -> str:
        return ""

    async def write(_topic: str, _index: int, records: list[Record]) -> str:
        happened.extend(f"write {(each.value or b'').decode()}" for each in records)
        return ""

    monkeypatch.setattr(dead, "_why_not", may)
    monkeypatch.setattr(dead, "_write", write)
    await dead.write("g", partition_of(Log([b"a", b"b"], happened)), [GivenUp(0, 2, 1, True)], SETTINGS)
    assert happened == ["read 0", "write a", "read 1", "write b", "write "]


@pytest.mark.parametrize("patience_s", [COMMIT_SECONDS / 2, COMMIT_SECONDS * 2])
async def test_what_nobody_waits_for_any_more_is_not_kept(autojump_clock: Any, patience_s: float) -> None:
    commits = Commits()
    partition = SimpleNamespace(append=lambda _: SimpleNamespace(last_offset=0), commit_of=commits.begin)
    replicas: Any = SimpleNamespace(partition=lambda *_: partition)
    with trio.move_on_after(patience_s):
        await DeadLetters(Context(), replicas, None, Looks())._append("dlq.t", 0, b"")  # type: ignore[arg-type]
    assert len(commits) == 0
