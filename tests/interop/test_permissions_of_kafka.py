"""What Apache Kafka refuses, hides and tells under every single permission is what our record of it says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import trio

from odradek.protocol.acl import Operation, PatternType, Permission, ResourceType
from odradek.protocol.messages.create_acls import AclCreation, CreateAclsRequest, CreateAclsResponse
from odradek.protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest, DeleteAclsResponse
from odradek.protocol.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek.testing.ports import free_ports
from referee import ApacheKafka
from tests.apis.permission_matrix import answers, by_request, grants, make_world
from tests.server.served_broker import Peer

pytestmark = [pytest.mark.slow, pytest.mark.java, pytest.mark.usefixtures("need_java")]

RECORD = Path(__file__).parents[1] / "apis" / "kafka_permissions.json"
EVERYTHING = DeleteAclsFilter(ResourceType.ANY, None, PatternType.ANY, None, None, Operation.ANY, Permission.ANY)


def secured_kafka(directory: Path) -> tuple[ApacheKafka, int]:
    """Brokers and the administrator log in, by a listener of theirs; whoever comes by the other is nobody."""
    kafka = ApacheKafka(directory)
    inside = free_ports(1)[0]
    controller = f"127.0.0.1:{kafka._controller_port}"
    login = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        'username="admin" password="secret" user_admin="secret";'
    )
    kafka.config |= {
        "listeners": f"PLAINTEXT://{kafka.bootstrap},INSIDE://127.0.0.1:{inside},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{kafka.bootstrap},INSIDE://127.0.0.1:{inside}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INSIDE:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "inter.broker.listener.name": "INSIDE",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.inside.plain.sasl.jaas.config": login,
        "listener.name.controller.plain.sasl.jaas.config": login,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:admin",
    }
    return kafka, inside


async def connect(port: int) -> Peer:
    return Peer(await trio.open_tcp_stream("127.0.0.1", port))


async def log_in(port: int) -> Peer:
    peer = await connect(port)
    await peer.ask(SaslHandshakeRequest("PLAIN"), SaslHandshakeResponse, 1)
    answer = await peer.ask(SaslAuthenticateRequest(b"\0admin\0secret"), SaslAuthenticateResponse, 0)
    assert not answer.error_code, answer
    return peer


async def grant_only(admin: Peer, acls: list[AclCreation]) -> None:
    """These and no others, and wait until the broker knows."""
    await admin.ask(DeleteAclsRequest([EVERYTHING]), DeleteAclsResponse, 3)
    if acls:
        await admin.ask(CreateAclsRequest(acls), CreateAclsResponse, 3)
    everything = DescribeAclsRequest(ResourceType.ANY, None, PatternType.ANY, None, None, Operation.ANY, Permission.ANY)
    with trio.fail_after(30):
        while True:
            known = await admin.ask(everything, DescribeAclsResponse, 3)
            if sum(len(each.acls) for each in known.resources) == len(acls):
                return
            await trio.sleep(0.01)


async def ask_kafka(port: int, inside: int) -> dict[str, Any]:
    admin = await log_in(inside)
    ids = await make_world(admin)
    found = {}
    for name, acls in grants():
        await grant_only(admin, acls)
        peer = await connect(port)
        found[name] = await answers(peer, ids)
        await trio.aclose_forcefully(peer.stream)
    await trio.aclose_forcefully(admin.stream)
    return found


def test_kafka_answers_under_every_permission_as_it_is_recorded(tmp_path: Path) -> None:
    """With ODRADEK_RECORD=1 its answers become the record."""
    kafka, inside = secured_kafka(tmp_path / "kafka")
    with kafka:
        found = by_request(trio.run(ask_kafka, kafka.port, inside))
    if os.environ.get("ODRADEK_RECORD"):
        rows = [f"{json.dumps(request)}: {json.dumps(found[request])}" for request in sorted(found)]
        RECORD.write_text("{\n" + ",\n".join(rows) + "\n}\n", "utf-8")
    assert settled(found) == settled(json.loads(RECORD.read_text("utf-8")))


def settled(found: dict[str, Any]) -> dict[str, Any]:
    """Without what is told of partitions in answers to ShareFetch: Kafka leaves out those that it has not read yet."""
    return {
        request: [{**row, "answer": {**row["answer"], "told": []}} for row in rows]
        if request.startswith("ShareFetch")
        else rows
        for request, rows in found.items()
    }
