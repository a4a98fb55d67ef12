"""Who has no permission at all may ask whatever there is, in every version: nothing changes, and no name is told."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
import trio

from odradek.protocol.acl import Operation, PatternType, Permission, ResourceType
from odradek.protocol.messages.create_acls import AclCreation, CreateAclsRequest, CreateAclsResponse
from odradek.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from odradek.protocol.messages.produce import ProduceRequest
from odradek_broker.apis import Api, load_apis
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from tests.server.served_broker import Peer, Served, serving

SECRET = "secret"
ASKED_BEFORE_LOGIN = {17, 36}
"""They end a connection whose listener asks for no login."""
PRODUCE = ProduceRequest.API_KEY
"""Which by default wants no answer."""
PATIENCE_S = 10


async def make_secrets(served: Served) -> bytes:
    """A topic and an ACL: the topic's id."""
    controller = served.broker.controller
    topic = CreateTopicsRequest([CreatableTopic(f"{SECRET}-topic", 1, 1)], 5000)
    made = await controller.ask(topic, CreateTopicsResponse, 7)
    acl = AclCreation(
        ResourceType.TOPIC, SECRET, PatternType.PREFIXED, f"User:{SECRET}", "*", Operation.ALL, Permission.ALLOW
    )
    await controller.ask(CreateAclsRequest([acl]), CreateAclsResponse, 3)
    return bytes(made.topics[0].topic_id)


async def answer_to(peer: Peer, api: Api, version: int) -> bytes | None:
    """The bytes of the answer; None where the connection has ended instead."""
    try:
        with trio.fail_after(PATIENCE_S):
            await peer.send(ProduceRequest(acks=1) if api.key == PRODUCE else api.request(), version)
            size = await _exactly(peer, 4)
            return None if size is None else await _exactly(peer, struct.unpack(">i", size)[0])
    except trio.BrokenResourceError:
        return None


async def _exactly(peer: Peer, count: int) -> bytes | None:
    received = b""
    while len(received) < count:
        more = await peer.stream.receive_some(count - len(received))
        if not more:
            return None
        received += more
    return received


@pytest.mark.slow
async def test_nothing_changes_and_no_name_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    answered = 0
    async with serving(tmp_path, authorizer_class_name=STANDARD_AUTHORIZER) as served:
        topic_id = await make_secrets(served)
        before = served.broker.image
        peer = await served.connect()
        for api in load_apis().values():
            for version in api.versions if api.key not in ASKED_BEFORE_LOGIN else ():
                answer = await answer_to(peer, api, version)
                if answer is None:
                    peer = await served.connect()
                    continue
                answered += 1
                assert SECRET.encode() not in answer, f"{api.name} v{version}"
                assert topic_id not in answer, f"{api.name} v{version}"
        assert served.broker.image is before
    assert answered > 200
    assert "defect" not in caplog.text
