"""What a connection may do is decided by the ACLs as they are now, and remembered for as long as they are these."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
from msgspec import structs

from odradek.protocol.acl import Operation, ResourceType
from odradek_broker.apis.permissions import asking
from odradek_broker.apis.permissions.asking import Asking, Audit, Node
from odradek_broker.controller.image import MetadataImage
from odradek_broker.security.acl_index import AclIndex
from odradek_broker.security.authorizer import Authorizer, Decision
from odradek_broker.security.principal import Principal
from tests.security.acl_texts import index

READ, TOPIC = Operation.READ, ResourceType.TOPIC
ALICE = Principal("User", "alice")


class Notes:
    """An audit log that a test can read."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bool]] = []
        self.requests: list[str] = []

    def note(
        self, principal: str, host: str, request: str, operation: int, kind: int, name: str, decision: Decision
    ) -> None:
        self.seen.append((name, decision.allowed))
        self.requests.append(request)


def node(acls: AclIndex) -> SimpleNamespace:
    return SimpleNamespace(image=structs.replace(MetadataImage(cluster_id="test"), acls=acls))


def asking_of(node: SimpleNamespace, audit: Audit | None = None) -> Asking:
    return Asking(Authorizer(), ALICE, ("10.0.0.7", 1234), cast("Node", node), audit)


def test_a_permission_that_is_taken_back_is_gone_with_the_next_image() -> None:
    own = node(index("allow User:alice * READ TOPIC LITERAL t"))
    asked = asking_of(own)
    assert asked.may(READ, TOPIC, "t")
    assert asked.may(READ, TOPIC, "t")
    own.image = structs.replace(own.image, acls=index())
    assert not asked.may(READ, TOPIC, "t")
    own.image = structs.replace(own.image, acls=index("allow User:alice * READ TOPIC LITERAL t"))
    assert asked.may(READ, TOPIC, "t")


def test_what_is_remembered_is_forgotten_with_the_next_image() -> None:
    own = node(index("allow User:alice * READ TOPIC LITERAL t"))
    asked = asking_of(own)
    assert not asked.remembers(READ, TOPIC, "t")
    assert asked.may(READ, TOPIC, "t")
    assert asked.remembers(READ, TOPIC, "t")
    assert not asked.remembers(READ, TOPIC, "u")
    own.image = structs.replace(own.image, acls=index("allow User:alice * READ TOPIC LITERAL u"))
    assert not asked.remembers(READ, TOPIC, "t")


def test_no_thread_finds_new_acls_beside_what_others_have_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long requests are looked into by workers: another may look between any two steps of this one."""
    seen: list[bool] = []

    class Watched(asking.Memory):
        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            seen.append(asked is not None and asked.remembers(READ, TOPIC, "t"))

    asked: Asking | None = None
    monkeypatch.setattr(asking, "Memory", Watched)
    own = node(index("allow User:alice * READ TOPIC LITERAL t"))
    asked = asking_of(own)
    assert asked.may(READ, TOPIC, "t")
    own.image = structs.replace(own.image, acls=index())
    seen.clear()
    assert not asked.may(READ, TOPIC, "t")
    assert seen
    assert not any(seen)


def test_an_allowance_is_noted_once_and_a_refusal_every_time() -> None:
    notes = Notes()
    asked = asking_of(node(index("allow User:alice * READ TOPIC LITERAL t")), notes)
    for _ in range(3):
        asked.may(READ, TOPIC, "t")
        asked.may(READ, TOPIC, "u")
        asked.may(READ, TOPIC, "v", quietly=True)
    assert notes.seen == [("t", True), ("u", False), ("u", False), ("u", False)]


def test_no_more_permissions_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "MAX_REMEMBERED", 3)
    notes = Notes()
    asked = asking_of(node(index("allow User:alice * READ TOPIC LITERAL *")), notes)
    for name in "abcde" * 2:
        assert asked.may(READ, TOPIC, name)
        assert len(asked._memory.known[1]) <= 4
    assert len(notes.seen) == 10


def test_a_name_that_is_longer_than_any_that_is_used_is_not_kept() -> None:
    asked = asking_of(node(index("allow User:alice * READ TOPIC PREFIXED t")))
    assert asked.may(READ, TOPIC, "t" * 249) and asked.remembers(READ, TOPIC, "t" * 249)
    assert asked.may(READ, TOPIC, "t" * 30_000) and not asked.remembers(READ, TOPIC, "t" * 30_000)


def test_who_reads_thousands_of_topics_in_turn_is_asked_for_each_of_them_once() -> None:
    notes = Notes()
    asked = asking_of(node(index("allow User:alice * READ TOPIC PREFIXED t")), notes)
    for _ in range(3):
        assert all(asked.may(READ, TOPIC, f"t-{number}") for number in range(5_000))
    assert len(notes.seen) == 5_000


def test_what_is_asked_late_is_noted_in_the_name_of_its_own_request() -> None:
    """A handler may ask when the next request of its connection has long been read."""
    notes = Notes()
    asked = asking_of(node(index("allow User:alice * READ TOPIC LITERAL *")), notes)
    first, second = asked.about("ListGroups"), asked.about("Produce")
    assert not second.may(READ, ResourceType.GROUP, "g")
    assert not first.may(READ, ResourceType.GROUP, "g")
    assert notes.requests == ["Produce", "ListGroups"]


def test_what_one_request_was_allowed_is_remembered_for_every_other_and_each_has_one_asking() -> None:
    notes = Notes()
    asked = asking_of(node(index("allow User:alice * READ TOPIC LITERAL *")), notes)
    assert asked.about("Fetch").may(READ, TOPIC, "t") and asked.about("OffsetCommit").may(READ, TOPIC, "t")
    assert notes.requests == ["Fetch"]
    assert asked.about("Fetch") is asked.about("Fetch")
