"""For each key in the dirty part of a log, the offset of its newest record: what one pass of compaction goes by.

Long keys are kept as digests, so that the memory a key takes has a bound. (Kafka: SkimpyOffsetMap.)
"""

from __future__ import annotations

from hashlib import blake2b

_DIGEST_BYTES = 17
"""One byte more than the longest key that is kept itself, so that the two never meet."""
_ENTRY_BYTES = 160
"""A dictionary entry with its key and its offset, roughly."""


class KeyOffsets:
    """Holds as many keys as `max_bytes` of memory allow."""

    __slots__ = ("_capacity", "_offsets", "end_offset")

    def __init__(self, max_bytes: int) -> None:
        self._capacity = max(max_bytes // _ENTRY_BYTES, 1)
        self._offsets: dict[bytes, int] = {}
        self.end_offset = 0
        """All records before this have been noted."""

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def is_full(self) -> bool:
        return len(self._offsets) >= self._capacity

    def note(self, key: bytes, offset: int) -> None:
        """Offsets come in rising order."""
        self._offsets[_short(key)] = offset

    def is_newest(self, key: bytes, offset: int) -> bool:
        """Whether no newer record of this key has been noted."""
        return offset >= self._offsets.get(_short(key), -1)


def _short(key: bytes) -> bytes:
    return key if len(key) < _DIGEST_BYTES else blake2b(key, digest_size=_DIGEST_BYTES).digest()
