"""Users that log in by SCRAM, as the controller keeps them: Kafka's rules, records, replay and snapshot."""

from __future__ import annotations

import random

import pytest

from odradek.protocol.errors import ErrorCode
from odradek.protocol.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    ScramCredentialDeletion,
    ScramCredentialUpsertion,
)
from odradek.protocol.sasl.scram import salted_password, scram_keys
from odradek_broker.config import load_broker_config
from odradek_broker.controller import scram_users
from odradek_broker.controller.image import MetadataImage
from odradek_broker.controller.replay import replay
from odradek_broker.controller.scram_users import SECRET_BYTES, alter_scram_users, first_users
from odradek_broker.controller.snapshot import records_of

SHA_256, SHA_512 = 1, 2
EMPTY = MetadataImage(cluster_id="c")
SALTED = salted_password("SCRAM-SHA-256", "secret", b"salt", 4096)


def upsert(name: str, mechanism: int = SHA_256, iterations: int = 4096) -> ScramCredentialUpsertion:
    return ScramCredentialUpsertion(name, mechanism, iterations, b"salt", SALTED)


def alter(
    image: MetadataImage,
    *changes: ScramCredentialUpsertion | ScramCredentialDeletion,
    random: random.Random = random.Random(1),  # noqa: B008
) -> tuple[MetadataImage, dict[str, int]]:
    deletions = [each for each in changes if isinstance(each, ScramCredentialDeletion)]
    upsertions = [each for each in changes if isinstance(each, ScramCredentialUpsertion)]
    result = alter_scram_users(image, AlterUserScramCredentialsRequest(deletions, upsertions), random)
    return replay(image, result.records), {each.user: each.error_code for each in result.response.results}


def test_of_a_password_only_keys_are_kept_and_a_snapshot_has_them_all() -> None:
    image, answers = alter(EMPTY, upsert("alice"), upsert("alice", SHA_512), upsert("bob"))
    assert answers == {"alice": 0, "bob": 0}
    assert image.scram[(SHA_256, "bob")] == scram_keys("SCRAM-SHA-256", SALTED, b"salt", 4096)
    assert image.scram.keys() == {(SHA_256, "alice"), (SHA_512, "alice"), (SHA_256, "bob")}
    assert replay(EMPTY, records_of(image)).scram == image.scram


def test_a_user_that_is_deleted_is_gone_by_that_mechanism_only() -> None:
    image, _ = alter(EMPTY, upsert("alice"), upsert("alice", SHA_512))
    image, answers = alter(image, ScramCredentialDeletion("alice", SHA_256), ScramCredentialDeletion("bob", SHA_256))
    assert answers == {"alice": 0, "bob": ErrorCode.RESOURCE_NOT_FOUND}
    assert image.scram.keys() == {(SHA_512, "alice")}


def test_a_new_password_takes_the_place_of_the_old_one() -> None:
    image, _ = alter(EMPTY, upsert("alice"))
    image, _ = alter(image, upsert("alice", iterations=8192))
    assert image.scram[(SHA_256, "alice")].iterations == 8192


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (upsert(""), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (upsert("x" * 5000), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (upsert("a", 0), ErrorCode.UNSUPPORTED_SASL_MECHANISM),
        (upsert("a", 3), ErrorCode.UNSUPPORTED_SASL_MECHANISM),
        (upsert("a", iterations=4095), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (upsert("a", iterations=16_385), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (ScramCredentialUpsertion("a", SHA_256, 4096, b"", SALTED), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (ScramCredentialUpsertion("a", SHA_256, 4096, b"s" * 1025, SALTED), ErrorCode.UNACCEPTABLE_CREDENTIAL),
        (ScramCredentialDeletion("a", 9), ErrorCode.UNSUPPORTED_SASL_MECHANISM),
    ],
)
def test_what_is_refused_changes_nothing(
    change: ScramCredentialUpsertion | ScramCredentialDeletion, error: ErrorCode
) -> None:
    image, answers = alter(EMPTY, change, upsert("good"))
    assert answers == {change.name: error, "good": 0}
    assert image.scram.keys() == {(SHA_256, "good")}


def test_a_user_that_is_named_twice_is_left_as_it_was() -> None:
    image, answers = alter(EMPTY, upsert("a"), upsert("a"), upsert("a", SHA_512), ScramCredentialDeletion("a", SHA_512))
    assert answers == {"a": ErrorCode.DUPLICATE_RESOURCE}
    assert not image.scram


def test_a_new_cluster_begins_with_the_users_that_its_settings_name() -> None:
    config = load_broker_config(
        None, {}, {"bootstrap.scram.users": "SCRAM-SHA-512=[name=admin,password=pencil]"}
    ).config
    (keys,) = replay(EMPTY, first_users(config, random.Random(1))).scram.values()
    assert keys == scram_keys(
        "SCRAM-SHA-512", salted_password("SCRAM-SHA-512", "pencil", keys.salt, 4096), keys.salt, 4096
    )
    assert "pencil" not in repr(config)


@pytest.mark.parametrize(("bound", "most"), [("MAX_CREDENTIALS", 2), ("MAX_TOTAL_LENGTH", len("alicesaltbobsalt"))])
def test_no_more_credentials_than_there_is_room_for_and_those_that_are_there_can_change(
    monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(scram_users, bound, most)
    image, answers = alter(EMPTY, upsert("alice"), upsert("bob"))
    assert answers == {"alice": 0, "bob": 0}
    image, answers = alter(image, upsert("carol"), upsert("alice", iterations=8192))
    assert answers == {"carol": ErrorCode.UNACCEPTABLE_CREDENTIAL, "alice": 0}
    assert image.scram.keys() == {(SHA_256, "alice"), (SHA_256, "bob")}
    image, _ = alter(image, ScramCredentialDeletion("bob", SHA_256))
    assert alter(image, upsert("bob"))[1] == {"bob": 0}


def test_all_brokers_and_all_their_lives_make_salts_of_nobody_of_one_secret() -> None:
    image, _ = alter(EMPTY, upsert("alice"))
    assert len(image.salts_of_nobody) == SECRET_BYTES
    later, _ = alter(image, upsert("bob"), ScramCredentialDeletion("alice", SHA_256))
    assert later.salts_of_nobody == image.salts_of_nobody == replay(EMPTY, records_of(later)).salts_of_nobody
    assert {user for _, user in later.scram} == {"bob"}


def test_the_secret_of_one_cluster_is_not_that_of_another_and_nobody_has_one_without_users() -> None:
    image, _ = alter(EMPTY, ScramCredentialDeletion("alice", SHA_256))
    assert not image.salts_of_nobody
    made = {alter(EMPTY, upsert("alice"), random=random.Random(seed))[0].salts_of_nobody for seed in range(3)}
    assert len(made) == 3
