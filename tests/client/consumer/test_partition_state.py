"""Where a consumer is in a partition: fetched, handed out, finished; transactions; seeks."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from odradek.cluster.metadata import ClusterImage
from odradek.consumer import decoding
from odradek.consumer.aborted import AbortedTransactions
from odradek.consumer.config import ConsumerConfig
from odradek.consumer.cursor import Cursor
from odradek.consumer.decoding import decode_for
from odradek.consumer.fetch_requests import Fetches
from odradek.consumer.partition import PartitionState
from odradek.errors import CorruptRecords
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import fetch, metadata
from odradek.protocol.records.batch import stamp, write_crc
from odradek.protocol.records.builder import BatchBuilder
from odradek.protocol.records.codecs import Codec
from odradek.protocol.topic_partition import TopicPartition

T0 = TopicPartition("t", 0)
TRANSACTIONAL, CONTROL = 0x10, 0x20


def batch(base: int, count: int, *, producer_id: int = -1, attributes: int = 0, epoch: int = 0) -> bytes:
    """Records with values b"0", b"1", ... at offsets from `base` on."""
    builder = BatchBuilder(Codec.NONE)
    for i in range(count):
        if attributes & CONTROL:
            builder.append(struct.pack(">hh", 0, 0), struct.pack(">hi", 0, 0), (), 1000)
        else:
            builder.append(None, b"%d" % (base + i), (), 1000)
    data = bytearray(builder.build(producer_id, 0 if producer_id >= 0 else -1, -1))
    stamp(data, 0, base, epoch)
    if attributes:
        from crc32c import crc32c

        struct.pack_into(">h", data, 21, attributes)
        struct.pack_into(">I", data, 17, crc32c(bytes(data[21:])))
    return bytes(data)


def state_at(offset: int) -> PartitionState:
    state = PartitionState(T0, decode_for(T0))
    state.seek(offset)
    return state


def take(state: PartitionState, *batches: bytes, aborted: AbortedTransactions | None = None) -> None:
    state.take(state.fetch_offset, memoryview(b"".join(batches)), aborted)


def all_offsets(state: PartitionState) -> list[int]:
    offsets = []
    while records := state.next_records():
        offsets += [record.offset for record in records]
        state.position = state.finished = offsets[-1] + 1
    return offsets


def test_records_before_the_position_are_left_out() -> None:
    state = state_at(4)
    take(state, batch(0, 3), batch(3, 3), batch(6, 2))
    assert state.fetch_offset == 8
    assert all_offsets(state) == [4, 5, 6, 7]


def test_a_batch_cut_off_at_the_end_is_fetched_again() -> None:
    state = state_at(0)
    take(state, batch(0, 3), batch(3, 3)[:-1])
    assert state.fetch_offset == 3
    assert all_offsets(state) == [0, 1, 2]


def test_buffered_bytes_fall_as_batches_are_taken_and_come_to_nothing() -> None:
    state = state_at(0)
    take(state, batch(0, 3), batch(3, 3))
    take(state, batch(6, 3), batch(9, 3)[:-7])
    levels = [state.buffered_bytes]
    while state.next_records():
        levels.append(state.buffered_bytes)
    assert levels == sorted(levels, reverse=True)
    assert state.buffered_bytes == 0 and not state.has_records


def test_control_batches_are_passed_over_and_counted_as_finished() -> None:
    state = state_at(0)
    take(state, batch(0, 2), batch(2, 1, producer_id=9, attributes=TRANSACTIONAL | CONTROL))
    assert all_offsets(state) == [0, 1]
    assert (state.position, state.finished) == (3, 3)


def test_aborted_transactions_are_hidden_to_readers_of_committed_records_only() -> None:
    log = [
        batch(0, 2, producer_id=1, attributes=TRANSACTIONAL),  # aborted at 4
        batch(2, 2, producer_id=2, attributes=TRANSACTIONAL),  # committed at 7
        batch(4, 1, producer_id=1, attributes=TRANSACTIONAL | CONTROL),
        batch(5, 2, producer_id=1, attributes=TRANSACTIONAL),  # of a later transaction, committed
        batch(7, 1, producer_id=2, attributes=TRANSACTIONAL | CONTROL),
        batch(8, 1),
    ]
    reader = state_at(0)
    take(reader, *log)
    assert all_offsets(reader) == [0, 1, 2, 3, 5, 6, 8]
    reader = state_at(0)
    take(reader, *log, aborted=AbortedTransactions([fetch.AbortedTransaction(1, 0)]))
    assert all_offsets(reader) == [2, 3, 5, 6, 8]


def test_a_transaction_that_was_aborted_before_the_first_batch_hides_nothing_of_the_next() -> None:
    """The fetch begins at the marker: the listed transaction is over with it."""
    reader = state_at(4)
    take(
        reader,
        batch(4, 1, producer_id=1, attributes=TRANSACTIONAL | CONTROL),
        batch(5, 2, producer_id=1, attributes=TRANSACTIONAL),
        aborted=AbortedTransactions([fetch.AbortedTransaction(1, 0)]),
    )
    assert all_offsets(reader) == [5, 6]


def test_lag_counts_to_the_end_that_may_be_read() -> None:
    state = state_at(3)
    assert state.lag() is None
    state.high_watermark, state.last_stable_offset = 10, 7
    assert (state.lag(), state.lag(reads_committed=True)) == (7, 4)


# ------------------------------------------------------------------------------------------------------ the cursor


def test_while_a_record_is_in_progress_it_is_not_finished() -> None:
    state, cursor = state_at(0), Cursor()
    take(state, batch(0, 3))
    cursor.begin(state, state.next_records())
    cursor.in_progress = True
    cursor.index = 2
    cursor.settle()
    assert (state.position, state.finished) == (2, 1)
    cursor.finish()
    assert (state.position, state.finished) == (2, 2)


def test_what_a_poll_returned_is_finished_all_at_once() -> None:
    state, cursor = state_at(0), Cursor()
    take(state, batch(0, 5))
    cursor.begin(state, state.next_records())
    assert [r.offset for r in cursor.take_rest(3)] == [0, 1, 2]
    cursor.settle()
    assert (state.position, state.finished) == (3, 0)
    assert cursor.is_busy_with([state])
    cursor.finish()
    assert (state.position, state.finished) == (3, 3)
    assert not cursor.is_busy_with([state])


def test_records_that_are_put_back_come_again() -> None:
    state, cursor = state_at(0), Cursor()
    take(state, batch(0, 5))
    cursor.begin(state, state.next_records())
    cursor.take_rest(2)
    cursor.put_back()
    assert not cursor.has_more
    assert [r.offset for r in state.next_records()] == [2, 3, 4]


def test_a_partition_that_is_gone_leaves_nothing_in_the_cursor() -> None:
    state, cursor = state_at(0), Cursor()
    take(state, batch(0, 5))
    cursor.begin(state, state.next_records())
    cursor.take_rest(2)
    cursor.drop([state])
    assert not cursor.has_more
    cursor.finish()
    assert state.finished == 0


def test_a_partition_moved_after_its_last_record_is_not_moved_back() -> None:
    state, cursor = state_at(0), Cursor()
    take(state, batch(0, 5))
    cursor.begin(state, state.next_records())
    cursor.take_rest(5)
    assert not state.is_drained
    cursor.finish()
    assert state.is_drained
    state.seek(2)
    cursor.settle()
    assert (state.position, state.finished) == (2, 2)


# ------------------------------------------------------------------------------------------------- fetch planning


@pytest.fixture
def image() -> ClusterImage:
    made = ClusterImage()
    partitions = [metadata.MetadataResponsePartition(0, i, leader_id=i % 2, leader_epoch=5) for i in range(3)]
    topic = metadata.MetadataResponseTopic(name="t", topic_id=b"i" * 16, partitions=partitions)
    brokers = [metadata.MetadataResponseBroker(i, "h", 1) for i in range(2)]
    made.merge(metadata.MetadataResponse(brokers=brokers, topics=[topic]), asked={"t"})
    return made


def states() -> list[PartitionState]:
    made = [PartitionState(TopicPartition("t", i), decode_for(TopicPartition("t", i))) for i in range(3)]
    for state in made:
        state.seek(0)
    return made


def test_each_leader_is_asked_for_its_partitions(image: ClusterImage) -> None:
    plan = Fetches(ConsumerConfig(), image).plan(states(), set(), 0.0)
    assert {k: [a.state.topic_partition.partition for a in p.asked] for k, p in plan.items()} == {0: [0, 2], 1: [1]}


def test_what_is_paused_busy_full_or_put_off_is_not_asked_for(image: ClusterImage) -> None:
    config = ConsumerConfig(max_partition_fetch_bytes=100)
    fetches = Fetches(config, image)
    made = states()
    made[0].paused = True
    made[2].not_before = 5.0
    assert set(fetches.plan(made, set(), 0.0)) == {1}
    assert fetches.next_retry_at(made, 0.0) == 5.0
    assert fetches.plan(made, {1}, 0.0) == {}
    take(made[1], batch(0, 100))
    assert fetches.plan(made, set(), 0.0) == {}
    assert set(fetches.plan(made, set(), 5.0)) == {0}


def test_all_buffers_together_are_bounded(image: ClusterImage) -> None:
    config = ConsumerConfig(prefetch_bytes=500, max_partition_fetch_bytes=400)
    fetches = Fetches(config, image)
    made = states()
    assert fetches.plan(made, set(), 0.0)[0].max_bytes == 500
    take(made[0], batch(0, 30))
    assert 0 < fetches.plan(made, set(), 0.0)[1].max_bytes < 300
    take(made[1], batch(0, 30))
    assert fetches.plan(made, set(), 0.0) == {}


def answer(index: int, code: int = 0, records: bytes = b"", **fields: object) -> fetch.FetchResponse:
    data = fetch.PartitionData(index, code, 9, records=memoryview(records), **fields)  # type: ignore[arg-type]
    return fetch.FetchResponse(responses=[fetch.FetchableTopicResponse("", b"i" * 16, [data])])


def test_an_answer_from_before_a_seek_is_ignored(image: ClusterImage) -> None:
    fetches = Fetches(ConsumerConfig(), image)
    made = states()
    plan = fetches.plan(made, set(), 0.0)[1]
    made[1].seek(4)
    fetches.take(plan, answer(1, records=batch(0, 3)), 1.0)
    assert not made[1].has_records and made[1].fetch_offset == 4
    made[1].seek(0)
    fetches.take(plan, answer(1, records=batch(0, 3)), 1.0)
    assert not made[1].has_records, "the same offset again, but not the same question"


@pytest.mark.parametrize("code", [ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.UNKNOWN_LEADER_EPOCH])
def test_a_leader_that_has_moved_puts_the_partition_off_and_asks_for_metadata(
    image: ClusterImage, code: ErrorCode
) -> None:
    fetches = Fetches(ConsumerConfig(), image)
    made = states()
    plan = fetches.plan(made, set(), 0.0)[1]
    assert fetches.take(plan, answer(1, code), 1.5)
    assert made[1].not_before == 1.5


def test_out_of_range_resets_by_the_policy_once_the_buffer_is_used_up(image: ClusterImage) -> None:
    fetches = Fetches(ConsumerConfig(start="latest"), image)
    made = states()
    plan = fetches.plan(made, set(), 0.0)[1]
    fetches.take(plan, answer(1, ErrorCode.OFFSET_OUT_OF_RANGE), 1.5)
    assert (made[1].position, made[1].reset_to) == (None, -1)


def test_a_log_that_was_cut_back_is_noticed(image: ClusterImage) -> None:
    """An unclean election: the leader's log parts from what was read (KIP-320)."""
    made = states()
    for start in ("earliest", "none"):
        fetches = Fetches(ConsumerConfig(start=start), image)
        made[1].seek(8, 4)
        plan = fetches.plan(made, set(), 2.0)[1]
        request, _ = fetches.request(plan)
        assert request.topics[0].partitions[0].last_fetched_epoch == 4
        fetches.take(plan, answer(1, diverging_epoch=fetch.EpochEndOffset(3, 5)), 1.0)
        if start == "none":
            assert "cut back to offset 5" in str(made[1].error)
        else:
            assert made[1].position == 5


def test_a_request_that_is_sent_late_is_meant_for_the_epoch_in_which_its_broker_was_chosen(image: ClusterImage) -> None:
    """With a newer one a replica that lacks much would answer for the leader, and call the offset out of range."""
    fetches = Fetches(ConsumerConfig(), image)
    plan = fetches.plan(states(), set(), 0.0)[1]
    partitions = [metadata.MetadataResponsePartition(0, i, leader_id=0, leader_epoch=6) for i in range(3)]
    topic = metadata.MetadataResponseTopic(name="t", topic_id=b"i" * 16, partitions=partitions)
    brokers = [metadata.MetadataResponseBroker(i, "h", 1) for i in range(2)]
    image.merge(metadata.MetadataResponse(brokers=brokers, topics=[topic]), asked={"t"})
    [partition] = fetches.request(plan)[0].topics[0].partitions
    assert (image.leader("t", 1), partition.current_leader_epoch) == (0, 5)


def test_without_topic_ids_the_request_is_capped_at_the_last_version_by_name(image: ClusterImage) -> None:
    fetches = Fetches(ConsumerConfig(), image)
    plan = fetches.plan(states(), set(), 0.0)[1]
    assert fetches.request(plan)[1] is None
    old = ClusterImage()
    partitions = [metadata.MetadataResponsePartition(0, i, leader_id=1) for i in range(3)]
    topic = metadata.MetadataResponseTopic(name="t", partitions=partitions)
    old.merge(metadata.MetadataResponse(topics=[topic]), asked={"t"})
    fetches = Fetches(ConsumerConfig(), old)
    assert fetches.request(fetches.plan(states(), set(), 0.0)[1])[1] == 12


def test_a_large_batch_is_decoded_some_records_at_a_time_and_each_is_handed_out_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "RECORDS_AT_ONCE", 3)
    state = state_at(4)
    take(state, batch(0, 10), batch(10, 2))
    handed_out = []
    while records := state.next_records():
        handed_out.append([record.offset for record in records])
        state.position = state.finished = handed_out[-1][-1] + 1
        assert state.has_records == (handed_out[-1][-1] < 11), "it is known at once that nothing is left"
    assert handed_out == [[4, 5], [6, 7, 8], [9], [10, 11]]
    assert state.buffered_bytes == 0


def test_a_seek_in_the_midst_of_a_large_batch_drops_the_rest_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "RECORDS_AT_ONCE", 3)
    state = state_at(0)
    take(state, batch(0, 10))
    assert len(state.next_records()) == 3
    state.seek(8)
    assert not state.has_records
    take(state, batch(0, 10))
    assert all_offsets(state) == [8, 9]


def test_what_is_wrong_far_inside_of_a_batch_is_raised_each_time_and_a_seek_leads_past(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoding, "RECORDS_AT_ONCE", 3)
    state = state_at(0)
    wrong = bytearray(batch(0, 5))
    wrong[-8] += 2  # the length of the last record
    write_crc(wrong, 0, len(wrong))
    take(state, bytes(wrong), batch(5, 1))
    assert [record.offset for record in state.next_records()] == [0, 1, 2]
    state.position = state.finished = 3
    for _ in range(2):
        with pytest.raises(CorruptRecords) as raised:
            state.next_records()
        assert (raised.value.partition, raised.value.offset, raised.value.next_offset) == (T0, 0, 5)
    state.seek(5)
    take(state, batch(5, 1))
    assert all_offsets(state) == [5]


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
def test_a_bomb_is_not_undone_but_named_and_a_seek_leads_past(codec: Codec) -> None:
    builder = BatchBuilder(codec)
    builder.append(None, bytes(1_000_000), (), 1000)
    bomb = bytes(builder.build())
    state = PartitionState(T0, decode_for(T0, 999_999))
    state.seek(0)
    take(state, bomb, batch(1, 1))
    for _ in range(2):
        with pytest.raises(CorruptRecords, match=r"are allowed|more than 999999") as raised:
            state.next_records()
        assert (raised.value.partition, raised.value.offset, raised.value.next_offset) == (T0, 0, 1)
    state.seek(1)
    take(state, batch(1, 1))
    assert all_offsets(state) == [1]
    state = PartitionState(T0, decode_for(T0, 1_000_020))
    state.seek(0)
    take(state, bomb)
    assert all_offsets(state) == [0]


@pytest.mark.slow
def test_of_millions_of_records_in_one_batch_only_some_are_in_memory() -> None:
    state = state_at(0)
    take(state, batch(0, 50_000))
    tracemalloc.start()
    try:
        for _ in range(5):
            assert len(state.next_records()) == 10_000
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 20_000 * 400
