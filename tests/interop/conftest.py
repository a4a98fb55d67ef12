"""The broker under test, and small words for talking to it.

ODRADEK_INTEROP_BROKER chooses whom the judges judge: `odradek` (the default), `kafka` (Apache Kafka itself, to judge
the judges), or the host:port of a broker that is already running.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from referee import ApacheKafka, BrokerProcess, Odradek, clients, why_java_is_unavailable
from referee.clients.interface import Client

with warnings.catch_warnings(), contextlib.suppress(ImportError):
    warnings.simplefilter("ignore", DeprecationWarning)  # kafka-python reads its schemas in a deprecated way
    importlib.import_module("kafka")

JUDGED = os.environ.get("ODRADEK_INTEROP_BROKER", "odradek")
NO_REBALANCE_DELAY = {"group.initial.rebalance.delay.ms": "0"}


class RunningBroker(BrokerProcess):
    """A broker that somebody else started: it is neither stopped nor looked into."""

    name = "a running broker"

    def start(self) -> None:
        pass


def _broker_to_judge(data_dir: Path, settings: dict[str, str]) -> BrokerProcess:
    if JUDGED == "odradek":
        return Odradek(data_dir, {**NO_REBALANCE_DELAY, **settings})
    if JUDGED == "kafka":
        return ApacheKafka(data_dir, {**NO_REBALANCE_DELAY, **settings}, heap_mb=512)
    return RunningBroker(data_dir, port=int(JUDGED.rpartition(":")[2]))


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """One broker for the tests of a module; it must end well, and must not have printed a traceback.

    A module may say BROKER_SETTINGS.
    """
    settings = getattr(request.module, "BROKER_SETTINGS", {})
    judged = _broker_to_judge(tmp_path_factory.mktemp("broker") / "data", settings)
    judged.start()
    try:
        yield judged
    finally:
        status = judged.stop()
        print("".join(judged.lines))
    assert "Traceback" not in "".join(judged.lines)
    if JUDGED == "odradek":
        assert status == 0, f"SIGTERM ended the broker with {status}"


@pytest.fixture
def segments(broker: BrokerProcess) -> Path:
    """The data directory, for tests that read the broker's files."""
    if isinstance(broker, RunningBroker):
        pytest.skip("the data directory of a running broker is not known")
    return broker.data_dir


@pytest.fixture
def admin(broker: BrokerProcess) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.bootstrap, "log_level": 0})  # it outlives its broker by a moment


@pytest.fixture
def new_topic(admin: AdminClient, request: pytest.FixtureRequest) -> Callable[..., str]:
    """new_topic(partitions=1, **configs) -> name of a topic made for this test (underscores of configs become dots)."""
    numbers = itertools.count()
    word = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:80]

    def make(partitions: int = 1, **configs: str) -> str:
        name = f"{word}-{next(numbers)}"
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result(30)
        while name not in admin.list_topics(timeout=30).topics:
            time.sleep(0.02)  # Kafka answers a moment before its brokers tell of the topic
        return name

    return make


@pytest.fixture(scope="session")
def need_java() -> None:
    reason = why_java_is_unavailable()
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def client_named() -> Callable[[str], Client]:
    """client_named(name) -> that client, or a skip where it is absent."""

    def find(name: str) -> Client:
        reason = clients.why_absent(name)
        if reason is not None:
            pytest.skip(reason)
        return clients.client(name)

    return find


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Warnings are errors, but for those that other people's clients cause among themselves."""
    theirs = pytest.mark.filterwarnings(
        r"ignore::DeprecationWarning:(kafka|aiokafka)(\..*)?",
    )
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(theirs)


@pytest.fixture
def restartable(broker: BrokerProcess) -> BrokerProcess:
    """The broker, for tests that stop, kill and start it."""
    if isinstance(broker, RunningBroker):
        pytest.skip("a running broker is not ours to stop")
    return broker
