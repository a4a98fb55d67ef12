"""A broker that lies: it is FakeBroker, and then its answers are spoilt, by a plan drawn out of a seed.

A plan spoils the answers of one kind, either always at the same place in the same way (that is what makes clients go
round in circles), or each time anew, or as bytes, so that frames and headers are wrong. Answers before `honest` of that
kind have been given are left alone.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import trio
from msgspec import Struct

from odradek.protocol.codec_fields import Kind, fields_of
from odradek.protocol.registry import request_class, response_class
from odradek.protocol.schema import Wire
from tests.client.fake_broker import FakeBroker
from tests.hostile.spoilt_messages import spoilt

OFTEN = (0, 1, 2, 3, 8, 9, 10, 11, 12, 14, 18, 22)
"""Kinds of answers that a client has to do with all the time: Produce, Fetch, ListOffsets, Metadata, OffsetCommit,
OffsetFetch, FindCoordinator, JoinGroup, Heartbeat, SyncGroup, ApiVersions, InitProducerId."""
SELDOM = (15, 16, 19, 20, 21, 29, 32, 37, 42, 43, 44, 45, 46, 47, 60, 69)
"""Kinds that only an admin client asks for. FakeBroker knows nothing of them: an honest one is `filled`."""

ENOUGH = 3_000
"""So many requests within one story are a storm."""


class Storm(Exception):
    """The client asks without pause."""


class HostileBroker(FakeBroker):
    """`spoil` is asked for every frame; it may change or replace it."""

    def __init__(self, nursery: trio.Nursery, seed: int, **topics: int) -> None:
        super().__init__(nursery, **topics)
        self.is_hostile = False
        self.frames = 0
        self.random = Random(seed)
        self.versions = {key: (request_class(key).VERSIONS[0], request_class(key).VERSIONS[-1]) for key in SELDOM}
        self.kind = self.random.choice(self.random.choice((OFTEN, OFTEN, SELDOM)))
        self.way = self.random.choice((self.always_the_same, self.always_the_same, self.anything, self.bytes_of))
        self.honest = self.random.choice((0, 0, 1, 3))
        self.chance = self.random.choice((1.0, 1.0, 0.5))
        self.plan_seed = self.random.getrandbits(32)

    def __str__(self) -> str:
        return f"{response_class(self.kind).__name__}, {self.way.__name__}, after {self.honest}"

    def __getattr__(self, name: str) -> Any:
        """The handlers of kinds that FakeBroker does not know."""
        found = next((key for key in SELDOM if request_class(key).__name__ == f"{name[1:]}Request"), None)
        if found is None:
            raise AttributeError(name)

        async def answer(request: Any, version: int) -> Any:
            await trio.lowlevel.checkpoint()
            return filled(response_class(found), version)

        return answer

    async def answer(self, frame: bytes) -> bytes | None:
        try:
            return await super().answer(frame)
        except (RuntimeError, KeyError) as error:  # asked for what only its lies have told of
            raise ConnectionResetError from error

    def frame(self, response: Any, version: int, correlation_id: int) -> bytes:
        honest = super().frame(response, version, correlation_id)
        if not self.is_hostile:
            return honest
        self.frames += 1
        if self.frames > ENOUGH:
            raise Storm(f"{self.frames} requests: {self}")
        if self.kind != type(response).API_KEY or self.random.random() > self.chance:
            return honest
        if self.honest:
            self.honest -= 1
            return honest
        return self.way(response, version, correlation_id, honest)

    # ------------------------------------------------------------------------------------------------ ways of lying

    def always_the_same(self, response: Any, version: int, correlation_id: int, honest: bytes) -> bytes:
        return self._spoilt(Random(self.plan_seed), response, version, correlation_id, honest)

    def anything(self, response: Any, version: int, correlation_id: int, honest: bytes) -> bytes:
        return self._spoilt(self.random, response, version, correlation_id, honest)

    def bytes_of(self, response: Any, version: int, correlation_id: int, honest: bytes) -> bytes:
        random = Random(self.plan_seed)
        return random.choice(WAYS_OF_BYTES)(random, honest)

    def _spoilt(self, random: Random, response: Any, version: int, correlation_id: int, honest: bytes) -> bytes:
        for _ in range(20):
            try:
                changed = spoilt(random, response)
                if random.random() < 0.3:
                    changed = spoilt(random, changed)
                return super().frame(changed, version, correlation_id)
            except (struct.error, TypeError, AttributeError, OverflowError):
                continue  # what the wire cannot hold
        return honest


def filled(cls: type[Struct], version: int) -> Any:
    """A message with one of everything in it."""
    return cls(**{field.name: _one(field.kind, version) for field in fields_of(cls, version)})


def _one(kind: Kind, version: int) -> Any:
    if kind.struct is not None:
        return filled(kind.struct, version)
    if kind.element is not None:
        return [_one(kind.element, version)]
    some: dict[Wire | None, Any] = {
        Wire.STRING: "orders",
        Wire.BYTES: b"",
        Wire.RECORDS: b"",
        Wire.UUID: bytes(16),
    }
    return some.get(kind.wire, 0)


def cut(random: Random, frame: bytes) -> bytes:
    body = frame[4 : random.randrange(4, len(frame) + 1)]
    return struct.pack(">i", len(body)) + body


def flipped(random: Random, frame: bytes) -> bytes:
    at = random.randrange(4, len(frame))
    return frame[:at] + bytes([frame[at] ^ 1 << random.randrange(8)]) + frame[at + 1 :]


def longer(random: Random, frame: bytes) -> bytes:
    return struct.pack(">i", len(frame) - 4 + 5) + frame[4:] + b"12345"


def another_correlation_id(random: Random, frame: bytes) -> bytes:
    return frame[:4] + struct.pack(">i", random.choice((-1, 0, 12345))) + frame[8:]


def a_size_that_lies(random: Random, frame: bytes) -> bytes:
    return struct.pack(">i", random.choice((-1, 0, 3, 250 * 2**20, 2**31 - 1))) + frame[4:]


def noise(random: Random, frame: bytes) -> bytes:
    return frame[:8] + random.randbytes(len(frame) - 8)


WAYS_OF_BYTES: Sequence[Callable[[Random, bytes], bytes]] = (
    cut,
    flipped,
    flipped,
    longer,
    another_correlation_id,
    a_size_that_lies,
    noise,
)
