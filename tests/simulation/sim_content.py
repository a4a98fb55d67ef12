"""The bytes of a simulated file: `data` is what processes see, `image` what is on stable storage.

What was written since is dirty. `sync` brings the dirty bytes and the size to the image, and nothing else. A sync that
fails has written some of the dirty pages and dropped the others: they are clean from then on, readable as before, and
no later sync brings them to stable storage unless they are written again. That is what Linux does.

A power cut keeps of what is dirty all, nothing, a beginning, a beginning with noise behind it, or some of the pages in
no order; the lost ones are what was there before, zeros, or noise. What was cut off and not synced may be back.
"""

from __future__ import annotations

import math
from random import Random

from odradek.protocol.primitives import Buffer

PAGE_BYTES = (512, 4096)
"""What is written at one stroke: a sector, or a page."""
MOST_NOISE_BYTES = 200
AGES_A_SECOND = 10


class Content:
    """What a name stands for, or what is still open though its name is gone."""

    __slots__ = ("_ages", "_dirty", "_kept_bytes", "data", "image", "modified_s")

    def __init__(self, data: bytes = b"") -> None:
        """With `data` that is on stable storage."""
        self.data = bytearray(data)
        self.image = bytearray(data)
        self.modified_s = 0.0
        self._dirty: list[tuple[int, int]] = []
        """Ranges of `data`, in the order in which they were written."""
        self._kept_bytes = len(data)
        """Of the image, those that have never been cut off: the shortest that the file has been since."""
        self._ages: list[tuple[float, int]] = []
        """When all below a position was on stable storage, both rising."""

    @property
    def is_synced(self) -> bool:
        return not self._dirty and len(self.data) == len(self.image)

    def write(self, position: int, data: Buffer) -> None:
        end = position + len(data)
        self.data[position:end] = data
        if self._dirty and self._dirty[-1][1] == position:
            position = self._dirty.pop()[0]
        self._dirty.append((position, end))

    def truncate(self, size: int) -> None:
        del self.data[size:]
        self._kept_bytes = min(self._kept_bytes, size)
        self._dirty = [(start, min(end, size)) for start, end in self._dirty if start < size]

    def sync(self, now_s: float) -> None:
        self._write_over(self.image, self._dirty)
        _set_size(self.image, len(self.data))
        self._grow_older(now_s)
        self._dirty, self._kept_bytes = [], len(self.image)

    def fail_to_sync(self, random: Random) -> None:
        pages = self._pages(random.choice(PAGE_BYTES))
        self._write_over(self.image, [page for page in pages if random.random() < 0.5])
        self._grow_older(None)
        self._dirty, self._kept_bytes = [], min(len(self.image), len(self.data))

    def drop_caches(self) -> None:
        """The system needs its memory: what is clean is read from the disk again."""
        found = bytearray(self.image)
        self._write_over(found, self._dirty)
        _set_size(found, len(self.data))
        self.data = found

    def lose_power(self, random: Random) -> None:
        if not self.is_synced:
            self._survive(random)
            self._grow_older(None)
        self.lose_unsynced()

    def lose_unsynced(self) -> None:
        self.data = bytearray(self.image)
        self._dirty, self._kept_bytes = [], len(self.image)

    def aged_bytes(self, before_s: float) -> int:
        """How many, from the file's beginning, have been on stable storage since then."""
        return max((end for at_s, end in self._ages if at_s <= before_s), default=0)

    def flip(self, position: int, bit: int, *, is_cached: bool) -> None:
        """On stable storage. While the page is cached nobody sees it."""
        self.image[position] ^= 1 << bit
        if not is_cached and not any(start <= position < end for start, end in self._dirty):
            self.data[position] ^= 1 << bit

    def copy(self) -> Content:
        copy = Content()
        copy.data, copy.image = bytearray(self.data), bytearray(self.image)
        copy._dirty, copy._kept_bytes = list(self._dirty), self._kept_bytes
        copy.modified_s, copy._ages = self.modified_s, list(self._ages)
        return copy

    # -------------------------------------------------------------------------------------------------- how it is done

    def _write_over(self, image: bytearray, ranges: list[tuple[int, int]], cut_off: bytes = b"") -> None:
        """Some of the dirty bytes over what has never been cut off, and over what was cut off but is back."""
        image[self._kept_bytes :] = cut_off
        for start, end in ranges:
            if start > len(image):
                _set_size(image, start)
            image[start:end] = self.data[start:end]

    def _pages(self, page_bytes: int) -> list[tuple[int, int]]:
        """What is dirty, in pieces that are written at one stroke."""
        pages = []
        for start, end in self._dirty:
            while start < end:
                stop = min(end, (start // page_bytes + 1) * page_bytes)
                pages.append((start, stop))
                start = stop
        return pages

    def _survive(self, random: Random) -> None:
        kind = random.choices(("all", "nothing", "beginning", "noise", "pages"), (15, 20, 30, 15, 20))[0]
        cut_off = bytes(self.image[self._kept_bytes :]) if random.random() < 0.5 else b""
        if kind == "all":
            self._write_over(self.image, self._dirty)
            _set_size(self.image, len(self.data))
        elif kind == "pages":
            self._keep_some_pages(random, cut_off)
        elif kind == "nothing":
            self._write_over(self.image, [], cut_off)
        else:
            lost_bytes = self._keep_a_beginning(random, cut_off)
            if kind == "noise":
                missing = max(len(self.data) - len(self.image), 0)  # what was written over is not: it stays as it was
                self.image += random.randbytes(min(lost_bytes, missing, MOST_NOISE_BYTES))

    def _keep_a_beginning(self, random: Random, cut_off: bytes) -> int:
        """Return how many bytes are lost."""
        dirty_bytes = sum(end - start for start, end in self._dirty)
        kept_bytes = left = random.randint(0, dirty_bytes)
        ranges = []
        for start, end in self._dirty:
            ranges.append((start, min(end, start + left)))
            left = max(left - (end - start), 0)
        self._write_over(self.image, ranges, cut_off)
        return dirty_bytes - kept_bytes

    def _keep_some_pages(self, random: Random, cut_off: bytes) -> None:
        is_noise = random.random() < 0.5
        pages = self._pages(random.choice(PAGE_BYTES))
        kept = [random.random() < 0.5 for _ in pages]
        had_bytes = self._kept_bytes + len(cut_off)
        self._write_over(self.image, [page for page, is_kept in zip(pages, kept, strict=True) if is_kept], cut_off)
        _set_size(self.image, max(len(self.image), len(self.data)))
        for (start, end), is_kept in zip(pages, kept, strict=True):
            start = max(start, had_bytes)
            if is_noise and not is_kept and start < end:
                self.image[start:end] = random.randbytes(end - start)

    def _grow_older(self, now_s: float | None) -> None:
        """What has just changed is as young as can be: synced now, or nobody knows."""
        changed_from = min([self._kept_bytes, *(start for start, _ in self._dirty)])
        ages: list[tuple[float, int]] = []
        for at_s, end in self._ages:
            ages.append((at_s, min(end, changed_from)))
            if end >= changed_from:
                break
        if now_s is not None and (not ages or ages[-1][1] < len(self.image)):
            at_s = math.ceil(now_s * AGES_A_SECOND) / AGES_A_SECOND
            if ages and ages[-1][0] == at_s:
                ages.pop()
            ages.append((at_s, len(self.image)))
        self._ages = ages


def _set_size(data: bytearray, size: int) -> None:
    if size < len(data):
        del data[size:]
    else:
        data += bytes(size - len(data))
