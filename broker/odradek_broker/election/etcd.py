"""etcd, as far as a journal and an election need it: keys, conditional writes, leases. Blocking calls.

A request goes to one member, and where that does not answer to the next. So a write may be carried out more than once,
and long after it was answered: by a member that stood still with the request in its socket, say. Every write must
therefore be such that it does nothing, or nothing new, where it comes again and late.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from odradek_broker.election.gateway import Gateway, NotAnswered, NotReached

TIMEOUT_SECONDS = 2.0
NO_SPACE = b"database space exceeded"
NO_LEASE = b"requested lease not found"


class EtcdUnavailable(Exception):
    """No endpoint has answered, or with an error. Whether a write was made, or will be, is not known."""


class EtcdFull(EtcdUnavailable):
    """There is no room left, so nothing new is written. What is there can be read, and leases are renewed.

    A write that has filled it may have been made and yet be answered so: read it back.
    """


class KeyValue(Struct, frozen=True):
    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    """Of the last write to it."""
    lease: int = 0


class Created(Struct, frozen=True):
    """A condition of a transaction: the key was created at that revision, by whatever it was written to since."""

    key: bytes
    revision: int
    """0: there is no such key."""


class Unchanged(Struct, frozen=True):
    """A condition of a transaction: the last write to the key was at that revision."""

    key: bytes
    revision: int
    """0: there is no such key."""


class Etcd:
    """One cluster, by its endpoints: tried in turn, from the one on that answered last."""

    def __init__(self, endpoints: Sequence[str], gateway: Gateway, timeout_s: float = TIMEOUT_SECONDS) -> None:
        """Endpoints as in http://127.0.0.1:2379; `timeout_s` is for each of them."""
        self._endpoints = [endpoint.rstrip("/") for endpoint in endpoints]
        self._gateway = gateway
        self._timeout_s = timeout_s
        self._first = 0

    def within(self, timeout_s: float) -> Etcd:
        """The same one, for what has no time to wait long for an endpoint that does not answer."""
        return Etcd(self._endpoints, self._gateway, timeout_s)

    def get(self, key: bytes) -> KeyValue | None:
        """As a majority has it at the moment."""
        return next(iter(self.range(key)), None)

    def range(self, key: bytes, end: bytes | None = None) -> list[KeyValue]:
        """All keys from `key` up to, not with, `end`, in order."""
        body: dict[str, Any] = {"key": _text(key)}
        if end is not None:
            body["range_end"] = _text(end)
        answer = self._post("kv/range", body)
        return [_key_value(each) for each in answer.get("kvs", ())]

    def commit(
        self,
        conditions: Sequence[Created | Unchanged],
        puts: Sequence[tuple[bytes, bytes]] = (),
        deletes: Sequence[tuple[bytes, bytes | None]] = (),
        lease: int = 0,
    ) -> bool:
        """All of it, or nothing where a condition does not hold. Deletes are ranges (key, end) or single keys.

        False does not say that it was not done: a first copy of the request may have been, and its answer lost.
        """
        success: list[dict[str, Any]] = [
            {"request_put": {"key": _text(key), "value": _text(value), "lease": str(lease)}} for key, value in puts
        ]
        for key, end in deletes:
            removal = {"key": _text(key)} | ({} if end is None else {"range_end": _text(end)})
            success.append({"request_delete_range": removal})
        compare = [_compare(each) for each in conditions]
        return bool(self._post("kv/txn", {"compare": compare, "success": success}).get("succeeded", False))

    def grant(self, ttl_s: int) -> int:
        return int(self._post("lease/grant", {"TTL": str(ttl_s)})["ID"])

    def keep_alive(self, lease: int) -> bool:
        """Whether the lease is still there, and now lasts for a whole TTL more, as far as the member knows.

        That is the leader of etcd, or was until a moment ago: it asks no majority.
        """
        answer = self._post("lease/keepalive", {"ID": str(lease)})
        return int(answer.get("result", {}).get("TTL", 0)) > 0

    def revoke(self, lease: int) -> None:
        """Its keys go with it. Nothing, where it is gone."""
        self._post("lease/revoke", {"ID": str(lease)}, gone=NO_LEASE)

    def _post(self, path: str, body: dict[str, Any], gone: bytes | None = None) -> dict[str, Any]:
        """`gone`: what an error says that is none."""
        content = msgspec.json.encode(body)
        why = "no endpoint is given"
        is_full = may_be_done = False
        for step in range(len(self._endpoints)):
            number = (self._first + step) % len(self._endpoints)
            endpoint = self._endpoints[number]
            try:
                status, answer = self._gateway.post(f"{endpoint}/v3/{path}", content, self._timeout_s)
            except NotReached as error:
                why = f"{endpoint}: {error}"
                continue
            except NotAnswered as error:
                why, may_be_done = f"{endpoint}: {error}", True
                continue
            if gone is not None and gone in answer:
                return {}
            if status == 200:
                try:
                    decoded = msgspec.json.decode(answer, type=dict[str, Any])
                except msgspec.DecodeError:
                    why, may_be_done = f"{endpoint} does not answer as etcd does", True
                    continue
                self._first = number
                return decoded
            why = f"{endpoint}: {status} {answer[:200].decode(errors='replace')}"
            if NO_SPACE in answer:
                is_full = True
            else:
                may_be_done = True
        if is_full and not may_be_done:
            raise EtcdFull(f"etcd is full: {why}")
        raise EtcdUnavailable(f"etcd: {why}")


def end_of_prefix(prefix: bytes) -> bytes:
    """The first key behind all that begin so."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _compare(condition: Created | Unchanged) -> dict[str, str]:
    if isinstance(condition, Created):
        target = {"target": "CREATE", "create_revision": str(condition.revision)}
    else:
        target = {"target": "MOD", "mod_revision": str(condition.revision)}
    return {"key": _text(condition.key), "result": "EQUAL", **target}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _key_value(found: dict[str, str]) -> KeyValue:
    return KeyValue(
        key=base64.b64decode(found["key"]),
        value=base64.b64decode(found.get("value", "")),
        create_revision=int(found["create_revision"]),
        mod_revision=int(found["mod_revision"]),
        lease=int(found.get("lease", 0)),
    )
