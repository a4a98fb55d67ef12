"""Walking over the batches of a file, from one header to the next.

A walk ends at the end of the file or before the first thing that is not a sound batch; afterwards `position` says
where, `next_offset` what offset would have followed, and `fault` why, if it was not simply the end.

Kafka's checksum leaves out base offset and leader epoch (a leader writes them without computing it anew). Offsets that
fall, or lie too far, are noticed here, and epochs that fall. Of two batches that contradict each other either may be
wrong (`contradicted_by`); what nothing contradicts, as in the last one, is not noticed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import (
    CRC_COVERS_FROM,
    HEADER_BYTES,
    LENGTH_COVERS_FROM,
    BatchHeader,
    crc_is_valid,
    read_header,
)
from odradek.protocol.records.crc import crc32c
from odradek_broker.log.failures import DamagedLog
from odradek_broker.log.leader_epochs import NO_EPOCH
from odradek_broker.log.offset_index import MAX_RELATIVE_OFFSET
from odradek_broker.ports.disk import File

_HEADERS_CHUNK_BYTES = 16 * 1024
_CONTENT_CHUNK_BYTES = 1024 * 1024
_WALK_BYTES = 8 * 1024
_OUTLINE = struct.Struct(">qi11xi")
"""Base offset, length, last offset delta."""
_LEAST_LENGTH = HEADER_BYTES - LENGTH_COVERS_FROM


def walk(
    file: File, position: int, end: int, *, path_of: Callable[[], str], next_offset: int
) -> Iterator[tuple[int, int, int]]:
    """Yield (position, end, last offset) of batches that were found sound before: the quick way, for look-ups.

    `path_of` is asked only where there is damage; `next_offset`: no batch there lies before it. Raises OSError;
    DamagedLog where they are not sound, so that a walk ends.
    """
    start, chunk = position, b""
    while position < end:
        at = position - start
        if at + _OUTLINE.size > len(chunk):
            start, at, chunk = position, 0, file.read(position, _WALK_BYTES)
            if len(chunk) < _OUTLINE.size:
                raise DamagedLog(path_of(), position, next_offset, "no batch fits in where one should be")
        base_offset, length, last_offset_delta = _OUTLINE.unpack_from(chunk, at)
        following = position + length + LENGTH_COVERS_FROM
        if length < _LEAST_LENGTH or following > end:
            raise DamagedLog(path_of(), position, next_offset, f"no batch has a length of {length}")
        last_offset = base_offset + last_offset_delta
        if not next_offset <= last_offset <= next_offset + MAX_RELATIVE_OFFSET:
            raise DamagedLog(
                path_of(), position, next_offset, f"a batch that ends at offset {last_offset} is out of order"
            )
        yield position, following, last_offset
        position, next_offset = following, last_offset + 1


class Scan:
    """One walk from `position`, which is the beginning of a batch, to `end`. Iterate over it once.

    No batch may lie before `next_offset`: give the base offset of the segment.

    With `verify` batches are read whole and must match their checksum, and their leader epochs may not fall, nor be
    below `leader_epoch`, that of what lies before.
    """

    def __init__(
        self,
        file: File,
        position: int,
        end: int,
        *,
        next_offset: int,
        verify: bool = False,
        leader_epoch: int = NO_EPOCH,
    ) -> None:
        self.position = position
        self.next_offset = next_offset
        self.fault: str | None = None
        self.is_out_of_order = False
        """The fault is that a batch does not follow on the one before."""
        self.contradicted_by: int | None = None
        """The base offset of the batch at the fault, where that batch matches its checksum and only does not follow on
        the one before: either of them may be the one that is wrong."""
        self._furthest_offset = next_offset + MAX_RELATIVE_OFFSET
        self._file = file
        self._end = end
        self._verify = verify
        self._leader_epoch = leader_epoch
        self._chunk_bytes = _HEADERS_CHUNK_BYTES
        self._chunk = b""
        self._chunk_start = position

    def __iter__(self) -> Iterator[tuple[int, BatchHeader]]:
        """Yield (position, header) of each sound batch."""
        while self.position < self._end:
            header = self._sound_header()
            if header is None:
                return
            position = self.position
            self.position += header.size_bytes
            self.next_offset = header.next_offset
            yield position, header

    def _sound_header(self) -> BatchHeader | None:
        left = self._end - self.position
        if left < HEADER_BYTES:
            self.fault = f"{left} bytes are less than a batch header"
            return None
        self._have(HEADER_BYTES)
        try:
            header = read_header(self._chunk, self.position - self._chunk_start)
        except ProtocolError as error:
            self.fault = str(error)
            return None
        self.fault = self._fault_of(header, left)
        return header if self.fault is None else None

    def _fault_of(self, header: BatchHeader, left: int) -> str | None:
        if header.size_bytes > left:
            return f"a batch of {header.size_bytes} bytes is cut off after {left}"
        if header.base_offset < self.next_offset or header.last_offset_delta < 0:
            self.is_out_of_order = True
            if self._verify and self._crc_is_valid(header):
                self.contradicted_by = header.base_offset
            return f"a batch of offsets {header.base_offset} to {header.last_offset} is out of order"
        if header.last_offset > self._furthest_offset:
            return f"a batch of offsets {header.base_offset} to {header.last_offset} is too far for its segment"
        if self._verify:
            if not self._crc_is_valid(header):
                return "a batch does not match its checksum"
            epoch = header.partition_leader_epoch
            if epoch < NO_EPOCH:
                return f"a batch has leader epoch {epoch}"
            if NO_EPOCH < epoch < self._leader_epoch:
                self.contradicted_by = header.base_offset
                return f"a batch of leader epoch {epoch} after one of {self._leader_epoch}"
            self._leader_epoch = max(epoch, self._leader_epoch)
        return None

    def _have(self, length: int) -> None:
        """Make the chunk hold that many bytes from the position on; the caller knows that they exist."""
        if self.position + length > self._chunk_start + len(self._chunk):
            self._chunk_start = self.position
            self._chunk = self._file.read(self.position, min(max(length, self._chunk_bytes), self._end - self.position))
            if len(self._chunk) < length:
                raise OSError(f"the file ends {length - len(self._chunk)} bytes early")

    def _crc_is_valid(self, header: BatchHeader) -> bool:
        self._chunk_bytes = _CONTENT_CHUNK_BYTES
        if header.size_bytes <= self._chunk_bytes:
            self._have(header.size_bytes)
            return crc_is_valid(self._chunk, self.position - self._chunk_start, header)
        crc = 0
        position, end = self.position + CRC_COVERS_FROM, self.position + header.size_bytes
        while position < end:
            piece = self._file.read(position, min(self._chunk_bytes, end - position))
            if not piece:
                return False
            crc = crc32c(piece, crc)
            position += len(piece)
        return crc == header.crc
