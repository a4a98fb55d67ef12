"""What `odradek` exports can be had whatever else of it has been imported."""

from __future__ import annotations

import pkgutil

import odradek


def test_no_name_that_is_exported_is_also_that_of_a_module() -> None:
    """Importing the module anywhere in the process would put it in the name's place."""
    modules = {each.name for each in pkgutil.iter_modules(odradek.__path__)}
    assert modules.isdisjoint(odradek.__all__)
