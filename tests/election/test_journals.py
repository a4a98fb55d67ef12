"""What the controller relies on, of each journal: on one disk, and in a real etcd."""

from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from odradek.protocol.messages.metadata_records import NoOpRecord, ProducerIdsRecord, TopicRecord
from odradek.testing.etcd_node import EtcdNode
from odradek.testing.ports import free_ports
from odradek_broker.controller.file_journal import FileJournal
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.journal import Journal
from odradek_broker.controller.replay import replay
from odradek_broker.election import etcd_journal
from odradek_broker.election.etcd import Created, Etcd, EtcdFull, EtcdUnavailable
from odradek_broker.election.etcd_journal import Deposed, EtcdJournal, leader_key
from odradek_broker.election.gateway import HttpGateway, NotAnswered
from odradek_broker.log.failures import LogFailed
from odradek_broker.ports.disk import RealDisk

Open = Callable[[], Journal]
"""As a controller does at its start: what was opened before is gone."""

needs_etcd = pytest.mark.skipif(shutil.which("etcd") is None, reason="etcd is not installed")


@pytest.fixture
def gateway() -> Iterator[HttpGateway]:
    opened = HttpGateway()
    yield opened
    opened.close()


@pytest.fixture
async def etcd_node(tmp_path: Path) -> AsyncIterator[EtcdNode]:
    port, peer_port = free_ports(2)
    node = EtcdNode(tmp_path / "etcd", port, peer_port)
    await node.start()
    yield node
    node.kill()


def elect(etcd: Etcd) -> int:
    """Take the leader's key away from whoever has it; the revision at which it is ours."""
    etcd.commit([], deletes=[(leader_key("t"), None)])
    etcd.commit([Created(leader_key("t"), 0)], [(leader_key("t"), b"us")])
    found = etcd.get(leader_key("t"))
    assert found is not None
    return found.create_revision


@pytest.fixture(params=["file", pytest.param("etcd", marks=needs_etcd)])
async def open_journal(request: pytest.FixtureRequest, tmp_path: Path, gateway: HttpGateway) -> AsyncIterator[Open]:
    if request.param == "file":
        opened: list[FileJournal] = []

        def open_file() -> Journal:
            for each in opened:
                each.close()
            opened[:] = [FileJournal(str(tmp_path), RealDisk(), 0)]
            return opened[0]

        yield open_file
        for each in opened:
            each.close()
        return
    port, peer_port = free_ports(2)
    node = EtcdNode(tmp_path / "etcd", port, peer_port)
    await node.start()
    etcd = Etcd([node.endpoint], gateway)
    yield lambda: EtcdJournal(etcd, "t", elect(etcd))
    node.kill()


class Lossy(HttpGateway):
    """As if members of etcd died with answers, and as if others carried requests out once more, later."""

    def __init__(self) -> None:
        super().__init__()
        self.loses: int | None = None
        """One answer, after so many more."""
        self.writes: list[tuple[str, bytes]] = []

    def post(self, url: str, content: bytes, timeout_s: float) -> tuple[int, bytes]:
        answer = super().post(url, content, timeout_s)
        if url.endswith("kv/txn"):
            self.writes.append((url, content))
        if self.loses is not None:
            self.loses -= 1
            if self.loses < 0:
                self.loses = None
                raise NotAnswered("lost")
        return answer

    def again(self, number: int) -> dict[str, Any]:
        """One write, once more."""
        answer: dict[str, Any] = msgspec.json.decode(super().post(*self.writes[number], 1.0)[1])
        return answer


@pytest.fixture
def lossy() -> Iterator[Lossy]:
    opened = Lossy()
    yield opened
    opened.close()


def no_ops(count: int) -> list[Struct]:
    return [NoOpRecord() for _ in range(count)]


def replayed(journal: Journal) -> tuple[int, list[Struct]]:
    """The last offset, and all records; how they are divided into entries is the journal's own affair."""
    last_offset, records = -1, []
    for entry in journal.replay():
        records += entry.records
        assert entry.last_offset == last_offset + len(entry.records), "offsets without a gap"
        last_offset = entry.last_offset
    return last_offset, records


async def test_a_new_journal_is_empty_and_begins_at_offset_zero(open_journal: Open) -> None:
    journal = open_journal()
    assert replayed(journal) == (-1, [])
    assert journal.append(no_ops(3), 1) == 2
    assert journal.append(no_ops(1), 2) == 3


async def test_what_was_appended_is_there_for_the_next_controller_in_order(open_journal: Open) -> None:
    journal = open_journal()
    list(journal.replay())
    journal.append([TopicRecord(name="t", topic_id=b"i" * 16), NoOpRecord()], 1)
    journal.append([ProducerIdsRecord(next_producer_id=7)], 2)
    again = open_journal()
    records = [TopicRecord(name="t", topic_id=b"i" * 16), NoOpRecord(), ProducerIdsRecord(next_producer_id=7)]
    assert replayed(again) == (2, records)
    assert again.append(no_ops(1), 3) == 3


async def test_many_decisions_of_all_sizes_come_back_whole(open_journal: Open) -> None:
    dice, journal = Random(1), open_journal()
    list(journal.replay())
    expected: list[Struct] = []
    for _ in range(50):
        first = len(expected)
        decided: list[Struct] = [
            ProducerIdsRecord(next_producer_id=first + each) for each in range(dice.choice((1, 2, 7, 300)))
        ]
        expected += decided
        assert journal.append(decided, 1) == len(expected) - 1
    assert replayed(open_journal()) == (len(expected) - 1, expected)


@needs_etcd
async def test_who_has_been_replaced_can_write_nothing(etcd_node: EtcdNode, gateway: HttpGateway) -> None:
    """A controller that was paused for long goes on as if nothing had been."""
    etcd = Etcd([etcd_node.endpoint], gateway)
    old = EtcdJournal(etcd, "t", elect(etcd))
    list(old.replay())
    old.append(no_ops(1), 1)
    new = EtcdJournal(etcd, "t", elect(etcd))
    with pytest.raises(Deposed):
        old.append(no_ops(5), 2)
    with pytest.raises(LogFailed):
        old.append(no_ops(5), 2)
    assert replayed(new) == (0, no_ops(1))
    assert new.append(no_ops(2), 3) == 2


@needs_etcd
async def test_when_etcd_does_not_answer_the_journal_is_over_for_nobody_knows_what_was_written(
    etcd_node: EtcdNode, gateway: HttpGateway
) -> None:
    etcd = Etcd([etcd_node.endpoint], gateway, timeout_s=0.5)
    journal = EtcdJournal(etcd, "t", elect(etcd))
    list(journal.replay())
    etcd_node.kill()
    with pytest.raises(LogFailed):
        journal.append(no_ops(1), 1)
    with pytest.raises(EtcdUnavailable):
        etcd.get(b"x")
    await etcd_node.start()
    with pytest.raises(LogFailed):
        journal.append(no_ops(1), 1)
    again = EtcdJournal(etcd, "t", elect(etcd))
    list(again.replay())
    assert again.append(no_ops(1), 1) == replayed(again)[0]


@needs_etcd
async def test_what_a_full_etcd_refuses_is_not_written_and_the_journal_goes_on_when_there_is_room(
    etcd_node: EtcdNode, gateway: HttpGateway
) -> None:
    etcd = Etcd([etcd_node.endpoint], gateway)
    journal = EtcdJournal(etcd, "t", elect(etcd))
    list(journal.replay())
    assert journal.append(no_ops(2), 1) == 1
    await etcd_node.set_full(True)
    for _ in range(2):
        with pytest.raises(OSError, match="etcd is full"):
            journal.append([ProducerIdsRecord(next_producer_id=9)], 1)
    await etcd_node.set_full(False)
    assert journal.append(no_ops(1), 1) == 2
    assert replayed(journal) == (2, no_ops(3))


@needs_etcd
async def test_a_write_that_has_filled_etcd_counts_though_it_was_answered_with_an_error(
    etcd_node: EtcdNode, gateway: HttpGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    etcd = Etcd([etcd_node.endpoint], gateway)
    journal = EtcdJournal(etcd, "t", elect(etcd))
    list(journal.replay())
    commit = etcd.commit

    def full(*arguments: Any) -> bool:
        commit(*arguments)
        raise EtcdFull("etcd is full")

    monkeypatch.setattr(etcd, "commit", full)
    assert journal.append(no_ops(2), 1) == 1
    monkeypatch.undo()
    assert journal.append(no_ops(1), 1) == 2
    assert replayed(journal) == (2, no_ops(3))


@needs_etcd
async def test_what_a_successor_has_written_is_not_taken_for_ones_own(
    etcd_node: EtcdNode, gateway: HttpGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused by a full etcd, then paused; another controller decides the very same before it is read back."""
    etcd = Etcd([etcd_node.endpoint], gateway)
    old = EtcdJournal(etcd, "t", elect(etcd))
    list(old.replay())

    def full(*_: Any) -> bool:
        monkeypatch.undo()
        new = EtcdJournal(etcd, "t", elect(etcd))
        list(new.replay())
        new.append(no_ops(2), 1)
        raise EtcdFull("etcd is full")

    monkeypatch.setattr(etcd, "commit", full)
    with pytest.raises(Deposed):
        old.append(no_ops(2), 1)


def test_an_endpoint_that_is_no_url_is_an_etcd_that_does_not_answer(gateway: HttpGateway) -> None:
    etcd = Etcd(["http://[::1"], gateway)
    with pytest.raises(EtcdUnavailable):
        etcd.get(b"x")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
def test_an_endpoint_that_is_something_else_is_an_etcd_that_does_not_answer(body: bytes, gateway: HttpGateway) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        etcd = Etcd([f"http://127.0.0.1:{server.server_port}"], gateway)
        with pytest.raises(EtcdUnavailable, match="does not answer as etcd does"):
            etcd.get(b"x")


@needs_etcd
async def test_snapshots_bound_what_etcd_keeps_and_lose_nothing(
    etcd_node: EtcdNode, gateway: HttpGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd_journal, "RECORDS_BETWEEN_SNAPSHOTS", 10)
    monkeypatch.setattr(etcd_journal, "PART_RECORDS", 3)
    etcd = Etcd([etcd_node.endpoint], gateway)
    journal = EtcdJournal(etcd, "t", elect(etcd))
    list(journal.replay())
    image = MetadataImage(cluster_id="c")
    for number in range(35):
        records: list[Struct] = [TopicRecord(name=f"t{number}", topic_id=b"%16d" % number)]
        image = replay(image, records, journal.append(records, 1))
        if journal.wants_snapshot:
            journal.write_snapshot(image)
    assert len(etcd.range(b"t/log/", b"t/log0")) == 5
    again, rebuilt = EtcdJournal(etcd, "t", elect(etcd)), MetadataImage(cluster_id="c")
    for entry in again.replay():
        rebuilt = replay(rebuilt, entry.records, entry.last_offset)
    assert rebuilt == image
    assert again.append(no_ops(1), 1) == 35


def grow(journal: EtcdJournal, image: MetadataImage, topics: int, *, name: str = "t") -> MetadataImage:
    """A decision for each topic."""
    for _ in range(topics):
        number = image.offset + 1
        records: list[Struct] = [TopicRecord(name=f"{name}{number}", topic_id=b"%16d" % number)]
        image = replay(image, records, journal.append(records, 1))
    return image


def rebuilt(journal: EtcdJournal) -> MetadataImage:
    image = MetadataImage(cluster_id="c")
    for entry in journal.replay():
        image = replay(image, entry.records, entry.last_offset)
    return image


@needs_etcd
async def test_a_write_whose_answer_was_lost_and_that_another_member_got_too_has_been_made_once(
    etcd_node: EtcdNode, lossy: Lossy
) -> None:
    """The second one refuses: there is something at that offset already."""
    etcd = Etcd([etcd_node.endpoint, etcd_node.endpoint], lossy)
    journal = EtcdJournal(etcd, "t", elect(etcd))
    list(journal.replay())
    lossy.loses = 0
    assert journal.append(no_ops(2), 1) == 1
    assert journal.append(no_ops(1), 1) == 2
    assert replayed(EtcdJournal(etcd, "t", elect(etcd))) == (2, no_ops(3))


@needs_etcd
async def test_a_snapshot_that_comes_once_more_and_late_takes_nothing_back(etcd_node: EtcdNode, lossy: Lossy) -> None:
    """By then there is a newer one, the parts of the older one are gone, and so is the log in between."""
    etcd = Etcd([etcd_node.endpoint], lossy)
    journal = EtcdJournal(etcd, "t", elect(etcd))
    image = grow(journal, MetadataImage(cluster_id="c"), 5)
    journal.write_snapshot(image)
    older = len(lossy.writes) - 1
    image = grow(journal, image, 5)
    journal.write_snapshot(image)
    image = grow(journal, image, 5)
    assert "succeeded" not in lossy.again(older)
    assert rebuilt(EtcdJournal(etcd, "t", elect(etcd))) == image


@needs_etcd
async def test_no_write_that_comes_once_more_changes_what_is_read(etcd_node: EtcdNode, lossy: Lossy) -> None:
    etcd = Etcd([etcd_node.endpoint], lossy)
    journal = EtcdJournal(etcd, "t", elect(etcd))
    first, image = len(lossy.writes), MetadataImage(cluster_id="c")
    for _ in range(3):
        image = grow(journal, image, 4)
        journal.write_snapshot(image)
    image = grow(journal, image, 2)
    for number in range(first, len(lossy.writes)):
        lossy.again(number)
        assert rebuilt(EtcdJournal(etcd, "t", 0)) == image, number


@needs_etcd
async def test_a_snapshot_that_may_not_have_come_about_does_not_end_the_journal(
    etcd_node: EtcdNode, lossy: Lossy
) -> None:
    etcd = Etcd([etcd_node.endpoint], lossy)
    journal = EtcdJournal(etcd, "t", elect(etcd))
    image = grow(journal, MetadataImage(cluster_id="c"), 5)
    for lossy.loses in range(3):  # of what it replaces, of its part, of itself
        with pytest.raises(OSError, match="lost"):
            journal.write_snapshot(image)
        image = grow(journal, image, 1)
        assert rebuilt(EtcdJournal(etcd, "t", 0)) == image


@needs_etcd
async def test_what_was_left_of_snapshots_that_did_not_come_about_goes_with_the_next_one(
    etcd_node: EtcdNode, gateway: HttpGateway
) -> None:
    etcd = Etcd([etcd_node.endpoint], gateway)
    journal = EtcdJournal(etcd, "t", elect(etcd))
    image = grow(journal, MetadataImage(cluster_id="c"), 5)
    for offset in (3, image.offset, 7_000):
        etcd.commit([], [(b"t/parts/%020d/%06d" % (offset, 17), b"left")])
    journal.write_snapshot(image)
    assert [each.key for each in etcd.range(b"t/parts/", b"t/parts0")] == [b"t/parts/%020d/%06d" % (image.offset, 0)]
    assert rebuilt(EtcdJournal(etcd, "t", 0)) == image


@needs_etcd
async def test_no_part_of_a_snapshot_is_larger_than_etcd_takes(
    etcd_node: EtcdNode, gateway: HttpGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(etcd_journal, "MAX_VALUE_BYTES", 150)
    etcd = Etcd([etcd_node.endpoint], gateway)
    journal = EtcdJournal(etcd, "t", elect(etcd))
    image = grow(journal, MetadataImage(cluster_id="c"), 100)
    journal.write_snapshot(image)
    parts = etcd.range(b"t/parts/", b"t/parts0")
    assert max(len(each.value) for each in parts) <= 150
    assert len(parts) > 1
    assert rebuilt(EtcdJournal(etcd, "t", 0)) == image


@needs_etcd
async def test_a_decision_of_the_largest_size_that_is_let_through_fits_into_a_request(
    etcd_node: EtcdNode, gateway: HttpGateway
) -> None:
    etcd = Etcd([etcd_node.endpoint], gateway)
    assert etcd.commit([Created(b"t/leader", 0)], [(b"t/log/1", Random(1).randbytes(etcd_journal.MAX_VALUE_BYTES))])


@needs_etcd
async def test_who_looks_on_while_a_snapshot_takes_the_place_of_another_sees_all_of_it(
    etcd_node: EtcdNode, gateway: HttpGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two of its own requests."""
    etcd = Etcd([etcd_node.endpoint], gateway)
    journal = EtcdJournal(etcd, "t", elect(etcd))
    image = grow(journal, MetadataImage(cluster_id="c"), 5)
    journal.write_snapshot(image)
    looking = Etcd([etcd_node.endpoint], gateway)
    ask, asked = looking.range, 0

    def ask_and_be_overtaken(*arguments: Any) -> Any:
        nonlocal asked, image
        found, asked = ask(*arguments), asked + 1
        if asked <= 4:
            image = grow(journal, image, 1)
            journal.write_snapshot(image)
        return found

    monkeypatch.setattr(looking, "range", ask_and_be_overtaken)
    assert rebuilt(EtcdJournal(looking, "t", 0)) == image


@needs_etcd
async def test_the_history_of_others_keys_in_the_same_etcd_is_left_alone(
    etcd_node: EtcdNode, gateway: HttpGateway
) -> None:
    etcd = Etcd([etcd_node.endpoint], gateway)
    for value in (b"before", b"after"):
        etcd.commit([], [(b"somebody-elses", value)])
    found = etcd.get(b"somebody-elses")
    assert found is not None
    journal = EtcdJournal(etcd, "t", elect(etcd))
    journal.write_snapshot(grow(journal, MetadataImage(cluster_id="c"), 5))
    asked = {"key": base64.b64encode(found.key).decode(), "revision": str(found.create_revision)}
    _, answer = gateway.post(f"{etcd_node.endpoint}/v3/kv/range", msgspec.json.encode(asked), 1.0)
    assert base64.b64decode(msgspec.json.decode(answer)["kvs"][0]["value"]) == b"before"
