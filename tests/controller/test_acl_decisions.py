"""ACLs are made, found and taken back as Apache Kafka 4.4.0 does it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from msgspec import Struct, structs

from odradek.protocol.acl import Operation, PatternType, Permission, ResourceType
from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.create_acls import AclCreation, CreateAclsRequest
from odradek.protocol.messages.delete_acls import DeleteAclsFilter, DeleteAclsRequest, DeleteAclsResponse
from odradek_broker.controller import acls
from odradek_broker.controller.acls import create_acls, delete_acls
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay

EMPTY = MetadataImage(cluster_id="test")
READ = AclCreation(
    ResourceType.TOPIC, "orders", PatternType.LITERAL, "User:alice", "*", Operation.READ, Permission.ALLOW
)
EVERYTHING = DeleteAclsFilter(ResourceType.ANY, None, PatternType.ANY, None, None, Operation.ANY, Permission.ANY)


def creating(image: MetadataImage, *creations: AclCreation) -> tuple[list[Struct], list[int]]:
    result = create_acls(image, CreateAclsRequest(creations), Random(1).randbytes)
    return result.records, [each.error_code for each in result.response.results]


def made(*creations: AclCreation) -> MetadataImage:
    records, errors = creating(EMPTY, *creations)
    assert not any(errors)
    return replay(EMPTY, records)


def deleting(image: MetadataImage, *filters: DeleteAclsFilter) -> tuple[MetadataImage, DeleteAclsResponse]:
    result = delete_acls(image, DeleteAclsRequest(filters))
    return replay(image, result.records), result.response


def names(response: DeleteAclsResponse) -> Sequence[Sequence[str]]:
    return [sorted(each.resource_name for each in result.matching_acls) for result in response.filter_results]


def test_an_acl_that_is_there_is_made_again_without_a_record() -> None:
    image = made(READ)
    assert creating(image, READ, READ) == ([], [0, 0])
    records, errors = creating(EMPTY, READ, READ)
    assert (len(records), errors) == (1, [0, 0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"resource_type": 0},
        {"resource_type": ResourceType.ANY},
        {"resource_type": 99},
        {"resource_name": ""},
        {"resource_type": ResourceType.CLUSTER},
        {"resource_pattern_type": PatternType.MATCH},
        {"resource_pattern_type": PatternType.ANY},
        {"operation": Operation.ANY},
        {"operation": 0},
        {"operation": 16},
        {"permission_type": Permission.ANY},
        {"principal": "alice"},
        {"host": ""},
        {"principal": "u" * 40_000},
    ],
)
def test_a_bad_entry_is_refused_and_its_neighbours_are_made(wrong: dict[str, object]) -> None:
    records, errors = creating(EMPTY, structs.replace(READ, **wrong), READ)
    assert errors == [ErrorCode.INVALID_REQUEST, ErrorCode.NONE]
    assert len(records) == 1


def test_what_a_filter_finds_is_gone_and_told() -> None:
    image = made(READ, structs.replace(READ, resource_name="other"), structs.replace(READ, principal="User:bob"))
    left, response = deleting(image, structs.replace(EVERYTHING, principal_filter="User:alice"))
    assert names(response) == [["orders", "other"]]
    assert [each.principal for each in left.acls.by_id.values()] == ["User:bob"]


def test_two_filters_may_find_the_same_acl() -> None:
    left, response = deleting(made(READ), EVERYTHING, EVERYTHING)
    assert names(response) == [["orders"], ["orders"]]
    assert left.acls == EMPTY.acls


@pytest.mark.parametrize(
    ("pattern", "name", "found"),
    [
        (PatternType.ANY, None, ["*", "ord", "orders", "orders"]),
        (PatternType.ANY, "orders", ["orders", "orders"]),
        (PatternType.LITERAL, "orders", ["orders"]),
        (PatternType.PREFIXED, "orders", ["orders"]),
        (PatternType.PREFIXED, None, ["ord", "orders"]),
        (PatternType.MATCH, "orders", ["*", "ord", "orders", "orders"]),
        (PatternType.MATCH, "ordinary", ["*", "ord"]),
        (PatternType.LITERAL, "*", ["*"]),
    ],
)
def test_a_filter_means_patterns_of_a_name_or_those_that_speak_of_it(
    pattern: int, name: str | None, found: list[str]
) -> None:
    prefixed = structs.replace(READ, resource_pattern_type=PatternType.PREFIXED)
    image = made(
        READ, prefixed, structs.replace(prefixed, resource_name="ord"), structs.replace(READ, resource_name="*")
    )
    chosen = structs.replace(EVERYTHING, pattern_type_filter=pattern, resource_name_filter=name)
    assert names(deleting(image, chosen)[1]) == [found]


@pytest.mark.parametrize(
    "wrong", [{"resource_type_filter": 0}, {"pattern_type_filter": 0}, {"operation": 0}, {"permission_type": 77}]
)
def test_a_filter_with_unknown_parts_is_refused(wrong: dict[str, int]) -> None:
    left, response = deleting(made(READ), structs.replace(EVERYTHING, **wrong))
    assert [each.error_code for each in response.filter_results] == [ErrorCode.INVALID_REQUEST]
    assert len(left.acls) == 1


def test_a_request_with_too_many_changes_makes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acls, "MAX_CHANGES", 2)
    many = [structs.replace(READ, resource_name=f"t{number}") for number in range(3)]
    assert creating(EMPTY, *many) == ([], [ErrorCode.POLICY_VIOLATION] * 3)
    image = made(*many[:2])
    image = replay(image, creating(image, many[2])[0])
    left, response = deleting(image, EVERYTHING)
    assert left.acls == image.acls
    assert response.filter_results[0].error_code == ErrorCode.POLICY_VIOLATION


@pytest.mark.parametrize(("bound", "most"), [("MAX_ACLS", 2), ("MAX_TOTAL_LENGTH", 40)])
def test_what_would_be_too_much_in_all_is_refused_as_a_whole(
    bound: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acls, bound, most)
    image = made(READ)
    many = [structs.replace(READ, resource_name=f"topic-{number}") for number in range(2)]
    assert creating(image, *many) == ([], [ErrorCode.POLICY_VIOLATION] * 2)
    assert creating(image, READ) == ([], [ErrorCode.NONE])
    assert creating(image, many[0])[1] == [ErrorCode.NONE]


def test_an_id_is_never_given_twice() -> None:
    records, _ = creating(EMPTY, READ)
    image = replay(EMPTY, records)
    again = create_acls(image, CreateAclsRequest([structs.replace(READ, host="::1")]), Random(1).randbytes)
    assert len(replay(image, again.records).acls) == 2
