"""No module is a room of its own, and no function a story. What is larger stands here with its reason.

The lists may become shorter, and what stands in them smaller; `test_no_exception_is_needless` sees to the first.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ("broker/odradek_broker", "client/odradek", "cli/odradek_cli")
MOST_LINES, MOST_LINES_OF_A_FUNCTION = 400, 40

OF_ITS_OPTIONS = "its signature is the command's options, a line or more each"
WIRING = "a list of what is made of what: there is nothing in it to divide"
HOT = "on the path of every record: a call more would be seen"

LARGE_MODULES: dict[str, str] = {}
LARGE_FUNCTIONS = {
    "broker/odradek_broker/partitions/fetch.py read_partition": HOT,
    "broker/odradek_broker/controller/alter_partition.py alter_partition": "one decision, entry by entry",
    "broker/odradek_broker/controller/file_journal.py __init__": "what a start finds, in the order in which it looks",
    "broker/odradek_broker/controller/reassignments.py alter_reassignments": "one decision, entry by entry",
    "broker/odradek_broker/log/appendable.py append_as_leader": HOT,
    "broker/odradek_broker/log/log.py open": "fourteen lines are its parameters, and ten say what they mean",
    "broker/odradek_broker/node/broker.py __init__": WIRING,
    "broker/odradek_broker/node/candidacy.py stand_as_candidate": WIRING,
    "broker/odradek_broker/partitions/isr_changes.py _ask": "a request and what each answer means",
    "broker/odradek_broker/partitions/partition.py __init__": "attributes with what they mean",
    "client/odradek/cluster/coordinator.py ask_until_answered": "one loop, with a case for each way to go on",
    "client/odradek/consumer/fetch_requests.py _take_partition": "a case for each answer to a fetch",
    "client/odradek/producer/producer.py send": HOT,
    "client/odradek/producer/producer.py send_many": HOT,
    "client/odradek/protocol/records/record.py _decode": HOT,
    "client/odradek/testing/cluster.py __init__": "half of it is its signature and what its parameters mean",
    "cli/odradek_cli/chaos.py chaos": OF_ITS_OPTIONS,
    "cli/odradek_cli/produce.py produce": OF_ITS_OPTIONS,
    "cli/odradek_cli/replay.py replay": OF_ITS_OPTIONS,
    "cli/odradek_cli/tail.py tail": OF_ITS_OPTIONS,
    "cli/odradek_cli/up.py up": OF_ITS_OPTIONS,
}


@cache
def _texts() -> dict[str, str]:
    files = (file for source in SOURCES for file in (ROOT / source).rglob("*.py"))
    return {file.relative_to(ROOT).as_posix(): file.read_text("utf-8") for file in files}


@cache
def _functions() -> dict[str, int]:
    """The lines of each that is too large, by file and name."""
    return {
        f"{file} {node.name}": lines
        for file, text in _texts().items()
        for node, lines in _with_lines(ast.parse(text))
        if lines > MOST_LINES_OF_A_FUNCTION
    }


def _with_lines(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node, node.end_lineno - node.lineno + 1


def _modules() -> dict[str, int]:
    counts = {file: len(text.splitlines()) for file, text in _texts().items()}
    return {file: count for file, count in counts.items() if count > MOST_LINES}


def test_a_module_has_at_most_400_lines_or_a_reason() -> None:
    assert {file: count for file, count in _modules().items() if file not in LARGE_MODULES} == {}


def test_a_function_has_at_most_40_lines_or_a_reason() -> None:
    assert {name: lines for name, lines in _functions().items() if name not in LARGE_FUNCTIONS} == {}


def test_no_exception_is_needless() -> None:
    assert LARGE_MODULES.keys() - _modules().keys() == set()
    assert LARGE_FUNCTIONS.keys() - _functions().keys() == set()
