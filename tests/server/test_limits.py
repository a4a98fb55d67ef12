"""docs/limits.md says what has a bound: its rows are held against the settings, the tests, and the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from odradek.consumer.config import ConsumerConfig
from odradek.producer.config import ProducerConfig
from odradek.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from odradek_broker.config import BrokerConfig
from odradek_broker.config.broker_config import broker_keys
from odradek_broker.log.segments import KEPT_OPEN, Segments
from odradek_broker.metadata.peer import MOST_IDLE, Peer
from odradek_broker.ports.tcp_network import TcpNetwork
from odradek_broker.server.connection import MAX_PENDING
from tests.server.failing_disk import PATIENCE_SECONDS, FailingDisk
from tests.server.served_broker import HandClock, frame_of, produce, serving
from tests.server.what_grows import CONTAINERS, REASONS, TESTS

ROOT = Path(__file__).parents[2]
SOURCES = {"odradek_broker": ROOT / "broker", "odradek": ROOT / "client"}
TOOLS = ROOT / "client" / "odradek" / "testing"
KINDS = {"Counter", "OrderedDict", "ParkingLot", "Queue", "SimpleQueue", "WeakSet", "WeakValueDictionary"}
KINDS |= {"defaultdict", "deque", "dict", "list", "set"}
GROWING = ast.Dict | ast.List | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp


def rows() -> dict[str, tuple[str, str]]:
    """By what is bounded: the bound and the default."""
    lines = (ROOT / "docs" / "limits.md").read_text("utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    return {what: (bound, default) for what, bound, default, _ in cells if what not in ("What", "---")}


def defaults() -> dict[str, str]:
    found = {name: BrokerConfig().text(name) or "" for name in broker_keys()}
    for kind in (ProducerConfig, ConsumerConfig):
        found |= {field.name: str(field.default) for field in msgspec.structs.fields(kind)}
    return found


@pytest.mark.parametrize("what", rows())
def test_a_setting_of_a_row_is_one_and_has_that_default(what: str) -> None:
    bound, default = rows()[what]
    known = defaults()
    for name in re.findall(r"`([a-z._]+)`", bound):
        assert name in known, f"{name} is no setting"
        assert default.replace("a quarter of the files that the controller's process may have open", "") == known[name]


def test_every_row_has_its_tests_and_each_of_them_is_there() -> None:
    assert rows().keys() == TESTS.keys()
    for what, tests in TESTS.items():
        assert tests, f"nothing tests the row {what}"
        for test in tests:
            file, _, name = test.partition("::")
            assert re.search(rf"def {name}\(", (ROOT / "tests" / file).read_text("utf-8")), f"there is no {test}"


def _name_of_call(value: ast.expr) -> str:
    called = value.func if isinstance(value, ast.Call) else None
    called = called.value if isinstance(called, ast.Subscript) else called
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _grows(value: ast.expr | None) -> bool:
    """A container, or a tuple that holds one: it is one value then, and can be set in one step."""
    if isinstance(value, ast.Tuple):
        return any(_grows(each) for each in value.elts)
    return value is not None and (isinstance(value, GROWING) or _name_of_call(value) in KINDS)


def _made(body: Iterator[ast.AST] | list[ast.stmt]) -> Iterator[ast.expr]:
    """What containers are assigned to."""
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and _grows(node.value):
            yield node.targets[0] if isinstance(node, ast.Assign) else node.target


def _of_module(tree: ast.Module) -> Iterator[str]:
    for target in _made(tree.body):
        if isinstance(target, ast.Name) and not target.id.isupper() and not target.id.startswith("__"):
            yield target.id
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and any("cache" in ast.unparse(mark) for mark in node.decorator_list):
            yield node.name
        if not isinstance(node, ast.ClassDef):
            continue
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and method.name == "__init__":
                for target in _made(ast.walk(method)):
                    if isinstance(target, ast.Attribute):
                        yield f"{node.name}.{target.attr}"


def containers() -> set[str]:
    """Everything that outlives a request and may grow, by module, class and attribute."""
    found = set()
    for package, root in SOURCES.items():
        for file in (root / package).rglob("*.py"):
            if TOOLS not in file.parents:
                module = ".".join(file.relative_to(root).with_suffix("").parts)
                found |= {f"{module}.{name}" for name in _of_module(ast.parse(file.read_text("utf-8")))}
    return found


def test_all_that_can_grow_is_known_with_what_bounds_it() -> None:
    """Something new belongs into what_grows.py, with its row of docs/limits.md, or why it needs none."""
    found = containers()
    assert sorted(found - CONTAINERS.keys()) == []
    assert sorted(CONTAINERS.keys() - found) == [], "no longer there"
    assert set(CONTAINERS.values()) - REASONS <= rows().keys()


async def test_a_connection_is_not_read_while_a_thousand_of_its_answers_are_outstanding(tmp_path: Path) -> None:
    disk = FailingDisk()
    async with serving(tmp_path, disk=disk, clock=HandClock()) as served:
        peer = await served.connect()
        await peer.make_topic()
        with disk.syncs_held("t-0") as begun:
            await peer.stream.send_all(frame_of(produce(b"x"), 9) * (MAX_PENDING + 100))
            assert await trio.to_thread.run_sync(begun.wait, PATIENCE_SECONDS)
            await wait_all_tasks_blocked(0.05)
            (connection,) = served._server._connections
            assert len(connection._pending) == MAX_PENDING
            neighbour = await served.connect()
            assert (await neighbour.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)).error_code == 0
        for _ in range(MAX_PENDING + 100):
            await peer.receive_produced()


async def test_no_more_than_a_few_idle_connections_are_kept_to_another_node(tmp_path: Path) -> None:
    count = 2 * MOST_IDLE
    async with serving(tmp_path) as served:
        peer = Peer(TcpNetwork(), ("127.0.0.1", served.port), "test")

        async def ask() -> None:
            await peer.ask(ApiVersionsRequest(), ApiVersionsResponse, 0, 5)

        async with trio.open_nursery() as nursery:
            for _ in range(count):
                nursery.start_soon(ask)
        assert len(peer._idle) == MOST_IDLE
        await ask()
        peer.close()


class Sealed:
    """As much of a segment as counts here."""

    unsaved = False
    may_be_released = True

    def __init__(self, base_offset: int) -> None:
        self.base_offset = base_offset
        self.is_open = True

    def release(self) -> None:
        self.is_open = False


def test_a_log_keeps_few_of_its_sealed_segments_open() -> None:
    made = [Sealed(number) for number in range(20)]
    segments = Segments(made)  # type: ignore[arg-type]
    assert sum(each.is_open for each in made) == KEPT_OPEN + 1
    for each in made:
        each.is_open = True
        segments.opened(each)  # type: ignore[arg-type]
        assert made[-1].is_open
    assert [each.base_offset for each in made if each.is_open] == [15, 16, 17, 18, 19]
