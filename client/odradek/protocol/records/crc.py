"""CRC-32C, from the extension module of the package crc32c by itself.

The package around it looks up its own version and has a command line: 40 modules and 2 MiB that no broker needs.
"""

from __future__ import annotations

from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Any, Protocol

from odradek.protocol.primitives import Buffer


class Crc32c(Protocol):
    def __call__(self, data: Buffer, value: int = 0, /) -> int:
        """The sum over what has the sum `value` and then `data`."""


def _load() -> Any:
    package = PathFinder.find_spec("crc32c")
    within = None if package is None else package.submodule_search_locations
    spec = None if within is None else PathFinder.find_spec("_crc32c", within)
    if spec is None or spec.loader is None:  # the package has another form
        import crc32c as whole

        return whole
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


crc32c: Crc32c = _load().crc32c
