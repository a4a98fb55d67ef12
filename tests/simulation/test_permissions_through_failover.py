"""A prohibition holds through the death of controllers and brokers, and so does its end; in virtual time."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from test_controllers_over_etcd import another_than, play, whole_again
from test_known_losses import read, until, write
from world import SimNode, World

from odradek import Admin
from odradek.admin import Acl, AclFilter
from odradek.errors import AuthorizationFailed, OdradekError
from odradek.protocol.acl import EVERYBODY, Operation, PatternType, Permission, ResourceType
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER

NO_WRITING = Acl(ResourceType.TOPIC, "t", PatternType.LITERAL, EVERYBODY, "*", Operation.WRITE, Permission.DENY)
READING = Acl(ResourceType.TOPIC, "t", PatternType.LITERAL, EVERYBODY, "*", Operation.READ, Permission.ALLOW)
WRITING = Acl(ResourceType.TOPIC, "t", PatternType.LITERAL, EVERYBODY, "*", Operation.WRITE, Permission.ALLOW)
ASKING: dict[str, Any] = {"authorizer_class_name": STANDARD_AUTHORIZER, "allow_everyone_if_no_acl_found": "true"}
"""Nothing but the topic is spoken of, so brokers may do what they have to."""


async def change(world: World, *, add: tuple[Acl, ...] = (), remove: tuple[AclFilter, ...] = ()) -> None:
    """However often it takes: controllers come and go."""
    with trio.fail_after(60):
        while True:
            try:
                async with Admin(world.bootstrap, surroundings=world.client(), request_timeout_ms=5_000) as admin:
                    await admin.create_acls(*add)
                    await admin.delete_acls(*remove)
                    return
            except OdradekError:
                await trio.sleep(0.5)


def knows(node: SimNode, acl: Acl) -> bool:
    return node.broker is not None and node.broker.image.acls.has(acl)


@pytest.mark.slow
@pytest.mark.parametrize("combined", [False, True])
def test_a_prohibition_outlives_the_controller_that_decided_it_and_every_restart(combined: bool) -> None:
    async def scenario(world: World) -> None:
        await write(world, "1")
        await change(world, add=(READING, WRITING, NO_WRITING))
        await until(lambda: all(knows(node, NO_WRITING) for node in world.brokers), "all have heard of it")
        with pytest.raises(AuthorizationFailed):
            await write(world, "refused")

        former = world.controller
        former.kill()
        await another_than(world, former)
        with pytest.raises(AuthorizationFailed):
            await write(world, "refused by those who were there")

        for node in world.brokers:
            node.kill(power=True)
        await whole_again(world)
        assert all(knows(node, NO_WRITING) for node in world.brokers)
        with pytest.raises(AuthorizationFailed):
            await write(world, "refused by those who have come back")

        prohibitions = AclFilter(permission=Permission.DENY)
        await change(world, remove=(prohibitions,))
        await until(lambda: not any(knows(node, NO_WRITING) for node in world.brokers), "all have heard of its end")
        await write(world, "2")
        assert await read(world) == ["1", "2"]

    play(scenario, combined=combined, **ASKING)
