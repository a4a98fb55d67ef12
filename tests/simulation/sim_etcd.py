"""etcd in virtual time: as many members as there are hosts for them, which answer as its JSON gateway does.

One store is what a majority has agreed on. A member gives its answer out of it while it reaches the leader, and the
leader a majority; otherwise the request waits, and is carried out when that is so again, whoever has given it up
meanwhile. So is what a member has received while it stood still. Who leads changes when the leader is gone or has no
majority: after a while, and each lease then lasts for a whole TTL more, as in etcd. One that has lost the leadership
and does not know it yet answers that leases last: it asks nobody.

Left out: revisions of the past, and therefore compaction: nobody of ours asks for them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any
from urllib.parse import urlsplit

import msgspec
import trio
from in_turns import Gone, wait_for
from sim_network import SimNetwork, SimPort, SimStream

from odradek_broker.election.gateway import NotAnswered, NotReached

PORT = 2379
MAX_OPERATIONS = 128
MAX_REQUEST_BYTES = 1_572_864
COMMIT_S = 0.004
"""At most, for a majority to have written something, where no member is slow."""
LOOK_S = 0.1
ELECTION_S = (1.0, 2.0)
BELIEF_S = (0.0, 1.0)
"""For how long one that others no longer follow takes itself for the leader."""
GIVE_UP_S = 7.0
"""A request that has not been carried out by then never is."""

Body = dict[str, Any]
Answer = tuple[int, Body]


class Refused(Exception):
    """With HTTP's status."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(f"etcdserver: {why}")
        self.status = status


class Stored:
    """A key, as it is."""

    def __init__(self, value: bytes, created: int, modified: int, lease: int) -> None:
        self.value, self.created, self.modified, self.lease = value, created, modified, lease


class Store:
    """What all requests in order amount to. Times are those of whoever leads."""

    def __init__(self, random: Random) -> None:
        self.revision = 1
        self.keys: dict[bytes, Stored] = {}
        self.leases: dict[int, tuple[int, float]] = {}
        """TTL, and until when."""
        self.is_full = False
        self._random = random

    def answer(self, path: str, body: Body, now_s: float) -> Answer:
        self.expire(now_s)
        calls: dict[str, Callable[[], Body]] = {
            "kv/range": lambda: self._range(body),
            "kv/txn": lambda: self._commit(body),
            "lease/grant": lambda: self._grant(int(body["TTL"]), now_s),
            "lease/keepalive": lambda: {"result": self._keep(int(body["ID"]), now_s)},
            "lease/revoke": lambda: self._revoke(int(body["ID"])),
        }
        try:
            return 200, {"header": {"revision": str(self.revision)}} | calls[path]()
        except Refused as error:
            return error.status, {"error": str(error)}

    def expire(self, now_s: float) -> None:
        for lease in [lease for lease, (_, until_s) in self.leases.items() if until_s <= now_s]:
            self._revoke(lease)

    def promote(self, now_s: float) -> None:
        """Another member leads."""
        self.leases = {lease: (ttl_s, now_s + ttl_s) for lease, (ttl_s, _) in self.leases.items()}

    def _range(self, body: Body) -> Body:
        found = self._between(body["key"], body.get("range_end"))
        shown = [
            {
                "key": _text(key),
                "value": _text(kept.value),
                "create_revision": str(kept.created),
                "mod_revision": str(kept.modified),
            }
            | ({"lease": str(kept.lease)} if kept.lease else {})
            for key, kept in ((key, self.keys[key]) for key in found)
        ]
        return {"kvs": shown} if shown else {}

    def _between(self, key: str, end: str | None) -> list[bytes]:
        first = _bytes(key)
        if end is None:
            return [first] if first in self.keys else []
        return [each for each in sorted(self.keys) if first <= each < _bytes(end)]

    def _commit(self, body: Body) -> Body:
        compare, operations = body.get("compare", ()), body.get("success", ())
        puts = [each["request_put"] for each in operations if "request_put" in each]
        deletes = [each["request_delete_range"] for each in operations if "request_delete_range" in each]
        if max(len(compare), len(operations)) > MAX_OPERATIONS:
            raise Refused(400, "too many operations in txn request")
        if len({each["key"] for each in puts}) < len(puts) or any(
            _covers(deleted, put["key"]) for deleted in deletes for put in puts
        ):
            raise Refused(400, "duplicate key given in txn request")
        if sum(len(_bytes(each["key"])) + len(_bytes(each["value"])) for each in puts) > MAX_REQUEST_BYTES:
            raise Refused(400, "request is too large")
        if puts and self.is_full:
            raise Refused(429, "mvcc: database space exceeded")
        if not all(self._holds(each) for each in compare):
            return {}
        if any(int(each.get("lease", 0)) and int(each["lease"]) not in self.leases for each in puts):
            raise Refused(404, "requested lease not found")
        gone = [key for each in deletes for key in self._between(each["key"], each.get("range_end"))]
        if puts or gone:
            self.revision += 1
        for each in puts:
            key, lease = _bytes(each["key"]), int(each.get("lease", 0))
            created = self.keys[key].created if key in self.keys else self.revision
            self.keys[key] = Stored(_bytes(each["value"]), created, self.revision, lease)
        for key in gone:
            self.keys.pop(key, None)
        return {"header": {"revision": str(self.revision)}, "succeeded": True}

    def _holds(self, condition: Body) -> bool:
        kept = self.keys.get(_bytes(condition["key"]))
        if condition["target"] == "CREATE":
            return (0 if kept is None else kept.created) == int(condition["create_revision"])
        assert condition["target"] == "MOD"
        return (0 if kept is None else kept.modified) == int(condition["mod_revision"])

    def _grant(self, ttl_s: int, now_s: float) -> Body:
        if self.is_full:
            raise Refused(429, "mvcc: database space exceeded")
        lease = self._random.getrandbits(62)
        self.leases[lease] = ttl_s, now_s + ttl_s
        return {"ID": str(lease), "TTL": str(ttl_s)}

    def _keep(self, lease: int, now_s: float) -> Body:
        known = self.leases.get(lease)
        if known is None:
            return {"ID": str(lease)}
        self.leases[lease] = known[0], now_s + known[0]
        return {"ID": str(lease), "TTL": str(known[0])}

    def _revoke(self, lease: int) -> Body:
        if self.leases.pop(lease, None) is None:
            raise Refused(404, "requested lease not found")
        gone = [key for key, kept in self.keys.items() if kept.lease == lease]
        if gone:
            self.revision += 1
        for key in gone:
            del self.keys[key]
        return {}


class SimMember:
    """One process of etcd; what it has agreed to stays when it is killed."""

    def __init__(self, etcd: SimEtcd, name: str) -> None:
        self.name = name
        self.is_up = False
        self.is_paused = False
        self.slow_s = 0.0
        """Each thing that it does takes up to that much longer."""
        self.believes_until_s = -1.0
        """It has led, and takes itself for the leader until then."""
        self.believed_leases: dict[int, int] = {}
        self._etcd = etcd
        self._changed = trio.lowlevel.ParkingLot()
        self._scope = trio.CancelScope()

    @property
    def works(self) -> bool:
        return self.is_up and not self.is_paused

    async def start(self) -> None:
        self._etcd.network.machine_is_back(self.name)
        self.is_up, self._scope = True, trio.CancelScope()
        await self._etcd.nursery.start(self._run)

    def kill(self) -> None:
        self.is_up = self.is_paused = False
        self.believes_until_s = -1.0
        self._scope.cancel()
        self._etcd.network.process_dies(self.name)

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False
        self._changed.unpark_all()

    async def work(self, longest_s: float = 0.0) -> None:
        """Take a while; nothing, while it stands still."""
        await trio.sleep(self._etcd.random.uniform(0, longest_s + self.slow_s))
        while self.is_paused:
            await self._changed.park()

    async def _run(self, task_status: trio.TaskStatus[None]) -> None:
        listener = await self._etcd.network.port(self.name).listen(self.name, PORT)
        with self._scope:
            async with trio.open_nursery() as nursery:
                task_status.started()
                while True:
                    nursery.start_soon(self._serve, await listener.accept())

    async def _serve(self, stream: SimStream) -> None:
        try:
            path, body = msgspec.msgpack.decode(await _receive(stream))
            await self.work()
            status, answer = await self._etcd.carry_out(self, path, msgspec.json.decode(body))
            await self.work()
            await _send(stream, msgspec.msgpack.encode((status, msgspec.json.encode(answer))))
        except (OSError, EOFError, trio.ClosedResourceError):
            pass
        finally:
            stream.close()


class SimEtcd:
    """The cluster. Not up before `start`."""

    def __init__(self, nursery: trio.Nursery, network: SimNetwork, random: Random, members: int = 1) -> None:
        self.nursery = nursery
        self.network = network
        self.random = random
        self.store = Store(random)
        self.members = [SimMember(self, f"etcd-{number}") for number in range(members)]
        self.leader: SimMember | None = None
        self.belief_s = BELIEF_S
        self._holds_elections = False

    @property
    def endpoints(self) -> list[str]:
        return [f"http://{each.name}:{PORT}" for each in self.members]

    async def start(self) -> None:
        """Every member that is down."""
        for each in self.members:
            if not each.is_up:
                await each.start()
        if not self._holds_elections:
            self._holds_elections = True
            self.leader = self.members[0]
            self.nursery.start_soon(self._hold_elections)

    def heal(self) -> None:
        """But for who is down."""
        self.store.is_full = False
        for each in self.members:
            each.slow_s = 0.0
            each.resume()

    async def carry_out(self, member: SimMember, path: str, body: Body) -> Answer:
        now_s = trio.current_time()
        if path == "lease/keepalive" and self._believes(member):
            ttl_s = member.believed_leases.get(int(body["ID"]))
            return 200, {"result": {"ID": body["ID"]} | ({} if ttl_s is None else {"TTL": str(ttl_s)})}
        while not self._reaches_leader(member):
            await trio.sleep(LOOK_S / 2)
            await member.work()
            if trio.current_time() > now_s + GIVE_UP_S:
                return 503, {"error": "etcdserver: request timed out"}
        leader = self.leader
        await member.work(COMMIT_S)
        if self.leader is not leader or not self._reaches_leader(member):
            if self.random.random() < 0.5:
                self.store.answer(path, body, trio.current_time())
            return 503, {"error": "etcdserver: leader changed"}
        return self.store.answer(path, body, trio.current_time())

    def _believes(self, member: SimMember) -> bool:
        """Whether it takes itself for the leader, and nobody follows it any more."""
        if member is self.leader and member.works and not self._has_majority(member):
            member.believed_leases = {lease: ttl_s for lease, (ttl_s, _) in self.store.leases.items()}
            return True
        return trio.current_time() < member.believes_until_s

    def _reach(self, one: SimMember, other: SimMember) -> bool:
        cut = self.network.is_cut(one.name, other.name) or self.network.is_cut(other.name, one.name)
        return one is other or (one.works and other.works and not cut)

    def _reaches_leader(self, member: SimMember) -> bool:
        return self.leader is not None and self._reach(member, self.leader) and self._has_majority(self.leader)

    def _has_majority(self, member: SimMember) -> bool:
        return member.works and 2 * sum(self._reach(member, other) for other in self.members) > len(self.members)

    async def _hold_elections(self) -> None:
        while True:
            await trio.sleep(LOOK_S)
            if self.leader is not None and self._has_majority(self.leader):
                self.store.expire(trio.current_time())
                continue
            former = self.leader
            await trio.sleep(self.random.uniform(*ELECTION_S))
            able = [each for each in self.members if self._has_majority(each)]
            if former in able or not able:
                continue
            if former is not None:
                former.believed_leases = {lease: ttl_s for lease, (ttl_s, _) in self.store.leases.items()}
                self.nursery.start_soon(self._cease_to_believe, former)
            self.leader = self.random.choice(able)
            self.store.promote(trio.current_time())

    async def _cease_to_believe(self, former: SimMember) -> None:
        """One that is cut off finds out by itself. One that stands still goes on where it was, for a moment."""
        former.believes_until_s = trio.current_time() + self.random.uniform(*self.belief_s)
        if former.is_paused:
            former.believes_until_s = float("inf")
            await former.work()
            await trio.sleep(self.random.uniform(0, LOOK_S))
            former.believes_until_s = -1.0


class SimGateway:
    """How one life of a process reaches it."""

    def __init__(self, port: SimPort) -> None:
        self._port = port
        self._is_dead = False

    def die(self) -> None:
        """Nothing that its process still does reaches anybody."""
        self._is_dead = True

    def post(self, url: str, content: bytes, timeout_s: float) -> tuple[int, bytes]:
        answer = wait_for(partial(self._post, url, content, timeout_s))
        if self._is_dead:
            raise Gone
        return answer

    def close(self) -> None:
        pass

    async def _post(self, url: str, content: bytes, timeout_s: float) -> tuple[int, bytes]:
        if self._is_dead:
            raise Gone
        address, stream = urlsplit(url), None
        assert address.hostname
        assert address.port
        try:
            with trio.move_on_after(timeout_s):
                stream = await self._port.connect(address.hostname, address.port)
                await _send(stream, msgspec.msgpack.encode((address.path.removeprefix("/v3/"), content)))
                status, body = msgspec.msgpack.decode(await _receive(stream))
                return status, body
        except (OSError, EOFError, trio.ClosedResourceError) as error:
            self._fail(stream, error)
        finally:
            if stream is not None:
                stream.close()
        self._fail(stream, TimeoutError("timed out"))
        raise AssertionError

    def _fail(self, stream: SimStream | None, error: Exception) -> None:
        if self._is_dead:
            raise Gone from error
        raise (NotReached if stream is None else NotAnswered)(str(error)) from error


async def _send(stream: SimStream, data: bytes) -> None:
    await stream.send([len(data).to_bytes(4, "big") + data])


async def _receive(stream: SimStream) -> bytes:
    length = int.from_bytes(await _receive_exactly(stream, 4), "big")
    return await _receive_exactly(stream, length)


async def _receive_exactly(stream: SimStream, count: int) -> bytes:
    data = bytearray(count)
    filled = 0
    while filled < count:
        got = await stream.receive_into(memoryview(data)[filled:])
        if not got:
            raise EOFError
        filled += got
    return bytes(data)


def _covers(deleted: Body, key: str) -> bool:
    first, end, wanted = _bytes(deleted["key"]), deleted.get("range_end"), _bytes(key)
    return wanted == first if end is None else first <= wanted < _bytes(end)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text)
