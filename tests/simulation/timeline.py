"""What has been decided of one thing, one value after the other, and which of them somebody may still go by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

from odradek_broker.controller.image import MetadataImage

T = TypeVar("T")


class Version(NamedTuple, Generic[T]):
    offset: int
    """Of the metadata, from which on it is so."""
    value: T


class Timeline(Generic[T]):
    """`of` takes it out of an image: the same object while nothing of it has changed."""

    def __init__(self, of: Callable[[MetadataImage], T]) -> None:
        self._of = of
        self._versions = [Version(-1, of(MetadataImage()))]
        self.known = 0
        """The newest that all brokers which run have known at one time: nobody is to go by an older one ever again."""

    @property
    def newest(self) -> int:
        return len(self._versions) - 1

    def look(self, decided: MetadataImage, images: Iterable[MetadataImage]) -> None:
        """`images`: those of the brokers that run."""
        value = self._of(decided)
        if value is not self._versions[-1].value:
            self._versions.append(Version(decided.offset, value))
        if self.known < self.newest:
            least = min((image.offset for image in images), default=-1)
            while self.known < self.newest and self._versions[self.known + 1].offset <= least:
                self.known += 1

    def since(self, first: int) -> Iterator[T]:
        """Version `first` and all that have been decided after it."""
        return (version.value for version in self._versions[first:])
