"""Kafka's own tools for permissions and quotas find what they have set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from referee import Odradek, run_java_tool

pytestmark = [pytest.mark.slow, pytest.mark.java, pytest.mark.usefixtures("need_java")]


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odradek]:
    """A broker that asks for permission, and gives them all to whoever does not say who they are."""
    settings = {"authorizer.class.name": STANDARD_AUTHORIZER, "super.users": "User:ANONYMOUS"}
    with Odradek(tmp_path_factory.mktemp("asking") / "data", settings) as broker:
        yield broker


def run(tool: str, broker: Odradek, words: str) -> str:
    return run_java_tool(tool, "--bootstrap-server", broker.bootstrap, *words.split()).stdout.decode()


def test_kafka_acls_lists_what_it_has_added_and_no_more_what_it_has_removed(asking: Odradek) -> None:
    run("kafka-acls", asking, "--add --allow-principal User:p --producer --topic t --transactional-id x --idempotent")
    run(
        "kafka-acls",
        asking,
        "--add --deny-principal User:m --operation All --topic ord --resource-pattern-type prefixed",
    )
    listed = run("kafka-acls", asking, "--list --topic orders --resource-pattern-type match")
    assert "resourceType=TOPIC, name=ord, patternType=PREFIXED" in listed
    assert "(principal=User:m, host=*, operation=ALL, permissionType=DENY)" in listed
    assert "User:p" not in listed
    run("kafka-acls", asking, "--remove --topic ord --resource-pattern-type prefixed --force")
    left = run("kafka-acls", asking, "--list")
    assert "User:m" not in left
    assert left.count("User:p") == 6


def test_kafka_configs_describes_the_quotas_that_it_has_set(asking: Odradek) -> None:
    both = "--entity-type users --entity-name alice --entity-type clients --entity-name app"
    run("kafka-configs", asking, f"--alter --add-config producer_byte_rate=1024 {both}")
    assert "'alice', client-id 'app' are producer_byte_rate=1024.0" in run(
        "kafka-configs", asking, f"--describe {both}"
    )
    run("kafka-configs", asking, "--alter --add-config connection_creation_rate=5 --entity-type ips --entity-default")
    found = run("kafka-configs", asking, "--describe --entity-type ips")
    assert "default ip are connection_creation_rate=5.0" in found.replace("IP", "ip")
