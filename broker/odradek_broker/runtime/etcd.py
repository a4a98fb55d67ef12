"""etcd, as far as a journal and an election need it: its JSON gateway (v3, etcd 3.4 and later) over httpx.

Why the gateway and not a gRPC client: no generated code and no grpcio wheel, and metadata is written some hundred times
a second at most. Blocking calls, to be made in worker threads.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

TIMEOUT_SECONDS = 2.0
NO_SPACE = "database space exceeded"


class EtcdUnavailable(Exception):
    """No endpoint has answered, or with an error. Whether a write was made is not known."""


class EtcdFull(EtcdUnavailable):
    """There is no room left, so nothing new is written. What is there can be read, and leases are renewed.

    A write that has filled it may have been made and yet be answered so: read it back.
    """


class KeyValue(Struct, frozen=True):
    key: bytes
    value: bytes
    create_revision: int
    lease: int = 0


class Compare(Struct, frozen=True):
    """A condition of a transaction: the key was created at that revision; 0: there is no such key."""

    key: bytes
    create_revision: int


class Etcd:
    """One cluster, by its endpoints: tried in turn, from the one on that answered last."""

    def __init__(self, endpoints: Sequence[str], timeout_s: float = TIMEOUT_SECONDS) -> None:
        """Endpoints as in http://127.0.0.1:2379. Raises EtcdUnavailable where httpx is not installed."""
        try:
            import httpx
        except ImportError:
            raise EtcdUnavailable("controller.journal=etcd needs httpx: pip install odradek[etcd]") from None
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it has something to say about every request
        self._errors = (httpx.HTTPError, httpx.InvalidURL)
        self._not_reached = (httpx.ConnectError, httpx.ConnectTimeout)
        self._endpoints = [endpoint.rstrip("/") for endpoint in endpoints]
        self._client = httpx.Client(timeout=timeout_s, trust_env=False)
        self._first = 0

    def close(self) -> None:
        self._client.close()

    def get(self, key: bytes) -> KeyValue | None:
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
        conditions: Sequence[Compare],
        puts: Sequence[tuple[bytes, bytes]] = (),
        deletes: Sequence[tuple[bytes, bytes | None]] = (),
        lease: int = 0,
    ) -> bool:
        """All of it, or nothing where a condition does not hold. Deletes are ranges (key, end) or single keys."""
        compare = [
            {
                "key": _text(each.key),
                "target": "CREATE",
                "result": "EQUAL",
                "create_revision": str(each.create_revision),
            }
            for each in conditions
        ]
        success: list[dict[str, Any]] = [
            {"request_put": {"key": _text(key), "value": _text(value), "lease": str(lease)}} for key, value in puts
        ]
        for key, end in deletes:
            removal = {"key": _text(key)} | ({} if end is None else {"range_end": _text(end)})
            success.append({"request_delete_range": removal})
        return bool(self._post("kv/txn", {"compare": compare, "success": success}).get("succeeded", False))

    def compact(self, revision: int) -> None:
        """Forget what keys were before a revision."""
        self._post("kv/compaction", {"revision": str(revision)})

    def revision(self) -> int:
        return int(self._post("kv/range", {"key": _text(b"\0"), "count_only": True})["header"]["revision"])

    def grant(self, ttl_s: int) -> int:
        return int(self._post("lease/grant", {"TTL": str(ttl_s)})["ID"])

    def keep_alive(self, lease: int) -> bool:
        """Whether the lease is still there, and now lasts for a whole TTL more."""
        answer = self._post("lease/keepalive", {"ID": str(lease)})
        return int(answer.get("result", {}).get("TTL", 0)) > 0

    def revoke(self, lease: int) -> None:
        self._post("lease/revoke", {"ID": str(lease)})

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        why = "no endpoint is given"
        is_full = may_be_done = False
        for step in range(len(self._endpoints)):
            number = (self._first + step) % len(self._endpoints)
            try:
                answer = self._client.post(f"{self._endpoints[number]}/v3/{path}", content=msgspec.json.encode(body))
            except self._errors as error:
                why = f"{self._endpoints[number]}: {error or type(error).__name__}"
                may_be_done = may_be_done or not isinstance(error, self._not_reached)
                continue
            if answer.status_code == 200:
                try:
                    decoded = msgspec.json.decode(answer.content, type=dict[str, Any])
                except msgspec.DecodeError:
                    why, may_be_done = f"{self._endpoints[number]} does not answer as etcd does", True
                    continue
                self._first = number
                return decoded
            why = f"{self._endpoints[number]}: {answer.status_code} {answer.text[:200]}"
            if NO_SPACE in answer.text:
                is_full = True
            else:
                may_be_done = True
        if is_full and not may_be_done:
            raise EtcdFull(f"etcd is full: {why}")
        raise EtcdUnavailable(f"etcd: {why}")


def end_of_prefix(prefix: bytes) -> bytes:
    """The first key behind all that begin so."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _key_value(found: dict[str, str]) -> KeyValue:
    return KeyValue(
        key=base64.b64decode(found["key"]),
        value=base64.b64decode(found.get("value", "")),
        create_revision=int(found["create_revision"]),
        lease=int(found.get("lease", 0)),
    )
