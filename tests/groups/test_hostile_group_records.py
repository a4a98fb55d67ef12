"""Records of __consumer_offsets that mean no good, or nothing: they cost their own group something, and nobody else."""

from __future__ import annotations

import struct
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from odradek.protocol.codec import encode
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.group_metadata import GroupMetadataValue, MemberMetadata, OffsetCommitValue
from odradek.protocol.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchRequestTopics
from odradek.protocol.primitives import ProtocolError
from odradek.protocol.records.batch import HEADER_BYTES, write_crc
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record
from odradek_broker.coordination.partitioning import coordinator_partition
from odradek_broker.coordination.record import CoordinatorRecord
from odradek_broker.groups.group import MAX_GENERATION
from odradek_broker.groups.records import group_record, offset_record, read_record
from odradek_broker.loop import defects
from tests.groups.group_fakes import MemoryBroker, running
from tests.groups.group_scene import SESSION_MS, Scene

LONG = "x" * 40_000
A = MemberMetadata("a", session_timeout=SESSION_MS, subscription=b"s")
GOOD = GroupMetadataValue("consumer", 3, "range", "a", 5, [A])
GROUP_KEY = group_record("g", None).key
OFFSET_KEY = offset_record("g", "t", 0, None).key

MEANINGLESS: dict[str, GroupMetadataValue] = {
    "a negative generation": replace(GOOD, generation=-1),
    "no protocol": replace(GOOD, protocol=None),
    "no protocol type": replace(GOOD, protocol_type=""),
    "a member twice": replace(GOOD, members=[A, A]),
    "an instance twice": replace(
        GOOD, members=[replace(A, group_instance_id="i"), replace(A, member_id="b", group_instance_id="i")]
    ),
    "a member without an id": replace(GOOD, members=[replace(A, member_id="")]),
    "a member id too long": replace(GOOD, members=[replace(A, member_id=LONG)]),
    "a client id too long": replace(GOOD, members=[replace(A, client_id=LONG)]),
    "a leader too long": replace(GOOD, leader=LONG),
}


def in_the_newest_version(value: GroupMetadataValue | OffsetCommitValue) -> bytes:
    """Version 4 holds longer strings than those that are written here."""
    return struct.pack(">h", 4) + encode(value, 4)


BAD_GROUPS = {name: in_the_newest_version(value) for name, value in MEANINGLESS.items()} | {
    "an unknown version": struct.pack(">h", 5) + encode(GOOD, 3),
    "cut off": struct.pack(">h", 3) + encode(GOOD, 3)[:-1],
    "bytes left over": struct.pack(">h", 3) + encode(GOOD, 3) + b"?",
    "nothing": b"",
}


@pytest.mark.parametrize("value", BAD_GROUPS.values(), ids=BAD_GROUPS)
def test_a_group_that_could_not_be_acted_upon_is_not_read(value: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_record(GROUP_KEY, value)


def test_an_offset_whose_metadata_could_not_be_told_to_anybody_is_not_read() -> None:
    with pytest.raises(ProtocolError):
        read_record(OFFSET_KEY, in_the_newest_version(OffsetCommitValue(7, metadata=LONG)))


def test_after_the_last_generation_comes_the_first() -> None:
    scene = Scene(loaded_from=[group_record("g", replace(GOOD, generation=MAX_GENERATION))])
    scene.join(new_id="b")
    again = scene.joined(scene.join("a"))
    assert again.generation_id == scene.group().generation == 1
    scene.sync("a", 1, {"a": b"1"})
    assert scene.restarted().group().generation == 1


def test_a_disbanded_group_answers_who_waits_and_keeps_its_offsets() -> None:
    scene = Scene()
    generation = scene.stable("a", "b")
    scene.commit(7, "a", generation)
    waiting = scene.join("a")
    scene.join(new_id="c", version=4)
    scene.carry_out(scene.core.disband("g", scene.now))
    assert scene.joined(waiting).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    assert (scene.state(), scene.fetch_all()) == ("Empty", {("t", 0): 7})
    assert scene.heartbeat("b", generation) == ErrorCode.UNKNOWN_MEMBER_ID
    scene.pass_time(10 * SESSION_MS)  # No timer of a member that is no more comes up.
    assert scene.joined(scene.join(new_id="d")).generation_id > generation


def test_a_retention_beyond_all_times_lasts_for_ever() -> None:
    scene = Scene()
    assert scene.commit(7, retention_ms=2**63 - 1) == 0
    assert scene.commit(8, retention_ms=-(2**63), topic="u") == 0
    assert scene.restarted().fetch_all() == {("t", 0): 7, ("u", 0): 8}


# ---------------------------------------------------------------------------------------------------- in the runtime


async def offset_of(broker: MemoryBroker, group: str) -> int:
    topics = [OffsetFetchRequestTopics("t", partition_indexes=[0])]
    found = await broker.groups.fetch(OffsetFetchRequestGroup(group, topics=topics), require_stable=False)
    return found.topics[0].partitions[0].committed_offset


def neighbours(count: int) -> list[str]:
    """Names of groups in one partition."""
    index = coordinator_partition("g", 4)
    names = (f"g{number}" for number in range(1000))
    return ["g", *(name for name in names if coordinator_partition(name, 4) == index)][:count]


def written_to(broker: MemoryBroker, *records: tuple[bytes | None, bytes | None]) -> None:
    """One batch in the log of the partition to which g belongs."""
    batch = build_batch([Record(key=key, value=value, timestamp=1) for key, value in records])
    broker.partitions[coordinator_partition("g", 4)].append_internal(bytes(batch))


def pair(record: CoordinatorRecord) -> tuple[bytes, bytes | None]:
    return record.key, record.value


def committed(group: str, offset: int) -> tuple[bytes, bytes | None]:
    return pair(offset_record(group, "t", 0, OffsetCommitValue(offset)))


@pytest.mark.parametrize("value", BAD_GROUPS.values(), ids=BAD_GROUPS)
async def test_a_bad_record_of_a_group_takes_its_members_and_nothing_else(
    value: bytes, autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broker = MemoryBroker()
    before, after = neighbours(3)[1:]
    written_to(broker, committed(before, 1), committed("g", 2), pair(group_record("g", GOOD)))
    written_to(broker, (GROUP_KEY, value))
    written_to(broker, committed(after, 3))
    async with running(broker):
        assert [await offset_of(broker, group) for group in (before, "g", after)] == [1, 2, 3]
        assert (await broker.groups.describe("g", 5)).group_state == "Empty"
    [line] = [each for each in caplog.messages if "passed over" in each]
    assert "offset 3" in line
    assert "'g' have to join again" in line


async def test_a_bad_offset_leaves_the_group_what_it_had_committed_before(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broker = MemoryBroker()
    written_to(broker, committed("g", 2), (OFFSET_KEY, b"\0\x09"), (b"\0", b""), (None, b"v"), (b"\0\x63key", b"v"))
    async with running(broker):
        assert await offset_of(broker, "g") == 2
    assert "for t-0 group 'g' goes on from what it had committed before" in caplog.text
    assert sum("passed over" in each for each in caplog.messages) == 3, "of an unknown kind nobody says anything"


async def test_a_batch_that_cannot_be_unpacked_is_passed_over(
    autojump_clock: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broker = MemoryBroker()
    written_to(broker, committed("g", 2))
    log = broker.partitions[coordinator_partition("g", 4)].log
    written_to(broker, committed("g", 3))
    spoilt = bytearray(log.batches[1])
    spoilt[HEADER_BYTES] ^= 0x10  # the length of its record
    write_crc(spoilt, 0, len(spoilt))
    log.batches[1] = bytes(spoilt)
    written_to(broker, committed(neighbours(2)[1], 4))
    async with running(broker):
        assert await offset_of(broker, "g") == 2
        assert await offset_of(broker, neighbours(2)[1]) == 4
    assert "the batch at offset 1 is passed over" in caplog.text


async def test_a_defect_in_one_groups_expiry_stops_no_others(
    autojump_clock: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(defects, "are_survived", True)
    broker = MemoryBroker(offsets_retention_minutes=1, offsets_retention_check_interval_ms=1000)
    names = neighbours(3)
    written_to(broker, *(committed(name, 1) for name in names))

    async with running(broker):
        assert await offset_of(broker, "g") == 1
        coordinator = broker.groups._partitions[coordinator_partition("g", 4)].coordinator
        coordinator.groups["g"].offsets.is_unstable = broken_offsets  # type: ignore[method-assign, assignment]
        await trio.sleep(5)
        assert list(coordinator.groups) == ["g"]
    assert "loses its members" in caplog.text
    assert "boom" in caplog.text


def broken_offsets(_key: Any) -> bool:
    raise AssertionError("boom")
