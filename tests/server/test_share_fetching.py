"""ShareFetch and ShareAcknowledge over a socket: who gets which records, how often, and what the next leader knows."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from odradek.protocol.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from odradek.protocol.messages.share_fetch import ForgottenTopic
from odradek.protocol.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
)
from odradek.protocol.records.builder import build_batch
from odradek.protocol.records.record import Record, decode_records
from odradek_broker.controller.image import ResourceType
from odradek_broker.coordinators.share_leader import ShareLeader
from odradek_broker.partitions.partition import Partition
from tests.server.served_broker import HandClock, Peer, Served, fetch, produce, produce_batch, serving
from tests.server.sharing_member import ACCEPT, REJECT, RELEASE, RENEW, Got, initialize, member

FEW = {"share_coordinator_state_topic_num_partitions": "2", "offsets_topic_num_partitions": "2"}
NOTHING = Got([], [], ErrorCode.NONE, ErrorCode.NONE)


async def filled(served: Served, *batches: list[bytes]) -> Peer:
    """Topic t with these values, batch by batch, shared by group g from its beginning."""
    peer = await served.connect()
    await peer.make_topic()
    for values in batches:
        assert (await peer.produce(produce(*values))).error_code == ErrorCode.NONE
    await initialize(served, peer)
    return peer


async def test_two_members_divide_a_partition_by_batches(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a", b"b"], [b"c"])
        one, two = await member(served, "one"), await member(served, "two")
        assert await one.fetch(max_records=1) == Got([b"a", b"b"], [(0, 1, 1)], ErrorCode.NONE, ErrorCode.NONE)
        assert (await two.fetch()).acquired == [(2, 2, 1)]
        assert await one.fetch() == NOTHING


async def test_a_strict_limit_divides_a_batch(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a", b"b", b"c"])
        one, two = await member(served, "one"), await member(served, "two")
        assert (await one.fetch(max_records=2, share_acquire_mode=1)).values == [b"a", b"b"]
        assert (await two.fetch()).values == [b"c"]


async def test_what_is_released_goes_to_another_and_what_is_accepted_or_rejected_to_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a", b"b", b"c"])
        one, two = await member(served, "one"), await member(served, "two")
        await one.fetch()
        assert await one.acknowledge((0, 2, [ACCEPT, RELEASE, REJECT])) is ErrorCode.NONE
        assert await two.fetch() == Got([b"b"], [(1, 1, 2)], ErrorCode.NONE, ErrorCode.NONE)


async def test_acknowledgements_ride_on_a_fetch(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a"], [b"b"])
        one = await member(served, "one")
        await one.fetch(max_records=1)
        assert await one.fetch((0, 0, [ACCEPT])) == Got([b"b"], [(1, 1, 1)], ErrorCode.NONE, ErrorCode.NONE)
        assert (await one.fetch((0, 0, [ACCEPT]), (1, 1, [ACCEPT]))).acknowledge_error is ErrorCode.NONE
        assert (await one.fetch((1, 1, [ACCEPT]))).acknowledge_error is ErrorCode.INVALID_RECORD_STATE


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ((0, 0, [9]), ErrorCode.INVALID_REQUEST),
        ((0, 2, [ACCEPT, ACCEPT]), ErrorCode.INVALID_REQUEST),
        ((1, 0, [ACCEPT]), ErrorCode.INVALID_REQUEST),
        ((0, 0, []), ErrorCode.INVALID_REQUEST),
        ((0, 9, [ACCEPT]), ErrorCode.INVALID_REQUEST),
        ((0, 0, [RENEW]), ErrorCode.INVALID_REQUEST),
    ],
)
async def test_an_acknowledgement_with_a_fault_is_refused(
    tmp_path: Path, said: tuple[int, int, list[int]], error: ErrorCode
) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a"])
        one = await member(served, "one")
        await one.fetch()
        assert await one.acknowledge(said) is error
        assert await one.acknowledge((0, 0, [ACCEPT])) is ErrorCode.NONE


async def test_a_lock_runs_out_unless_it_is_renewed(tmp_path: Path) -> None:
    clock = HandClock()
    async with serving(tmp_path, clock=clock, **FEW) as served:
        await filled(served, [b"a"], [b"b"])
        one, two = await member(served, "one"), await member(served, "two")
        assert (await one.fetch()).acquired == [(0, 1, 1)]
        clock.advance(20_000)
        assert await one.acknowledge((1, 1, [RENEW]), renews=True) is ErrorCode.NONE
        clock.advance(10_000)
        assert (await two.fetch()).acquired == [(0, 0, 2)]
        assert await one.acknowledge((0, 1, [ACCEPT])) is ErrorCode.INVALID_RECORD_STATE
        assert await one.acknowledge((1, 1, [ACCEPT])) is ErrorCode.NONE


@pytest.mark.parametrize("says_so", [True, False], ids=["closes its session", "loses its connection"])
async def test_a_member_that_goes_leaves_its_records_to_others(tmp_path: Path, says_so: bool) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a"])
        one, two = await member(served, "one"), await member(served, "two")
        await two.fetch()
        await two.acknowledge((0, 0, [RELEASE]))
        assert (await one.fetch()).acquired == [(0, 0, 2)]
        async with trio.open_nursery() as nursery:

            async def wait_for_it() -> None:
                assert (await two.fetch(max_wait_ms=9000)).acquired == [(0, 0, 3)]

            nursery.start_soon(wait_for_it)
            if says_so:
                assert await one.acknowledge(is_last=True) is ErrorCode.NONE
            else:
                await trio.aclose_forcefully(one.peer.stream)


async def test_a_record_that_was_delivered_too_often_is_delivered_no_more(tmp_path: Path) -> None:
    async with serving(tmp_path, group_share_delivery_count_limit="2", **FEW) as served:
        await filled(served, [b"a"], [b"b"])
        one = await member(served, "one")
        await one.fetch(max_records=1)
        assert (await one.fetch((0, 0, [RELEASE]), max_records=1)).acquired == [(0, 0, 2)]
        assert (await one.fetch((0, 0, [RELEASE]))).values == [b"b"]


async def test_a_fetch_waits_until_there_are_records_and_no_longer(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        peer = await filled(served)
        one = await member(served, "one")
        assert await one.fetch(max_wait_ms=1) == NOTHING
        async with trio.open_nursery() as nursery:

            async def wait_for_it() -> None:
                assert (await one.fetch(max_wait_ms=9000)).values == [b"late"]

            nursery.start_soon(wait_for_it)
            await peer.produce(produce(b"late"))


async def test_sessions_count_their_requests(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW, group_share_max_share_sessions="1") as served:
        await filled(served, [b"a"])
        one, two = await member(served, "one"), await member(served, "two")
        one.epoch = 1
        assert (await one.fetch_whole()).error_code == ErrorCode.SHARE_SESSION_NOT_FOUND
        one.epoch = 0
        assert (await one.fetch_whole((0, 0, [ACCEPT]))).error_code == ErrorCode.INVALID_REQUEST
        one.epoch = 0
        await one.fetch()
        one.epoch = 5
        assert (await one.fetch_whole()).error_code == ErrorCode.INVALID_SHARE_SESSION_EPOCH
        assert await one.acknowledge() is ErrorCode.INVALID_SHARE_SESSION_EPOCH
        assert (await two.fetch_whole()).error_code == ErrorCode.SHARE_SESSION_LIMIT_REACHED


async def test_what_was_acknowledged_outlives_the_broker_and_what_was_in_hand_does_not(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a"], [b"b"], [b"c"], [b"d"])
        one = await member(served, "one")
        assert (await one.fetch()).acquired == [(0, 3, 1)]
        assert await one.acknowledge((0, 0, [ACCEPT]), (2, 2, [RELEASE])) is ErrorCode.NONE
        assert (await one.fetch()).acquired == [(2, 2, 2)]
        served.broker.sharing.sessions.end(served.broker.sharing.sessions._sessions.popitem()[1])
    async with serving(tmp_path, **FEW) as served:
        got = await (await member(served, "one")).fetch()
        assert (got.values, got.acquired) == ([b"b", b"c", b"d"], [(1, 1, 1), (2, 2, 2), (3, 3, 1)])


async def test_a_group_that_nobody_has_initialized_gets_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        peer = await served.connect()
        await peer.make_topic()
        await peer.produce(produce(b"a"))
        one = await member(served, "one")
        assert (await one.fetch(max_wait_ms=5000)).error is ErrorCode.INVALID_REQUEST
        one.topic_id = b"?" * 16
        assert ErrorCode.UNKNOWN_TOPIC_ID in _errors(await one.fetch_whole())


def _errors(response: object) -> set[int]:
    return {data.error_code for topic in response.responses for data in topic.partitions}  # type: ignore[attr-defined]


async def test_a_group_that_begins_anew_is_not_held_by_what_its_members_had(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        peer = await filled(served, [b"a"], [b"b"])
        one = await member(served, "one")
        await one.fetch()
        await initialize(served, peer, start_offset=1, state_epoch=2)
        assert await one.acknowledge((0, 1, [ACCEPT])) is ErrorCode.FENCED_STATE_EPOCH
        assert (await one.fetch()).values == [b"b"]


async def test_where_only_committed_records_count_those_of_aborted_transactions_are_passed_over(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, **FEW) as served:
        peer = await filled(served, [b"before"])
        one = await member(served, "one")
        await set_group_config(peer, "share.isolation.level", "read_committed")
        for sequence, (value, commits) in enumerate([(b"aborted", False), (b"committed", True)]):
            batch = build_batch(
                [Record(timestamp=1, value=value)],
                producer_id=7, producer_epoch=0, base_sequence=sequence, is_transactional=True,
            )  # fmt: skip
            appended = served.broker.replicas.partition("t", 0).append(memoryview(batch))  # type: ignore[union-attr]
            assert appended.last_offset == 1 + 2 * sequence  # type: ignore[union-attr]
            if not sequence:
                assert (await one.fetch()).values == [b"before"]
            marker = WritableTxnMarker(7, 0, commits, [WritableTxnMarkerTopic("t", [0])])
            await peer.ask(WriteTxnMarkersRequest([marker]), WriteTxnMarkersResponse, 1)
        assert (await one.fetch()).values == [b"committed"]


async def test_others_run_while_aborted_records_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, **FEW) as served:
        peer = await filled(served)
        await set_group_config(peer, "share.isolation.level", "read_committed")
        partition = served.broker.replicas.partition("t", 0)
        for sequence in range(5):
            aborted = build_batch(
                [Record(timestamp=1, value=b"aborted")],
                producer_id=7, producer_epoch=0, base_sequence=sequence, is_transactional=True,
            )  # fmt: skip
            partition.append(memoryview(aborted))  # type: ignore[union-attr]
        marker = WritableTxnMarker(7, 0, False, [WritableTxnMarkerTopic("t", [0])])
        await peer.ask(WriteTxnMarkersRequest([marker]), WriteTxnMarkersResponse, 1)
        assert (await peer.produce(produce(b"a"))).error_code == ErrorCode.NONE
        one, acquire, turns, seen = await member(served, "one"), ShareLeader.acquire, 0, list[int]()

        def acquire_and_note(*arguments: Any, **more: Any) -> Any:
            seen.append(turns)
            return acquire(*arguments, **more)

        monkeypatch.setattr(ShareLeader, "acquire", acquire_and_note)
        async with trio.open_nursery() as nursery:

            async def others() -> None:
                nonlocal turns
                while True:
                    await trio.lowlevel.checkpoint()
                    turns += 1

            nursery.start_soon(others)
            assert (await one.fetch(max_bytes=1)).values == [b"a"]
            nursery.cancel_scope.cancel()
        assert len(seen) == 7 and max(map(seen.count, seen)) <= 2, "Trio runs tasks of one turn in any order"


async def set_group_config(peer: Peer, name: str, value: str) -> None:
    resource = AlterConfigsResource(ResourceType.GROUP, "g", [AlterableConfig(name, 0, value)])
    answer = await peer.ask(IncrementalAlterConfigsRequest([resource]), IncrementalAlterConfigsResponse, 1)
    assert answer.responses[0].error_code == ErrorCode.NONE, answer


async def test_batches_that_are_not_meant_are_not_sent(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, *([b"x" * 1000] for _ in range(10)))
        one, two = await member(served, "one"), await member(served, "two")
        await one.fetch()
        assert await one.acknowledge((4, 4, [RELEASE])) is ErrorCode.NONE
        response = await two.fetch_whole()
        assert len(response.responses[0].partitions[0].records) < 2000


async def test_no_answer_has_more_bytes_than_the_broker_allows(tmp_path: Path) -> None:
    async with serving(tmp_path, fetch_max_bytes="1500", **FEW) as served:
        await filled(served, *([b"x" * 1000] for _ in range(3)))
        one = await member(served, "one")
        assert (await one.fetch()).acquired == [(0, 0, 1)]


async def test_a_group_is_put_away_with_its_last_session(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a"])
        one = await member(served, "one")
        await one.fetch()
        assert len(served.broker.sharing._leaders) == 1
        assert await one.acknowledge((0, 0, [ACCEPT]), is_last=True) is ErrorCode.NONE
        with trio.fail_after(5):
            while served.broker.sharing._leaders:
                await trio.lowlevel.checkpoint()
        assert await (await member(served, "two")).fetch() == NOTHING


async def test_a_partition_that_nobody_fetches_any_longer_is_put_away_once_nothing_of_it_is_in_hand(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a"])
        one = await member(served, "one")
        await one.fetch()
        await one.fetch(forgotten_topics_data=[ForgottenTopic(one.topic_id, [0])])
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert len(served.broker.sharing._leaders) == 1
        assert await one.acknowledge((0, 0, [ACCEPT])) is ErrorCode.NONE
        with trio.fail_after(5):
            while served.broker.sharing._leaders:
                await trio.lowlevel.checkpoint()
        assert len(served.broker.sharing.sessions) == 1


async def test_an_acknowledgement_is_answered_once_it_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a"])
        one, two = await member(served, "one"), await member(served, "two")
        await one.fetch()
        persister, is_to_store, may_store = served.broker.sharing.persister, trio.Event(), trio.Event()
        store, told = persister.write, list[ErrorCode]()

        async def store_later(*arguments: Any) -> ErrorCode:
            is_to_store.set()
            await may_store.wait()
            return await store(*arguments)

        monkeypatch.setattr(persister, "write", store_later)
        async with trio.open_nursery() as nursery:

            async def acknowledge() -> None:
                told.append(await one.acknowledge((0, 0, [ACCEPT])))

            nursery.start_soon(acknowledge)
            await is_to_store.wait()
            assert await two.fetch() == NOTHING
            assert told == []
            may_store.set()
        assert told == [ErrorCode.NONE]


async def test_what_cannot_be_stored_did_not_count_and_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a"])
        one = await member(served, "one")
        await one.fetch()

        async def refuse(*_: Any) -> ErrorCode:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE

        with monkeypatch.context() as patched:
            patched.setattr(served.broker.sharing.persister, "write", refuse)
            assert await one.acknowledge((0, 0, [ACCEPT])) is ErrorCode.COORDINATOR_NOT_AVAILABLE
        assert (await one.fetch()).acquired == [(0, 0, 1)]


async def test_a_defect_in_one_share_partition_costs_only_what_its_members_have_in_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a"])
        one = await member(served, "one")
        await one.fetch()

        async def break_down(*_: Any) -> ErrorCode:
            raise RuntimeError("a defect")

        with monkeypatch.context() as patched:
            patched.setattr(served.broker.sharing.persister, "write", break_down)
            assert await one.acknowledge((0, 0, [ACCEPT])) is ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert (await one.fetch()).acquired == [(0, 0, 1)]


async def test_what_is_acknowledged_while_a_share_partition_is_loaded_anew_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(tmp_path, **FEW) as served:
        await filled(served, [b"a"])
        one, two = await member(served, "one"), await member(served, "two")
        await one.fetch()
        persister, is_reading = served.broker.sharing.persister, trio.Event()

        async def refuse(*_: Any) -> ErrorCode:
            return ErrorCode.COORDINATOR_NOT_AVAILABLE

        async def read_later(*_: Any) -> ErrorCode:
            is_reading.set()
            await trio.sleep_forever()
            return ErrorCode.NONE

        with monkeypatch.context() as patched:
            patched.setattr(persister, "write", refuse)
            patched.setattr(persister, "read", read_later)
            assert await one.acknowledge((0, 0, [ACCEPT])) is ErrorCode.COORDINATOR_NOT_AVAILABLE
            async with trio.open_nursery() as nursery:
                nursery.start_soon(two.fetch)
                await is_reading.wait()
                assert await one.acknowledge((0, 0, [ACCEPT])) is ErrorCode.INVALID_RECORD_STATE
                nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("reset", "values"),
    [
        ("earliest", [b"old", b"young"]),
        ("latest", []),
        ("by_duration:PT1H", [b"young"]),
        ("by_duration:P2DT1H30M5.5S", [b"old", b"young"]),
    ],
)
async def test_a_new_group_begins_where_its_settings_say(tmp_path: Path, reset: str, values: list[bytes]) -> None:
    async with serving(tmp_path, **FEW) as served:
        peer = await served.connect()
        await peer.make_topic()
        now_ms = served.broker.clock.now_ms()
        for value, age_ms in ((b"old", 2 * 24 * 3_600_000), (b"young", 60_000)):
            batch = build_batch([Record(timestamp=now_ms - age_ms, value=value)])
            assert (await peer.produce(produce_batch(batch))).error_code == ErrorCode.NONE
        await set_group_config(peer, "share.auto.offset.reset", reset)
        await initialize(served, peer, start_offset=-1)
        one = await member(served, "one")
        assert (await one.fetch()).values == values


async def test_settings_of_the_group_hold_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        peer = await filled(served, [b"a"], [b"b"])
        one = await member(served, "one")
        await one.fetch(max_records=1)
        await set_group_config(peer, "share.delivery.count.limit", "2")
        await set_group_config(peer, "share.record.lock.duration.ms", "20000")
        assert (await one.fetch_whole((0, 0, [RELEASE]), max_records=1)).acquisition_lock_timeout_ms == 20_000
        assert (await one.fetch((0, 0, [RELEASE]))).values == [b"b"]


async def test_a_deleted_topic_is_shared_no_more_and_nothing_stays_stored_of_it(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        peer = await filled(served, [b"a"])
        one = await member(served, "one")
        await one.fetch()
        sharing = served.broker.sharing
        await peer.ask(DeleteTopicsRequest(topic_names=["t"], timeout_ms=5000), DeleteTopicsResponse, 5)
        assert await one.acknowledge((0, 0, [ACCEPT])) is ErrorCode.UNKNOWN_TOPIC_ID
        assert (await one.fetch()).error is ErrorCode.UNKNOWN_TOPIC_ID
        assert not any(each.coordinator.states for each in sharing.states._partitions.values())


async def dead_letters(served: Served, peer: Peer, topic: str = "dlq.t", **configs: str) -> None:
    """Let group g write what it gives up into a topic."""
    await peer.make_topic(topic, **configs)
    await set_group_config(peer, "errors.deadletterqueue.topic.name", topic)
    await set_group_config(peer, "errors.deadletterqueue.copy.record.enable", "true")


async def letters(peer: Peer, topic: str = "dlq.t") -> list[tuple[bytes | None, bytes | None, dict[str, bytes | None]]]:
    fetched = await peer.fetch(fetch(0, topic=topic))
    records = decode_records(cast("memoryview", fetched.records)) if fetched.records else []
    return [(each.key, each.value, dict(each.headers)) for each in records]


async def test_what_is_rejected_or_delivered_too_often_is_in_the_dead_letter_topic_with_why(tmp_path: Path) -> None:
    async with serving(tmp_path, group_share_delivery_count_limit="2", **FEW) as served:
        peer = await filled(served)
        sent = [Record(timestamp=1, key=b"k", value=value, headers=(("own", b"1"),)) for value in (b"a", b"b", b"c")]
        await peer.produce(produce_batch(build_batch(sent)))
        await dead_letters(served, peer, errors_deadletterqueue_group_enable="true")
        one = await member(served, "one")
        await one.fetch()
        assert await one.acknowledge((0, 0, [REJECT]), (1, 1, [RELEASE]), (2, 2, [ACCEPT])) is ErrorCode.NONE
        assert (await one.fetch()).acquired == [(1, 1, 2)]
        assert await one.acknowledge((1, 1, [RELEASE])) is ErrorCode.NONE
        common = {"__dlq.errors.topic": b"t", "__dlq.errors.partition": b"0", "__dlq.errors.group": b"g"}
        rejected = {"__dlq.errors.delivery.count": b"1", "__dlq.errors.message": b"Offset rejected by client."}
        too_often = {
            "__dlq.errors.delivery.count": b"2",
            "__dlq.errors.message": b"Offset delivery count exceeded the threshold.",
        }
        assert await letters(peer) == [
            (b"k", b"a", common | rejected | {"__dlq.errors.offset": b"0"}),
            (b"k", b"b", common | too_often | {"__dlq.errors.offset": b"1"}),
        ]


async def test_records_that_are_too_large_for_one_batch_together_are_all_in_the_dead_letter_topic(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, clock=HandClock(), **FEW) as served:
        values = [bytes(400_000)] * 3
        peer = await filled(served, *([each] for each in values))
        await dead_letters(served, peer, errors_deadletterqueue_group_enable="true")
        one = await member(served, "one")
        await one.fetch()
        await one.fetch()
        assert await one.acknowledge((0, 2, [REJECT])) is ErrorCode.NONE
        partition = served.broker.replicas.partition("dlq.t", 0)
        assert isinstance(partition, Partition)
        log = partition.log
        assert log.log_end_offset == 3


async def test_without_copies_a_dead_letter_says_only_where_the_record_lies(tmp_path: Path) -> None:
    async with serving(tmp_path, **FEW) as served:
        peer = await filled(served, [b"a"])
        await dead_letters(served, peer, errors_deadletterqueue_group_enable="true")
        await set_group_config(peer, "errors.deadletterqueue.copy.record.enable", "false")
        one = await member(served, "one")
        await one.fetch()
        assert await one.acknowledge((0, 0, [REJECT])) is ErrorCode.NONE
        ((key, value, headers),) = await letters(peer)
        assert (key, value, headers["__dlq.errors.offset"]) == (None, None, b"0")


@pytest.mark.parametrize("topic", ["dlq.t", "other"], ids=["a topic that does not allow it", "a name without prefix"])
async def test_where_nothing_may_be_written_what_is_given_up_is_given_up_all_the_same(
    tmp_path: Path, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, **FEW) as served:
        peer = await filled(served, [b"a"], [b"b"])
        await dead_letters(served, peer, topic)
        one = await member(served, "one")
        await one.fetch()
        assert await one.acknowledge((0, 0, [REJECT])) is ErrorCode.NONE
        assert await letters(peer, topic) == []
        assert f"what was given up is not in {topic}" in caplog.text


async def test_a_dead_letter_topic_is_made_where_that_is_allowed(tmp_path: Path) -> None:
    async with serving(tmp_path, errors_deadletterqueue_auto_create_topics_enable="true", **FEW) as served:
        peer = await filled(served, [b"a"])
        await dead_letters(served, peer, errors_deadletterqueue_group_enable="true")
        await set_group_config(peer, "errors.deadletterqueue.topic.name", "dlq.new")
        one = await member(served, "one")
        await one.fetch()
        assert await one.acknowledge((0, 0, [REJECT])) is ErrorCode.NONE
        assert [value for _, value, _ in await letters(peer, "dlq.new")] == [b"a"]
