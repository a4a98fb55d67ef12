"""What is known of a cluster, answer by answer."""

from __future__ import annotations

import pytest

from odradek.cluster.metadata import NO_LEADER, ClusterImage
from odradek.network import parse_bootstrap
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)


def answer(
    leader: int, epoch: int, *, name: str = "t", topic_id: bytes = b"1" * 16, code: int = 0, brokers: int = 3
) -> MetadataResponse:
    partitions = [] if code else [MetadataResponsePartition(0, 0, leader, epoch)]
    topic = MetadataResponseTopic(error_code=code, name=name, topic_id=topic_id, partitions=partitions)
    return MetadataResponse(brokers=[MetadataResponseBroker(i, f"h{i}", 1) for i in range(brokers)], topics=[topic])


@pytest.fixture
def image() -> ClusterImage:
    made = ClusterImage()
    made.merge(answer(1, 5), asked={"t", "u"})
    return made


def test_a_newer_epoch_is_believed(image: ClusterImage) -> None:
    image.merge(answer(2, 6), asked={"t", "u"})
    assert image.leader("t", 0) == 2


def test_an_older_epoch_is_not(image: ClusterImage) -> None:
    image.merge(answer(2, 4), asked={"t", "u"})
    assert image.leader("t", 0) == 1
    assert image.generation == 2


def test_of_a_topic_that_was_made_anew_every_epoch_is_believed(image: ClusterImage) -> None:
    image.merge(answer(2, 0, topic_id=b"2" * 16), asked={"t", "u"})
    assert image.leader("t", 0) == 2
    assert image.topic_name(b"1" * 16) is None


def test_who_led_before_a_leader_that_is_gone_is_not_believed_either(image: ClusterImage) -> None:
    image.merge(answer(0, 4, brokers=1), asked={"t", "u"})
    assert image.leader("t", 0) == NO_LEADER
    image.merge(answer(0, 4), asked={"t", "u"})
    assert image.leader("t", 0) == NO_LEADER
    image.merge(answer(2, 6), asked={"t", "u"})
    assert image.leader("t", 0) == 2


def test_a_leader_named_by_an_error_is_believed_only_if_it_is_newer_and_known(image: ClusterImage) -> None:
    assert not image.take_leader("t", 0, 2, 5)
    assert not image.take_leader("t", 0, 9, 6)
    assert not image.take_leader("t", 1, 2, 6)
    assert image.take_leader("t", 0, 2, 6)
    assert image.leader("t", 0) == 2


def test_a_topic_that_is_not_named_stays_unless_all_were_asked_for(image: ClusterImage) -> None:
    image.merge(answer(1, 0, name="u"), asked={"t", "u"})
    assert set(image.topics) == {"t", "u"}
    image.merge(answer(1, 0, name="u"), asked=None)
    assert set(image.topics) == {"u"}


def test_what_nobody_has_asked_for_is_not_kept(image: ClusterImage) -> None:
    image.merge(answer(1, 0, name="u"), asked={"t"})
    assert set(image.topics) == {"t"}


def test_partitions_are_known_up_to_the_first_one_that_is_missing(image: ClusterImage) -> None:
    numbers = (2, 0, 1, 1, 5, -1)
    for wrong, count in ((numbers, 0), (numbers[:-1], 2), ((3, 0, 1), 2), ((0, 0), 1)):
        partitions = [MetadataResponsePartition(0, number, 1, 9) for number in wrong]
        topic = MetadataResponseTopic(name="t", topic_id=b"1" * 16, partitions=partitions)
        image.merge(MetadataResponse(topics=[topic]), asked={"t"})
        assert [each.index for each in image.topics["t"].partitions] == list(range(count))


def test_an_error_takes_the_partitions_with_it(image: ClusterImage) -> None:
    image.merge(answer(1, 5, code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION), asked={"t", "u"})
    assert image.topics["t"].error == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert image.leader("t", 0) == NO_LEADER


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("localhost", [("localhost", 9092)]),
        ("a:1, b:2", [("a", 1), ("b", 2)]),
        (["a:1", "b"], [("a", 1), ("b", 9092)]),
        ("[::1]:9094", [("::1", 9094)]),
        ("[::1]", [("::1", 9092)]),
    ],
)
def test_bootstrap_addresses(text: str | list[str], addresses: list[tuple[str, int]]) -> None:
    assert parse_bootstrap(text) == addresses


@pytest.mark.parametrize("text", ["", ",", "a:b", ":9092"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_bootstrap(text)
