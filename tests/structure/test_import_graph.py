"""How modules hang together: what the contracts of pyproject.toml cannot say."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

PACKAGES = ("odradek", "odradek_broker", "odradek_cli")


@pytest.fixture(scope="module")
def imports() -> dict[str, set[str]]:
    """By module, what it imports directly: at its head, within a function, and for types only."""
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False, cache_dir=None)
    return {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}


def circle_in(imports: Mapping[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


def test_no_module_imports_itself_by_way_of_others_not_even_for_types(imports: dict[str, set[str]]) -> None:
    assert circle_in(imports) == []


def test_a_circle_would_be_found(imports: dict[str, set[str]]) -> None:
    imports = {**imports, "odradek.protocol.errors": {"odradek_broker.node.broker"}}
    assert {"odradek.protocol.errors", "odradek_broker.node.broker"} <= set(circle_in(imports))
