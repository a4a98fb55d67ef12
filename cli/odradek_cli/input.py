"""Lines of standard input, or of files, in blocks: a wait for more can be cancelled, and memory stays bounded."""

from __future__ import annotations

import os
import stat

import trio

BLOCK_BYTES = 1024 * 1024


async def read_block(descriptor: int) -> bytes:
    """What there is to be read; empty at the end. Raises OSError."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):  # may be on a slow disk; epoll refuses it, kqueue waits at its end
        return await _read_in_thread(descriptor)
    try:
        await trio.lowlevel.wait_readable(descriptor)
    except PermissionError:  # a device such as /dev/null
        return await _read_in_thread(descriptor)
    return os.read(descriptor, BLOCK_BYTES)


async def _read_in_thread(descriptor: int) -> bytes:
    return await trio.to_thread.run_sync(os.read, descriptor, BLOCK_BYTES, abandon_on_cancel=True)


async def read_all(descriptor: int, max_bytes: int) -> bytes:
    """Raises ValueError for more than `max_bytes`, OSError."""
    content = bytearray()
    while block := await read_block(descriptor):
        content += block
        if len(content) > max_bytes:
            raise ValueError(f"there are more than {max_bytes} bytes: no record may be larger")
    return bytes(content)


class Lines:
    """The lines of a file, as many at a time as a block completes."""

    def __init__(self, descriptor: int, max_bytes: int) -> None:
        """No line may have more than `max_bytes`."""
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._begun: list[bytes] = []
        self._size = 0
        """Of what has begun and has no end yet."""

    async def next(self) -> list[bytes]:
        """The next lines, without their ends; none when all have been read. The last line needs no end.

        Raises ValueError for a line that is too long, OSError.
        """
        while block := await read_block(self._descriptor):
            end = block.rfind(b"\n")
            if end >= 0:
                text = b"".join([*self._begun, block[:end]])
                self._begun, self._size = [], 0
                self._keep(block[end + 1 :])
                return _split(text)
            self._keep(block)
        begun, self._begun = self._begun, []
        return _split(b"".join(begun)) if begun else []

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._begun.append(piece)
            self._size += len(piece)
        if self._size > self._max_bytes:
            raise ValueError(f"a line has more than {self._max_bytes} bytes: no record may be larger")


def _split(text: bytes) -> list[bytes]:
    found = text.split(b"\n")
    return [line.removesuffix(b"\r") for line in found] if b"\r" in text else found
