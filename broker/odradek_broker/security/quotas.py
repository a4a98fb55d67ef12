"""How much somebody may ask for: which quota holds, how much was used, how long to wait for that (KIP-13, 124, 599).

A quota belongs to an entity: a user, a client id, both together, or an address; a null name stands for all those that
have none of their own. The nearest holds (Kafka's ClientQuotaManager): user and client id, user and any client, user,
any user and client id, any user and any client, any user, client id, any client. Whoever is held to the same quota by
the same name shares it: all clients of a user where it is the user's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

USER, CLIENT_ID, IP = "user", "client-id", "ip"

PRODUCE, FETCH = "producer_byte_rate", "consumer_byte_rate"
REQUEST_TIME, MUTATIONS = "request_percentage", "controller_mutation_rate"
CONNECTIONS = "connection_creation_rate"

Entity: TypeAlias = tuple[tuple[str, str | None], ...]
"""Types and names, sorted by type; no type twice."""
Quotas: TypeAlias = Mapping[Entity, Mapping[str, float]]

LONGEST_THROTTLE_MS = 2**31 - 1
"""What an answer can say: a quota of one byte a second is soon exceeded by more."""


class Held(NamedTuple):
    """To what somebody is held."""

    limit: float
    sharer: tuple[str, str]
    """User and client id of those who share it; empty where it is the same for all."""


def entity(user: str | bool | None = False, client_id: str | bool | None = False) -> Entity:
    """None for the default; False for without."""
    parts = [(kind, name) for kind, name in ((CLIENT_ID, client_id), (USER, user)) if not isinstance(name, bool)]
    return tuple(parts)


def held_to(quotas: Quotas, key: str, user: str, client_id: str) -> Held | None:
    """None where there is no such quota."""
    both, of_user, of_client = (user, client_id), (user, ""), ("", client_id)
    for wanted, sharer in (
        (entity(user, client_id), both),
        (entity(user, None), both),
        (entity(user), of_user),
        (entity(None, client_id), both),
        (entity(None, None), both),
        (entity(None), of_user),
        (entity(client_id=client_id), of_client),
        (entity(client_id=None), of_client),
    ):
        limit = quotas.get(wanted, {}).get(key)
        if limit is not None:
            return Held(limit, sharer)
    return None


def connection_limit(quotas: Quotas, address: str) -> float | None:
    """How many connections a second one address may open."""
    for name in (address, None):
        limit = quotas.get(((IP, name),), {}).get(CONNECTIONS)
        if limit is not None:
            return limit
    return None


class Meter:
    """A rate over the last samples; at first over as much time as they will be, so that the first one is no flood."""

    def __init__(self, samples: int, sample_ms: int) -> None:
        self._count, self._sample_ms = samples, sample_ms
        self._samples: deque[list[float]] = deque()
        """Beginning and sum of each."""
        self.used_ms = 0.0

    def record(self, amount: float, now_ms: float) -> None:
        self._forget(now_ms)
        if not self._samples or now_ms - self._samples[-1][0] >= self._sample_ms:
            self._samples.append([now_ms, 0.0])
        self._samples[-1][1] += amount
        self.used_ms = now_ms

    def throttle_ms(self, limit: float, now_ms: float) -> int:
        """How long nothing more must be asked, so that the rate is the limit's again."""
        self._forget(now_ms)
        if not self._samples:
            return 0
        span_ms = self._span_ms(now_ms)
        rate = sum(amount for _, amount in self._samples) * 1000 / span_ms
        return 0 if rate <= limit else round(min((rate - limit) / limit * span_ms, LONGEST_THROTTLE_MS))

    def _span_ms(self, now_ms: float) -> float:
        elapsed = now_ms - self._samples[0][0]
        missing = self._count - 1 - int(elapsed / self._sample_ms)
        return max(elapsed + max(missing, 0) * self._sample_ms, 1)

    def _forget(self, now_ms: float) -> None:
        while self._samples and now_ms - self._samples[0][0] >= self._count * self._sample_ms:
            self._samples.popleft()


class Bucket:
    """Tokens that come at the limit's rate, up to what comes in the whole window. It may be in debt."""

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._tokens: float | None = None
        self.used_ms = 0.0

    def throttle_ms(self, limit: float, now_ms: float) -> int:
        """0 while something is left."""
        tokens = self._refilled(limit, now_ms)
        return round(min(-tokens * 1000 / limit, LONGEST_THROTTLE_MS)) if tokens < 0 else 0

    def take(self, count: float, limit: float, now_ms: float) -> None:
        self._tokens = self._refilled(limit, now_ms) - count
        self.used_ms = now_ms

    def _refilled(self, limit: float, now_ms: float) -> float:
        most = limit * self._window_ms / 1000
        if self._tokens is None:
            return most
        return min(most, self._tokens + (now_ms - self.used_ms) * limit / 1000)
