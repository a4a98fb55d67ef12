"""Users of a secured cluster: a member, who may do what the load does, and a stranger, who may do nothing.

What must not be, whatever fails, and is told under these names
    trespass    the stranger has seen, read or written something, or somebody has logged in with a wrong password
    shut-out    the member was refused
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from random import Random

import trio
from msgspec import Struct, structs

from odradek.admin import Admin
from odradek.consumer import Consumer
from odradek.errors import OdradekError
from odradek.producer import Producer
from odradek.protocol.acl import WILDCARD, Acl, Operation, PatternType, Permission, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.topic_partition import TopicPartition
from odradek.security import Security
from odradek.testing.chaos.history import SHUT_OUT, TRESPASS, Place
from odradek.testing.cluster import Cluster

PREFIX = "chaos"
"""With which all names of the load begin."""
MEMBER, STRANGER = f"{PREFIX}-member", f"{PREFIX}-stranger"
KNOWN_WITHIN_S = 120.0
TRY_S = 5.0
REST_S = 0.2
REFUSALS = (
    ErrorCode.TOPIC_AUTHORIZATION_FAILED,
    ErrorCode.GROUP_AUTHORIZATION_FAILED,
    ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
    ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    ErrorCode.SASL_AUTHENTICATION_FAILED,
)

Tell = Callable[[str, str], None]
"""The kind of what must not be, and what it was."""


class Guests(Struct, frozen=True):
    """How each of them connects."""

    member: Security
    stranger: Security
    impostor: Security
    """Who calls himself the member, and has not the password."""


def is_refusal(error: str) -> bool:
    return any(code.sentence in error for code in REFUSALS)


def administrator(cluster: Cluster) -> Admin:
    """Of a cluster that has just been started; the machine may be busy."""
    patience_ms = int(KNOWN_WITHIN_S * 1000)
    return Admin(
        cluster.bootstrap,
        security=cluster.security,
        connect_timeout_ms=patience_ms,
        request_timeout_ms=patience_ms,
    )


async def admit(cluster: Cluster, topics: Collection[str]) -> Guests:
    """Make the users; return when each broker lets the member see these topics.

    Raises OdradekError, trio.TooSlowError.
    """
    member, stranger = (
        structs.replace(cluster.security, sasl_username=user, sasl_password=secrets.token_urlsafe(16))
        for user in (MEMBER, STRANGER)
    )
    guests = Guests(member, stranger, structs.replace(member, sasl_password="a guess"))
    kinds = (ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID)
    async with administrator(cluster) as admin:
        for each in (member, stranger):
            await admin.set_password(each.sasl_username or "", each.sasl_password or "")
        await admin.create_acls(*(_everything(kind) for kind in kinds))
    with trio.fail_after(KNOWN_WITHIN_S):
        for broker in cluster.brokers:
            while True:
                if await _seen(broker.address, member) >= set(topics):
                    break
                await trio.sleep(REST_S)
    return guests


def _everything(kind: ResourceType) -> Acl:
    return Acl(kind, PREFIX, PatternType.PREFIXED, f"User:{MEMBER}", WILDCARD, Operation.ALL, Permission.ALLOW)


async def _seen(address: str, security: Security) -> set[str]:
    """The topics that somebody sees; none where nobody answers, or refuses."""
    try:
        async with Admin(address, security=security, request_timeout_ms=int(TRY_S * 1000)) as admin:
            return set(await admin.list_topics())
    except OdradekError:
        return set()


async def try_the_doors(
    cluster: Cluster, guests: Guests, places: Sequence[Place], random: Random, note: Callable[[str, str, bool], None]
) -> None:
    """Until cancelled. `note`: the kind of what must not be, what it was, and that it is not over."""

    def tell(kind: str, what: str) -> None:
        note(kind, what, False)

    async with trio.open_nursery() as nursery:
        for guest in (trespass, be_let_in):
            nursery.start_soon(guest, cluster, guests, places, random, tell)


async def trespass(cluster: Cluster, guests: Guests, places: Sequence[Place], random: Random, tell: Tell) -> None:
    """Try all doors, until cancelled."""
    while True:
        broker = random.choice(cluster.brokers)
        with trio.move_on_after(TRY_S):
            if seen := await _seen(broker.address, random.choice((guests.stranger, guests.impostor))):
                tell(TRESPASS, f"{broker.name} tells of {sorted(seen)}")
        with trio.move_on_after(TRY_S):
            await random.choice((_write, _read))(cluster, guests.stranger, random.choice(places), tell)
        await trio.sleep(REST_S)


async def _write(cluster: Cluster, security: Security, place: Place, tell: Tell) -> None:
    topic, partition = place
    timeout_ms = int(TRY_S * 1000)
    try:
        async with Producer(
            cluster.bootstrap,
            linger_ms=0,
            request_timeout_ms=timeout_ms // 2,
            delivery_timeout_ms=timeout_ms,
            security=security,
        ) as producer:
            delivered = await (await producer.send(topic, b"of a stranger", partition=partition))
    except OdradekError:
        return
    tell(TRESPASS, f"{topic}-{partition} has taken a record at offset {delivered.offset}")


async def _read(cluster: Cluster, security: Security, place: Place, tell: Tell) -> None:
    try:
        async with Consumer(cluster.bootstrap, start="earliest", security=security) as consumer:
            await consumer.assign([TopicPartition(*place)])
            found = await consumer.poll(timeout_s=1)
    except OdradekError:
        return
    if found:
        tell(TRESPASS, f"{place[0]}-{place[1]} has given {len(found)} records away")


async def be_let_in(cluster: Cluster, guests: Guests, places: Sequence[Place], random: Random, tell: Tell) -> None:
    """As the member, again and again, until cancelled."""
    while True:
        place = TopicPartition(*random.choice(places))
        try:
            with trio.move_on_after(TRY_S):
                async with Consumer(cluster.bootstrap, security=guests.member) as consumer:
                    await consumer.end_offsets(place)
        except OdradekError as error:
            if is_refusal(str(error)):
                tell(SHUT_OUT, str(error))
        await trio.sleep(REST_S)
