"""A broker that strangers ask everything of, and what is watched meanwhile.

    it lives            it answers whoever comes next, also after a start with what it has taken in
    nothing goes unsaid and nothing is said that must not be: an error in its log is a find, for nobody has damaged its
                        disk, and what a stranger asks is no error of the broker's
    permissions         who has not logged in, or has no right, changes nothing that the controller keeps
    neighbours          what somebody else was told is kept is there, before and after a start
    the loop            no task of it takes HELD_SECONDS of the processor from one checkpoint to the next
    memory              after the first WARM cases the process grows by no more than GROWTH_BYTES

Each case is sent by itself, by one of several at a time; an answer, an end of the connection, or silence for
PATIENCE_SECONDS (some requests wait for others) are all the same to it.
"""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import trio

from odradek.protocol.errors import ErrorCode
from odradek.protocol.primitives import ProtocolError
from odradek_broker.apis import load_apis
from tests.fuzz.doors import OPEN, Door
from tests.fuzz.hostile_cases import INTERNAL_TOPICS, TOPICS, Cases, Frame
from tests.server.served_broker import Peer, Served, fetch, produce, serving

AT_ONCE = 8
PATIENCE_SECONDS = 0.05
TIMED_SECONDS = 0.2
"""What cases have put off, by SOON_MS at the most, happens in that time."""
NEIGHBOUR = "neighbours"
"""No case names it."""
KEPT = [b"%d" % number for number in range(50)]
SETTINGS = {
    "auto_create_topics_enable": "true",
    "group_initial_rebalance_delay_ms": "0",
    "group_min_session_timeout_ms": "1",
    "log_cleaner_backoff_ms": "20",
    "log_flush_policy": "interval",
    "max_replicas_per_broker": "200",
    "offsets_topic_num_partitions": "1",
    "share_coordinator_state_topic_num_partitions": "1",
    "transaction_state_log_num_partitions": "1",
}
FINE = ("passed over: ",)
"""Records in an internal topic that contradict each other, by somebody who calls himself its administrator: that is
said, and stays with their group."""
DESTRUCTIVE = {"UnregisterBroker"}
"""What an administrator may ask, and after which this broker takes nothing new in hand."""
SMALL = {"internal_segment_bytes": "20000", "min_cleanable_dirty_ratio": "0"}


HELD_SECONDS = 0.25
LOOKED_AT_SECONDS = 0.01
"""What is really allowed is 20 ms, which tests count in calls (longest_step.py); this is for what none has counted."""
WARM = 50_000
GROWTH_BYTES = 100_000_000


class Find(NamedTuple):
    said: str
    """What the broker said, with the traceback if there is one."""
    latest: list[Frame]
    """Of these one, or several together, made it say that: the newest comes last."""


class Listening(logging.Handler):
    """To the errors that a broker has of its own."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.sent: list[Frame] = []
        self.finds: dict[str, Find] = {}
        self._cases = self._warm_bytes = 0

    def emit(self, record: logging.LogRecord) -> None:
        said = self.format(record)
        if any(fine in said for fine in FINE):
            return
        self.found(said.splitlines()[-1] if record.exc_info else str(record.msg), said)

    def found(self, place: str, said: str) -> None:
        self.finds.setdefault(place, Find(f"{place}: {said}", self.sent[-4 * AT_ONCE :]))

    def look_at_memory(self) -> None:
        """With each case."""
        self._cases += 1
        if self._cases % WARM == 0:
            now_bytes = psutil.Process().memory_info().rss
            self._warm_bytes = self._warm_bytes or now_bytes
            if now_bytes > self._warm_bytes + GROWTH_BYTES:
                self.found("memory", f"{self._warm_bytes:,} bytes have become {now_bytes:,} by case {self._cases:,}")


class Held(trio.abc.Instrument):
    """Who holds the loop. What the thread has had of the processor is asked of the system now and then only, for that
    takes longer than most steps: LOOKED_AT_SECONDS of what came before may be counted with a step that takes long."""

    def __init__(self, heard: Listening) -> None:
        self._heard = heard
        self._began_s = self._looked_at_s = self._had_s = 0.0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._began_s = time.perf_counter()
        if self._began_s - self._looked_at_s > LOOKED_AT_SECONDS:
            self._looked_at_s, self._had_s = self._began_s, time.thread_time()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if time.perf_counter() - self._began_s <= HELD_SECONDS:
            return
        took_s = time.thread_time() - self._had_s
        if took_s > HELD_SECONDS and task.name.startswith("odradek_broker."):
            self._heard.found(f"the loop is held by {task.name}", f"for {took_s:.3f} s")


@contextmanager
def listening() -> Iterator[Listening]:
    handler, logger = Listening(), logging.getLogger("odradek_broker")
    held = Held(handler)
    logger.addHandler(handler)
    trio.lowlevel.add_instrument(held)
    try:
        yield handler
    finally:
        trio.lowlevel.remove_instrument(held)
        logger.removeHandler(handler)


@asynccontextmanager
async def target(directory: Path, door: Door = OPEN) -> AsyncIterator[Served]:
    async with serving(directory, **SETTINGS, **door.settings) as served:
        yield served


async def prepare(served: Served, door: Door = OPEN) -> None:
    """Topics of every kind, and a neighbour who has something to lose."""
    peer = await door.insider(served)
    kinds = {"compacted": {"cleanup_policy": "compact"}, "recompressed": {"compression_type": "zstd"}}
    kinds |= {
        "stamped": {"message_timestamp_type": "LogAppendTime"},
        "limited": {"max_decompressed_message_bytes": "99"},
    }
    for topic in TOPICS:
        await peer.make_topic(topic, partitions=2, **SMALL, **kinds.get(topic, {}))
    await peer.make_topic(NEIGHBOUR, retention_ms="-1")
    assert (await peer.produce(produce(*KEPT, topic=NEIGHBOUR))).error_code == ErrorCode.NONE
    for topic in INTERNAL_TOPICS:
        await served.broker.controller.create_topic_if_missing(topic)
    await served.broker.replica_logs.wait_opened(INTERNAL_TOPICS)


async def check(served: Served, door: Door = OPEN) -> None:
    await trio.sleep(TIMED_SECONDS)
    with trio.fail_after(30):
        peer = await door.insider(served)
        assert await peer.is_answered()
        kept = await peer.fetch(fetch(0, topic=NEIGHBOUR))
        assert kept.error_code == ErrorCode.NONE, kept
        assert await peer.values(NEIGHBOUR) == KEPT


def cases_for(served: Served, *, learns: bool = False) -> Cases:
    topics, apis = served.broker.image.topics, [each for each in load_apis().values() if each.name not in DESTRUCTIVE]
    return Cases(apis, [topics[name].topic_id for name in TOPICS], learns=learns)


async def fuzz(
    directory: Path,
    frames: Iterable[Frame | None] | None = None,
    *,
    numbers: range = range(0),
    learns: bool = False,
    door: Door = OPEN,
) -> list[Find]:
    """Send frames, or the cases of these numbers; what was found."""
    with listening() as heard:
        async with target(directory, door) as served:
            await prepare(served, door)
            cases, before = cases_for(served, learns=learns), _decided(served)
            sent = map(cases.frame, numbers) if frames is None else frames
            await send_all(served, sent, cases, heard, door)
            await check(served, door)
            if door is not OPEN and _decided(served) != before:
                heard.found("a change", "somebody without any right has changed what the controller keeps")
        async with target(directory, door) as served:
            await check(served, door)
    return list(heard.finds.values())


def _decided(served: Served) -> list[object]:
    image = served.broker.image
    topics = {name: each.topic_id for name, each in image.topics.items()}
    return [topics, dict(image.configs), dict(image.scram), dict(image.acls.by_id), dict(image.quotas)]


async def send_all(
    served: Served, frames: Iterable[Frame | None], cases: Cases, heard: Listening, door: Door = OPEN
) -> None:
    left = iter(frames)
    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(_send_some, served, left, cases, heard, door)


async def _send_some(
    served: Served, frames: Iterator[Frame | None], cases: Cases, heard: Listening, door: Door
) -> None:
    peer: Peer | None = None
    for frame in frames:
        if frame is None:
            continue
        if peer is None:
            peer = await door.stranger(served)
        heard.sent.append(frame)
        heard.look_at_memory()
        del heard.sent[: -100 * AT_ONCE]
        answer = await _answer(peer, frame)
        if answer is not None:
            with suppress(ProtocolError, ImportError, KeyError):  # the frame, or its API, may be nonsense
                cases.learn(frame, answer)
        else:
            await served.disconnect(peer)
            peer = None


async def _answer(peer: Peer, frame: Frame) -> bytes | None:
    with trio.move_on_after(PATIENCE_SECONDS):
        try:
            await peer.stream.send_all(struct.pack(">i", len(frame)) + frame)
            (size,) = struct.unpack(">i", await peer._exactly(4))
            return await peer._exactly(size)
        except (trio.BrokenResourceError, AssertionError):
            return None
    return None
