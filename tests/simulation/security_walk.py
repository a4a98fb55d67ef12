"""Logins and permissions while both are changed and machines fail: whole brokers in virtual time, out of one seed.

    python tests/simulation/security_walk.py FIRST COUNT [SECONDS]

Two oracles, for each question that somebody asks a broker, and each login:
    stale permission, stale login   the answer goes by what was in force: by nothing older than the newest that all
                                    brokers which ran had known before, by nothing newer than what was decided by then
    permission, login               when all is healed and everybody knows the same, each answer is the right one
And a third: permissions            what was acknowledged is there in the end, and nothing that nobody has asked for
What is right is a plain reading of the ACLs (plain_reading.py), and a password's keys made anew.
"""

from __future__ import annotations

import argparse
import base64
import logging
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, partial
from random import Random
from typing import Any, Final

import trio
from deterministic_trio import run_in_virtual_time
from faults import FAULTS, heal
from invariants import Violated
from plain_reading import plainly
from questions import NAMES, QUESTIONS, Question, was_permitted
from seeds import stories
from timeline import Timeline
from world import PORT, World

from odradek import Admin
from odradek.admin import Acl, AclFilter
from odradek.errors import OdradekError
from odradek.protocol.acl import CLUSTER_NAME, EVERYBODY, WILDCARD, Operation, PatternType, Permission, ResourceType
from odradek.protocol.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from odradek.protocol.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.sasl.exchange import LoginFailed
from odradek.protocol.sasl.scram import ScramExchange, ScramKeys, salted_password, scram_keys
from odradek.security import Security
from odradek_broker.config.permission_keys import STANDARD_AUTHORIZER
from odradek_broker.metadata.peer import Channel
from odradek_broker.security.acl_index import AclIndex

SECONDS = 6.0
MECHANISM: Final = "SCRAM-SHA-256"
NUMBER = 1
SUPER, BROKER = "root", "broker"
STAYS, GOES = ("alice", "roots"), "bob"
"""One is called nearly like the super user; one is removed in the end."""
USERS = (*STAYS, GOES)
PASSWORDS = ("first", "second")
HOSTS = ("client", "elsewhere")
DISTURBANCES = (
    *("kill-any", "power-any", "power-all", "bounce", "restart", "one-after-the-other"),
    *("cut-any", "cut-one-way", "pause-any", "reset-any", "kill-controller", "pause-controller", "leave-behind"),
)
ASKED = (QUESTIONS, QUESTIONS, QUESTIONS[:1])
"""By each of those who ask: one of them asks for nothing but to write, always on the same connections."""
ANSWER_S = 2.0
REST_S = 0.4
FIRST_ACLS, MOST_ACLS = 8, 16
WITHIN_S = 120.0

_JAAS = "org.apache.kafka.common.security.scram.ScramLoginModule required"
SETTINGS: dict[str, Any] = {
    "listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": MECHANISM,
    "sasl.mechanism.inter.broker.protocol": MECHANISM,
    "sasl.jaas.config": f'{_JAAS} username="{BROKER}" password="{BROKER}";',
    "bootstrap.scram.users": " ".join(f"{MECHANISM}=[name={user},password={user}]" for user in (SUPER, BROKER)),
    "authorizer.class.name": STANDARD_AUTHORIZER,
    "super.users": f"User:{SUPER};User:{BROKER}",
}


class Refused(Exception):
    """A login was."""


class SecuredWorld(World):
    """It knows at any time what brokers may go by."""

    def __init__(self, nursery: trio.Nursery, seed: int, open_by_default: bool) -> None:
        controllers = Random(f"security {seed}").choice((0, 3))
        self.acls: Timeline[AclIndex] = Timeline(lambda image: image.acls)
        self.users: Timeline[Mapping[tuple[int, str], ScramKeys]] = Timeline(lambda image: image.scram)
        super().__init__(
            nursery,
            seed,
            etcds=1 if controllers else 0,
            controllers=controllers or 1,
            combined=bool(controllers),
            is_supervised=True,
            **SETTINGS,
            allow_everyone_if_no_acl_found=str(open_by_default).lower(),
        )

    def look(self) -> None:
        super().look()
        images = [node.broker.image for node in self.members if node.broker is not None]
        for timeline in (self.acls, self.users):
            timeline.look(self.invariants.decided, images)

    def says(self, oracle: str, what: str) -> None:
        self.violated(Violated(f"{oracle}: {what}"))


class Walk:
    def __init__(self, world: SecuredWorld, random: Random, open_by_default: bool) -> None:
        self.world = world
        self.random = random
        self.happened: Counter[str] = Counter()
        self._open_by_default = open_by_default
        self._passwords: dict[str, str] = {}
        """The last one that was asked for."""
        self.surely: set[Acl] = set()
        """The ACLs that have been acknowledged, and none of which is to be deleted."""
        self.maybe: set[Acl] = set()
        """Those, and such as may be there: nobody knows what became of the request."""

    # ----------------------------------------------------------------------------------------------------- questions

    async def ask_at_random(self, questions: Sequence[Question]) -> None:
        channels: dict[tuple[str, str, int], Channel] = {}
        while True:
            await trio.sleep(self.random.uniform(0.001, 0.1))
            user, host = self.random.choice(USERS), self.random.choice(HOSTS)
            place = user, host, self.random.randrange(len(self.world.brokers))
            try:
                with trio.fail_after(ANSWER_S):
                    if place not in channels or self.random.random() < 0.1:
                        channels[place] = await self.log_in(*place)
                    question = self.random.choice(questions)
                    name = self.random.choice(NAMES[question.resource_type])
                    await self.ask(channels[place], place, question, name)
            except Refused:
                channels.pop(place, None)
            except (OSError, ProtocolError, trio.TooSlowError, trio.ClosedResourceError):
                self.happened["no answer"] += 1
                if place in channels:
                    channels.pop(place).close()

    async def ask(
        self, channel: Channel, place: tuple[str, str, int], question: Question, name: str, oracle: str = ""
    ) -> None:
        user, host, number = place
        known = self.world.acls.known
        answer = await channel.ask(question.ask(name), question.answer, question.version)
        permitted = was_permitted(answer)
        self.happened["permitted" if permitted else "refused"] += 1
        right = {self._may(acls, user, host, question, name) for acls in self.world.acls.since(known)}
        if permitted not in right:
            self.world.says(
                oracle or "stale permission",
                f"broker {number} lets User:{user} from {host} {'do' if permitted else 'not do'} "
                f"{question.operation.name} with {question.resource_type.name} {name}",
            )

    def _may(self, acls: AclIndex, user: str, host: str, question: Question, name: str) -> bool:
        found = plainly(acls.by_id.values(), f"User:{user}", host, question.operation, question.resource_type, name)
        return self._open_by_default if found is None else found

    # -------------------------------------------------------------------------------------------------------- logins

    async def log_in(self, user: str, host: str, number: int, password: str | None = None, oracle: str = "") -> Channel:
        """By any of the passwords, mostly by the one that was set last. Raises Refused, OSError, ProtocolError."""
        likely = self._passwords.get(user, PASSWORDS[0])
        password = password or self.random.choice((*PASSWORDS, likely, likely, likely))
        known = self.world.users.known
        stream = await self.world.network.port(host).connect(f"broker-{number}", PORT)
        channel = Channel(stream, "walk")
        is_in = await _log_in(channel, user, password, Random(self.random.getrandbits(64)))
        self.happened["logged in" if is_in else "shut out"] += 1
        right = {_knows(users.get((NUMBER, user)), password) for users in self.world.users.since(known)}
        if is_in not in right:
            self.world.says(
                oracle or "stale login",
                f"broker {number} lets {user} with {password!r} {'in' if is_in else 'not in'}",
            )
        if not is_in:
            channel.close()
            raise Refused
        return channel

    async def log_in_vainly(self, place: tuple[str, str, int], password: str) -> None:
        try:
            (await self.log_in(*place, password, "login")).close()
        except Refused:
            return
        self.world.says("login", f"{place} is let in with {password!r}")

    async def log_in_surely(self, place: tuple[str, str, int], *, password: str, wrong: str) -> Channel:
        await self.log_in_vainly(place, wrong)
        try:
            return await self.log_in(*place, password, "login")
        except Refused:
            self.world.says("login", f"{place} is not let in, though nobody has changed the password since")
            raise

    # ------------------------------------------------------------------------------------------------------- changes

    async def change_at_random(self) -> None:
        while True:
            await trio.sleep(self.random.uniform(0.02, 2 * REST_S))
            try:
                async with self._admin() as admin:
                    await self._change(admin)
            except OdradekError as error:
                self.happened["change refused"] += 1
                self.world.note(f"a change: {error}")

    async def _change(self, admin: Admin) -> None:
        acls = list(self.world.invariants.decided.acls.by_id.values())
        if self.random.random() < 0.3:
            await self._change_user(admin, self.random.choice(USERS))
        elif acls and (len(acls) > MOST_ACLS or self.random.random() < 0.5):
            await self._delete(admin, self.random.choice(acls))
        else:
            await self._create(admin, *(self._acl() for _ in range(self.random.randint(1, 3))))
        self.happened["changed"] += 1

    async def _create(self, admin: Admin, *acls: Acl) -> None:
        self.maybe.update(acls)
        await admin.create_acls(*acls)
        self.surely.update(acls)

    async def _delete(self, admin: Admin, like: Acl) -> None:
        """All of that principal and operation."""
        wanted = AclFilter(principal=like.principal, operation=Operation(like.operation))
        meant = {each for each in self.maybe if (each.principal, each.operation) == (like.principal, like.operation)}
        self.surely -= meant
        await admin.delete_acls(wanted)
        self.maybe -= meant

    async def _change_user(self, admin: Admin, user: str) -> None:
        if self.random.random() < 0.3:
            await admin.remove_user(user)
        else:
            self._passwords[user] = self.random.choice(PASSWORDS)
            await admin.set_password(user, self._passwords[user], MECHANISM)

    def _acl(self) -> Acl:
        random = self.random
        kind = random.choice((ResourceType.TOPIC, ResourceType.TOPIC, ResourceType.GROUP, ResourceType.CLUSTER))
        pattern, name = PatternType.LITERAL, CLUSTER_NAME
        if kind is not ResourceType.CLUSTER:
            pattern, name = random.choice(
                (
                    (PatternType.LITERAL, "orders"),
                    (PatternType.LITERAL, WILDCARD),
                    (PatternType.PREFIXED, "orders"),
                    (PatternType.PREFIXED, "o"),
                )
            )
        principal = random.choice((EVERYBODY, *(f"User:{user}" for user in USERS)))
        operations = [each.operation for each in QUESTIONS if each.resource_type is kind]
        return Acl(
            kind,
            name,
            pattern,
            principal,
            random.choice((WILDCARD, WILDCARD, *HOSTS)),
            random.choice((*operations, Operation.ALL)),
            random.choice((*[Permission.ALLOW] * 4, Permission.DENY)),
        )

    def _admin(self) -> Admin:
        security = Security(
            security_protocol="SASL_PLAINTEXT", sasl_mechanism=MECHANISM, sasl_username=SUPER, sasl_password=SUPER
        )
        surroundings = self.world.client()
        return Admin(self.world.bootstrap, security=security, surroundings=surroundings, request_timeout_ms=2_000)

    # --------------------------------------------------------------------------------------------------- the whole walk

    async def prepare(self) -> None:
        with trio.fail_after(WITHIN_S):
            async with self._admin() as admin:
                for topic in NAMES[ResourceType.TOPIC][:2]:
                    await admin.create_topic(topic, replicas=[[0, 1, 2]])
                for user in USERS:
                    self._passwords[user] = PASSWORDS[0]
                    await admin.set_password(user, PASSWORDS[0], MECHANISM)
                await self._create(admin, *(self._acl() for _ in range(FIRST_ACLS)))

    async def disturb(self) -> None:
        while True:
            await trio.sleep(self.random.uniform(0, 2 * REST_S))
            kind = self.random.choice(DISTURBANCES)
            self.world.note(kind)
            self.happened[kind] += 1
            await FAULTS[kind](self.world, self.random)

    async def settle(self) -> None:
        """Heal; wait until all know the same."""
        await heal(self.world)
        with trio.fail_after(WITHIN_S):
            await self._at_last(lambda admin: self._remove(admin, GOES))
            for user in STAYS:
                await self._at_last(partial(self._set, user=user))
            while not self._all_know():  # noqa: ASYNC110 (virtual time; nobody tells)
                await trio.sleep(0.01)
        acls = set(self.world.invariants.decided.acls.by_id.values())
        if not self.surely <= acls <= self.maybe:
            self.world.says("permissions", f"lost {self.surely - acls}, never asked for {acls - self.maybe}")

    async def _at_last(self, change: Callable[[Admin], Awaitable[None]]) -> None:
        """However often it takes. Whatever was decided before is known with it."""
        while True:
            try:
                async with self._admin() as admin:
                    return await change(admin)
            except OdradekError:
                await trio.sleep(REST_S)

    async def _set(self, admin: Admin, user: str) -> None:
        await admin.set_password(user, PASSWORDS[0], MECHANISM)

    async def _remove(self, admin: Admin, user: str) -> None:
        if user in await admin.users():
            await admin.remove_user(user)

    def _all_know(self) -> bool:
        return all(each.known == each.newest for each in (self.world.acls, self.world.users))

    async def ask_everything(self) -> None:
        """Of every broker, by everybody, from everywhere."""
        for number in range(len(self.world.brokers)):
            for password in PASSWORDS:
                await self.log_in_vainly((GOES, HOSTS[0], number), password)
            for user in STAYS:
                for host in HOSTS:
                    place = user, host, number
                    channel = await self.log_in_surely(place, password=PASSWORDS[0], wrong=PASSWORDS[1])
                    for question in QUESTIONS:
                        for name in NAMES[question.resource_type]:
                            await self.ask(channel, place, question, name, "permission")
                    channel.close()


async def _log_in(channel: Channel, user: str, password: str, random: Random) -> bool:
    exchange = ScramExchange(MECHANISM, user, password, base64.b64encode(random.randbytes(18)).decode())
    begun = await channel.ask(SaslHandshakeRequest(MECHANISM), SaslHandshakeResponse, 1)
    assert begun.error_code == 0
    token: bytes | None = exchange.first()
    while token is not None:
        answer = await channel.ask(SaslAuthenticateRequest(token), SaslAuthenticateResponse, 2)
        if answer.error_code:
            return False
        try:
            token = exchange.reply(bytes(answer.auth_bytes))
        except LoginFailed:
            return True  # let in, by somebody who does not know the password either
    return True


@cache
def _knows(keys: ScramKeys | None, password: str) -> bool:
    """Whether who has the password has these keys."""
    if keys is None:
        return False
    salted = salted_password(MECHANISM, password, keys.salt, keys.iterations)
    return scram_keys(MECHANISM, salted, keys.salt, keys.iterations) == keys


def walk(seed: int, seconds: float = SECONDS) -> tuple[str | None, Counter[str]]:
    """What was wrong, and what happened."""
    return run_in_virtual_time(seed, _walk, seed, seconds)


async def _walk(seed: int, seconds: float) -> tuple[str | None, Counter[str]]:
    random = Random(f"security walk {seed}")
    open_by_default = random.random() < 0.3
    happened: Counter[str] = Counter()
    world: SecuredWorld | None = None
    try:
        async with trio.open_nursery() as nursery:
            world = SecuredWorld(nursery, seed, open_by_default)
            going = Walk(world, random, open_by_default)
            happened = going.happened
            await world.start()
            await going.prepare()
            async with trio.open_nursery() as busy:
                for questions in ASKED:
                    busy.start_soon(going.ask_at_random, questions)
                busy.start_soon(going.change_at_random)
                with trio.move_on_after(seconds):
                    await going.disturb()
                busy.cancel_scope.cancel()
            await going.settle()
            await going.ask_everything()
            nursery.cancel_scope.cancel()
    except* Exception:
        if world is None or world.violation is None:
            raise
    assert world is not None
    return world.violation, happened


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("seconds", type=float, nargs="?", default=SECONDS)
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    total: Counter[str] = Counter()
    for seed in range(given.first, given.first + given.count):
        try:
            wrong, happened = walk(seed, given.seconds)
        except Exception as error:
            wrong, happened = "; ".join(stories(error)), Counter()
        total += happened
        if wrong is not None:
            print(f"seed {seed}: {wrong}")
            return 1
    print(", ".join(f"{count} {what}" for what, count in sorted(total.items())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
