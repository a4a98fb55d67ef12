"""Who tries all doors of a secured cluster: what is wrong is told, and nothing else; on a broker in this process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from odradek import Admin
from odradek.admin import AclFilter
from odradek.security import Security
from odradek.testing.chaos import guests as chaos_guests
from odradek.testing.chaos.guests import MEMBER, Guests, admit, be_let_in, trespass
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from tests.server.served_broker import serving

ROOT = Security(
    security_protocol="SASL_PLAINTEXT", sasl_mechanism="SCRAM-SHA-512", sasl_username="root", sasl_password="secret"
)
JAAS = 'org.apache.kafka.common.security.scram.ScramLoginModule required username="root" password="secret";'
SETTINGS = {
    "listeners": "SASL_PLAINTEXT://127.0.0.1:0",
    "security.inter.broker.protocol": "SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": "SCRAM-SHA-512",
    "sasl.jaas.config": JAAS,
    "bootstrap.scram.users": "SCRAM-SHA-512=[name=root,password=secret]",
    "connection.failed.authentication.delay.ms": "0",
    "authorizer.class.name": STANDARD_AUTHORIZER,
    "super.users": "User:root",
}
pytestmark = pytest.mark.slow

PLACES = [("chaos", 0)]
TRIES = 8


@asynccontextmanager
async def secured(path: Path, **more: str) -> AsyncIterator[Any]:
    """What a Cluster is to guests."""
    async with serving(path, **SETTINGS, **more) as served:
        address = f"127.0.0.1:{served.port}"
        node = SimpleNamespace(name="broker-0", address=address)
        yield SimpleNamespace(brokers=[node], bootstrap=address, security=ROOT)


async def told(work: Callable[..., Any], cluster: Any, guests: Guests, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The kinds of what is told in some tries."""
    kinds: set[str] = set()
    tries = 0

    async def rest(seconds: float) -> None:
        nonlocal tries
        tries += 1
        await trio.lowlevel.checkpoint()
        if tries == TRIES:
            scope.cancel()

    patched = SimpleNamespace(**{**vars(trio), "sleep": rest})
    monkeypatch.setattr(chaos_guests, "trio", patched)
    with trio.fail_after(60), trio.CancelScope() as scope:
        await work(cluster, guests, PLACES, Random(1), lambda kind, _: kinds.add(kind))
    monkeypatch.setattr(chaos_guests, "trio", trio)
    return kinds


async def test_nobody_gets_in_who_may_not_and_the_member_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with secured(tmp_path) as cluster:
        guests = await prepared(cluster)
        assert await told(trespass, cluster, guests, monkeypatch) == set()
        assert await told(be_let_in, cluster, guests, monkeypatch) == set()
        async with Admin(cluster.bootstrap, security=ROOT) as admin:
            assert await admin.delete_acls(AclFilter(principal=f"User:{MEMBER}"))
        assert await told(be_let_in, cluster, guests, monkeypatch) == {"shut-out"}


async def test_a_door_that_is_open_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with secured(tmp_path, **{"allow.everyone.if.no.acl.found": "true"}) as cluster:
        guests = await prepared(cluster)
        async with Admin(cluster.bootstrap, security=ROOT) as admin:
            await admin.delete_acls(AclFilter())
        assert await told(trespass, cluster, guests, monkeypatch) == {"trespass"}


async def prepared(cluster: Any) -> Guests:
    async with Admin(cluster.bootstrap, security=ROOT) as admin:
        await admin.create_topic("chaos", 1)
    with trio.fail_after(60):
        return await admit(cluster, ["chaos"])
