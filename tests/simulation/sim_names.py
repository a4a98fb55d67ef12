"""The names on a simulated disk: what processes see, and what of it is on stable storage.

A change of names (created, renamed, removed) is on stable storage once a directory that it touches is synced, and with
it every earlier change of a name that it touches too. At a power cut each of the others has happened or has not, by
chance, but none without those that it builds on: a rename is all or nothing, and implies the creation of what it moves.
A file's bytes are another matter: syncing them keeps no name.
"""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Iterator
from random import Random
from typing import TypeAlias

from sim_content import Content

Node: TypeAlias = "Directory | Content"
CHANCES = (0.0, 0.3, 0.7, 1.0)
"""That a change which nobody synced has happened, drawn for each power cut."""


class Directory:
    """Names, each with what it stands for."""

    __slots__ = ("durable", "entries")

    def __init__(self) -> None:
        self.entries: dict[str, Node] = {}
        self.durable: dict[str, Node] = {}


class _Change:
    """What some names stand for from now on; None where they are gone."""

    __slots__ = ("keys", "settings")

    def __init__(self, *settings: tuple[Directory, str, Node | None]) -> None:
        self.settings = settings
        self.keys = {(directory, name) for directory, name, _ in settings}

    def touches(self, directory: Directory) -> bool:
        return any(each is directory for each, _, _ in self.settings)

    def make_durable(self) -> None:
        for directory, name, node in self.settings:
            if node is None:
                directory.durable.pop(name, None)
            else:
                directory.durable[name] = node


class Names:
    """A tree, with `/` at its root. Raises what the operating system would."""

    def __init__(self) -> None:
        self.root = Directory()
        self._pending: list[_Change] = []
        """In the order in which they were made."""

    def find(self, path: str) -> Node | None:
        node: Node | None = self.root
        for name in path.split("/"):
            if name:
                node = node.entries.get(name) if isinstance(node, Directory) else None
        return node

    def file(self, path: str) -> Content:
        node = self.find(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        if isinstance(node, Directory):
            raise IsADirectoryError(errno.EISDIR, "is a directory", path)
        return node

    def directory(self, path: str) -> Directory:
        node = self.find(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "no such directory", path)
        if not isinstance(node, Directory):
            raise NotADirectoryError(errno.ENOTDIR, "not a directory", path)
        return node

    def bind(self, path: str, node: Node) -> None:
        directory, name = self._place(path)
        directory.entries[name] = node
        self._pending.append(_Change((directory, name, node)))

    def unbind(self, path: str) -> None:
        directory, name = self._place(path)
        del directory.entries[name]
        self._pending.append(_Change((directory, name, None)))

    def move(self, path: str, to: str) -> None:
        node = self.find(path)
        if node is None:
            raise FileNotFoundError(errno.ENOENT, "no such file or directory", path)
        in_the_way = self.find(to)
        if isinstance(in_the_way, Directory) and (in_the_way.entries or not isinstance(node, Directory)):
            raise OSError(errno.ENOTEMPTY, "a directory is in the way", to)
        (directory, name), (new_directory, new_name) = self._place(path), self._place(to)
        del directory.entries[name]
        new_directory.entries[new_name] = node
        self._pending.append(_Change((directory, name, None), (new_directory, new_name, node)))

    def sync(self, path: str) -> None:
        directory = self.directory(path)
        self._settle([change.touches(directory) for change in self._pending])

    def files(self, directory: Directory | None = None, path: str = "") -> Iterator[tuple[str, Content]]:
        """All there are, with their paths, in the order of names."""
        found = self.root if directory is None else directory
        for name, node in sorted(found.entries.items()):
            if isinstance(node, Directory):
                yield from self.files(node, f"{path}/{name}")
            else:
                yield f"{path}/{name}", node

    # ----------------------------------------------------------------------------------------------------- power cuts

    def lose_power(self, random: Random) -> None:
        chance = random.choice(CHANCES)
        self._settle([random.random() < chance for _ in self._pending])
        self._pending.clear()
        _as_on_stable_storage(self.root)

    def _settle(self, wanted: list[bool]) -> None:
        """Make the wanted changes durable, and those that they build on; the others stay pending."""
        keys: set[tuple[Directory, str]] = set()
        settled, left = [], []
        for change, is_wanted in zip(reversed(self._pending), reversed(wanted), strict=True):
            if is_wanted or not keys.isdisjoint(change.keys):
                keys |= change.keys
                settled.append(change)
            else:
                left.append(change)
        for change in reversed(settled):
            change.make_durable()
        self._pending = left[::-1]

    def _place(self, path: str) -> tuple[Directory, str]:
        above, name = posixpath.split(path)
        return self.directory(above), name


def _as_on_stable_storage(directory: Directory) -> None:
    directory.entries = dict(directory.durable)
    for node in directory.entries.values():
        if isinstance(node, Directory):
            _as_on_stable_storage(node)
