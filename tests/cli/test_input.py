"""Lines out of blocks, however these are cut."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from odradek_cli.input import Lines


async def read(pieces: Sequence[bytes], max_bytes: int = 1000) -> list[bytes]:
    """The lines of what comes through a pipe, piece by piece."""
    reading, writing = os.pipe()
    found: list[bytes] = []
    try:
        async with trio.open_nursery() as nursery:

            async def write() -> None:
                for piece in pieces:
                    os.write(writing, piece)
                    await trio.testing.wait_all_tasks_blocked()
                os.close(writing)

            nursery.start_soon(write)
            reader = Lines(reading, max_bytes)
            while some := await reader.next():
                found += some
    finally:
        os.close(reading)
    return found


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ([], []),
        ([b"\n"], [b""]),
        ([b"a\nb\n"], [b"a", b"b"]),
        ([b"a\nb"], [b"a", b"b"]),
        ([b"a", b"b", b"c\nd", b"\n\n"], [b"abc", b"d", b""]),
        ([b"a\r\nb\r", b"\nc\rd\r\n"], [b"a", b"b", b"c\rd"]),
        ([b"\xff\x00\n"], [b"\xff\x00"]),
    ],
)
async def test_a_line_is_whole_whatever_blocks_it_came_in(pieces: list[bytes], expected: list[bytes]) -> None:
    assert await read(pieces) == expected


async def test_a_line_that_never_ends_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(BaseExceptionGroup) as failed:
        await read([b"short\n", b"x" * 600, b"x" * 600])
    assert failed.group_contains(ValueError, match="more than 1000 bytes")


async def test_a_regular_file_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"a\n" * 700_000)
    with path.open("rb") as file:
        reader = Lines(file.fileno(), 10)
        first = await reader.next()
        assert 0 < len(first) < 700_000
        assert len(first) + len(await reader.next()) == 700_000
        assert await reader.next() == []


async def test_a_file_ends_also_where_the_system_would_wait_for_more_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As kqueue does: to it a file whose end is reached is not readable."""

    async def wait_readable(descriptor: int) -> None:
        if os.lseek(descriptor, 0, os.SEEK_CUR) == os.fstat(descriptor).st_size:
            await trio.sleep_forever()

    monkeypatch.setattr(trio.lowlevel, "wait_readable", wait_readable)
    path = tmp_path / "lines"
    path.write_bytes(b"a\nb\n")
    with path.open("rb", buffering=0) as file, trio.fail_after(5):
        reader = Lines(file.fileno(), 100)
        assert [await reader.next(), await reader.next()] == [[b"a", b"b"], []]
