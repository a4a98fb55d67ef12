"""Quotas are set, taken back and found as Apache Kafka 4.4.0 does it."""

from __future__ import annotations

import math

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages import metadata_records
from odradek.protocol.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasRequestEntryData,
    EntityData,
    OpData,
)
from odradek.protocol.messages.describe_client_quotas import ComponentData, DescribeClientQuotasRequest
from odradek.protocol.messages.metadata_records import ClientQuotaRecord
from odradek_broker.controller import quotas
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.quotas import alter_client_quotas, describe_client_quotas
from odradek_broker.controller.replay import replay
from odradek_broker.security.quotas import connection_limit

EMPTY = MetadataImage(cluster_id="test")
ALICE = [EntityData("user", "alice")]
RATE = OpData("producer_byte_rate", 1000.0)


def entry(entity: list[EntityData], *ops: OpData) -> AlterClientQuotasRequestEntryData:
    return AlterClientQuotasRequestEntryData(entity, ops)


def altered(
    image: MetadataImage, *entries: AlterClientQuotasRequestEntryData, validate_only: bool = False
) -> tuple[MetadataImage, list[int]]:
    result = alter_client_quotas(image, AlterClientQuotasRequest(entries, validate_only))
    return replay(image, result.records), [each.error_code for each in result.response.entries]


def test_a_quota_is_set_changed_and_taken_back() -> None:
    image, errors = altered(EMPTY, entry(ALICE, RATE, OpData("request_percentage", 12.5)))
    assert errors == [ErrorCode.NONE]
    assert image.quotas == {(("user", "alice"),): {"producer_byte_rate": 1000.0, "request_percentage": 12.5}}
    again = alter_client_quotas(image, AlterClientQuotasRequest([entry(ALICE, RATE)]))
    assert again.records == []
    removals = [OpData(key, 0.0, True) for key in ("producer_byte_rate", "consumer_byte_rate")]
    image, _ = altered(image, entry(ALICE, *removals))
    assert image.quotas == {(("user", "alice"),): {"request_percentage": 12.5}}
    image, _ = altered(image, entry(ALICE, OpData("request_percentage", 0.0, True)))
    assert image.quotas == EMPTY.quotas


def test_validation_alone_changes_nothing() -> None:
    image, errors = altered(EMPTY, entry(ALICE, RATE), validate_only=True)
    assert (image.quotas, errors) == ({}, [ErrorCode.NONE])


@pytest.mark.parametrize(
    "wrong",
    [
        entry([], RATE),
        entry([EntityData("host", "a")], RATE),
        entry([EntityData("user", "a"), EntityData("user", "b")], RATE),
        entry([EntityData("ip", "10.0.0.1"), EntityData("user", "a")], RATE),
        entry([EntityData("ip", "no address")], OpData("connection_creation_rate", 1.0)),
        entry([EntityData("ip", "10.0.0.1")], RATE),
        entry([EntityData("user", "b")], OpData("connection_creation_rate", 1.0)),
        entry([EntityData("user", "b")], OpData("no_such_rate", 1.0)),
        entry([EntityData("user", "b")], OpData("producer_byte_rate", 0.0)),
        entry([EntityData("user", "b")], OpData("producer_byte_rate", -1.0)),
        entry([EntityData("user", "b")], OpData("producer_byte_rate", math.nan)),
        entry([EntityData("user", "b")], OpData("producer_byte_rate", 1.5)),
        entry([EntityData("ip", None)], OpData("connection_creation_rate", 2.0**31)),
        entry([EntityData("user", "b")], RATE, RATE),
        entry([EntityData("user", "")], RATE),
    ],
)
def test_a_bad_entry_is_refused_and_its_neighbour_is_set(wrong: AlterClientQuotasRequestEntryData) -> None:
    image, errors = altered(EMPTY, wrong, entry(ALICE, RATE))
    assert errors == [ErrorCode.INVALID_REQUEST, ErrorCode.NONE]
    assert list(image.quotas) == [(("user", "alice"),)]


def test_no_more_entities_than_that_have_quotas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotas, "MAX_ENTITIES", 1)
    image, _ = altered(EMPTY, entry(ALICE, RATE))
    _, errors = altered(
        image, entry([EntityData("user", "bob")], RATE), entry(ALICE, OpData("producer_byte_rate", 5.0))
    )
    assert errors == [ErrorCode.POLICY_VIOLATION, ErrorCode.NONE]


ENTITIES = [
    [EntityData("user", "alice")],
    [EntityData("user", None)],
    [EntityData("user", "alice"), EntityData("client-id", "app")],
    [EntityData("client-id", None)],
]


@pytest.mark.parametrize(
    ("components", "strict", "found"),
    [
        ([], False, 4),
        ([], True, 0),
        ([ComponentData("user", 0, "alice")], False, 2),
        ([ComponentData("user", 0, "alice")], True, 1),
        ([ComponentData("user", 1, None)], False, 1),
        ([ComponentData("user", 2, None)], False, 3),
        ([ComponentData("user", 2, None), ComponentData("client-id", 0, "app")], True, 1),
        ([ComponentData("ip", 2, None)], False, 0),
    ],
)
def test_a_filter_finds_entities_that_have_what_it_names(
    components: list[ComponentData], strict: bool, found: int
) -> None:
    image, _ = altered(EMPTY, *(entry(entity, RATE) for entity in ENTITIES))
    answer = describe_client_quotas(image.quotas, DescribeClientQuotasRequest(components, strict))
    assert answer.error_code == 0
    assert len(answer.entries or ()) == found


@pytest.mark.parametrize(
    ("components", "error"),
    [
        ([ComponentData("host", 2, None)], ErrorCode.UNSUPPORTED_VERSION),
        ([ComponentData("", 2, None)], ErrorCode.INVALID_REQUEST),
        ([ComponentData("user", 2, None)] * 2, ErrorCode.INVALID_REQUEST),
        ([ComponentData("user", 0, None)], ErrorCode.INVALID_REQUEST),
        ([ComponentData("user", 1, "a")], ErrorCode.INVALID_REQUEST),
        ([ComponentData("user", 3, None)], ErrorCode.INVALID_REQUEST),
        ([ComponentData("user", 2, None), ComponentData("ip", 2, None)], ErrorCode.INVALID_REQUEST),
    ],
)
def test_a_filter_that_contradicts_itself_is_refused(components: list[ComponentData], error: ErrorCode) -> None:
    answer = describe_client_quotas({}, DescribeClientQuotasRequest(components))
    assert (answer.error_code, answer.entries) == (error, None)


def test_an_address_is_the_same_however_it_is_written() -> None:
    rate = OpData("connection_creation_rate", 5.0)
    image, errors = altered(EMPTY, entry([EntityData("ip", "::ffff:10.0.0.7")], rate))
    assert errors == [ErrorCode.NONE]
    assert connection_limit(image.quotas, "10.0.0.7") == 5.0
    for name in ("10.0.0.7", "::ffff:a00:7"):
        wanted = DescribeClientQuotasRequest([ComponentData("ip", 0, name)], True)
        assert len(describe_client_quotas(image.quotas, wanted).entries or ()) == 1
    image, _ = altered(image, entry([EntityData("ip", "10.0.0.7")], OpData("connection_creation_rate", 0.0, True)))
    assert not image.quotas


def test_a_journal_in_which_an_address_was_removed_by_two_spellings_is_replayed() -> None:
    """As builds have written it for which these were two addresses."""
    names = ("::ffff:10.0.0.7", "10.0.0.7")
    spelled = [[metadata_records.EntityData("ip", name)] for name in names]
    made = [ClientQuotaRecord(each, "connection_creation_rate", 5.0, False) for each in spelled]
    removed = [ClientQuotaRecord(each, "connection_creation_rate", 0.0, True) for each in spelled]
    assert not replay(EMPTY, [*made, *removed]).quotas
