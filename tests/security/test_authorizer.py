"""Who may do what: Kafka's rules, case by case, and against a reading of them that takes no short cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_reading import plainly

from odradek.protocol.acl import EVERYBODY, WILDCARD, Acl, Operation, PatternType, Permission, ResourceType
from odradek_broker.security.acl_index import NO_ACLS, AclDraft, AclIndex
from odradek_broker.security.authorizer import Authorizer, Reason, asker, parse_super_users, spellings
from tests.security.acl_texts import acl, index

HOST = "10.0.0.7"
PLAIN = Authorizer()


def may(
    acls: AclIndex,
    operation: str,
    name: str = "orders",
    *,
    kind: str = "TOPIC",
    principal: str = "User:alice",
    host: str = HOST,
    authorizer: Authorizer = PLAIN,
) -> bool:
    return authorizer.decide(acls, asker(principal, host), Operation[operation], ResourceType[kind], name).allowed


def test_without_an_acl_nobody_may_do_anything() -> None:
    assert not may(NO_ACLS, "READ")


def test_a_literal_acl_allows_its_operation_on_its_resource_and_no_other() -> None:
    acls = index("allow User:alice * READ TOPIC LITERAL orders")
    assert may(acls, "READ")
    assert not may(acls, "WRITE")
    assert not may(acls, "READ", "orders2")
    assert not may(acls, "READ", "order")
    assert not may(acls, "READ", kind="GROUP")
    assert not may(acls, "READ", principal="User:bob")


def test_a_prefixed_acl_holds_for_every_name_that_begins_so() -> None:
    acls = index("allow User:alice * READ TOPIC PREFIXED ord")
    assert may(acls, "READ", "orders")
    assert may(acls, "READ", "ord")
    assert not may(acls, "READ", "or")
    assert not may(acls, "READ", "xord")


def test_the_wildcard_holds_for_every_name_of_its_type() -> None:
    acls = index("allow User:alice * READ TOPIC LITERAL *")
    assert may(acls, "READ", "anything")
    assert not may(acls, "READ", kind="GROUP")


@pytest.mark.parametrize(
    "prohibition",
    [
        "deny User:alice * READ TOPIC LITERAL orders",
        "deny User:alice * READ TOPIC PREFIXED o",
        "deny User:alice * READ TOPIC LITERAL *",
        "deny User:* * READ TOPIC LITERAL *",
        "deny User:* 10.0.0.7 ALL TOPIC LITERAL orders",
    ],
)
def test_one_prohibition_wins_over_all_that_allow_it(prohibition: str) -> None:
    allowing = [
        "allow User:alice * READ TOPIC LITERAL orders",
        "allow User:alice * ALL TOPIC LITERAL *",
        "allow User:* * READ TOPIC PREFIXED orders",
    ]
    assert may(index(*allowing), "READ")
    decision = Authorizer().decide(
        index(*allowing, prohibition), asker("User:alice", HOST), Operation.READ, ResourceType.TOPIC, "orders"
    )
    assert not decision.allowed
    assert decision.acl == acl(prohibition)


@pytest.mark.parametrize("operation", ["READ", "WRITE", "DELETE", "ALTER", "ALL", "DESCRIBE"])
def test_describe_is_implied(operation: str) -> None:
    assert may(index(f"allow User:alice * {operation} TOPIC LITERAL orders"), "DESCRIBE")


@pytest.mark.parametrize("operation", ["CREATE", "ALTER_CONFIGS", "DESCRIBE_CONFIGS", "CLUSTER_ACTION"])
def test_describe_is_implied_by_nothing_else(operation: str) -> None:
    assert not may(index(f"allow User:alice * {operation} TOPIC LITERAL orders"), "DESCRIBE")


def test_describing_configs_is_implied_by_altering_them_only() -> None:
    assert may(index("allow User:alice * ALTER_CONFIGS TOPIC LITERAL orders"), "DESCRIBE_CONFIGS")
    assert not may(index("allow User:alice * ALTER TOPIC LITERAL orders"), "DESCRIBE_CONFIGS")


def test_a_prohibition_implies_nothing() -> None:
    acls = index("allow User:alice * ALL TOPIC LITERAL orders", "deny User:alice * READ TOPIC LITERAL orders")
    assert may(acls, "DESCRIBE")
    assert not may(acls, "READ")


def test_an_acl_may_hold_from_one_address_only() -> None:
    acls = index("allow User:alice 10.0.0.7 READ TOPIC LITERAL orders")
    assert may(acls, "READ")
    assert may(acls, "READ", host="::ffff:10.0.0.7")
    assert not may(acls, "READ", host="10.0.0.8")


@pytest.mark.parametrize("spelling", ["::1", "0:0:0:0:0:0:0:1"])
def test_an_ipv6_address_is_known_as_it_is_written_here_and_in_java(spelling: str) -> None:
    assert may(index(f"allow User:alice {spelling} READ TOPIC LITERAL orders"), "READ", host="::1")
    assert spellings("2001:db8::10") == ("2001:db8::10", "2001:db8:0:0:0:0:0:10")


def test_an_acl_for_everybody_holds_for_each() -> None:
    assert may(index("allow User:* * READ TOPIC LITERAL orders"), "READ", principal="User:somebody")


def test_a_super_user_may_do_what_is_prohibited() -> None:
    acls = index("deny User:* * ALL TOPIC LITERAL *")
    authorizer = Authorizer(parse_super_users("User:root; User:CN=a,O=b ;"))
    assert may(acls, "DELETE", principal="User:root", authorizer=authorizer)
    assert may(acls, "DELETE", principal="User:CN=a,O=b", authorizer=authorizer)
    assert not may(acls, "DELETE", authorizer=authorizer)


def test_a_super_user_is_a_type_and_a_name() -> None:
    with pytest.raises(ValueError, match="User:NAME"):
        parse_super_users("User:root;admin")


def test_everybody_may_use_what_no_acl_speaks_of_if_that_is_set() -> None:
    authorizer = Authorizer(allow_everyone_if_no_acl_found=True)
    acls = index("allow User:bob * READ TOPIC PREFIXED ord")
    assert may(acls, "READ", "free", authorizer=authorizer)
    assert not may(acls, "READ", "orders", authorizer=authorizer)


def test_a_resource_whose_last_acl_is_gone_is_spoken_of_no_more() -> None:
    draft = AclDraft(index("allow User:bob * READ TOPIC PREFIXED ord", "allow User:bob * WRITE TOPIC PREFIXED ord"))
    draft.remove(bytes(16))
    once = draft.index()
    draft = AclDraft(once)
    draft.remove((1).to_bytes(16, "big"))
    authorizer = Authorizer(allow_everyone_if_no_acl_found=True)
    assert not may(once, "READ", authorizer=authorizer)
    assert may(draft.index(), "READ", authorizer=authorizer)
    assert draft.index() == NO_ACLS


def test_a_draft_leaves_the_index_that_it_comes_from_as_it_was() -> None:
    old = index("allow User:alice * READ TOPIC LITERAL orders")
    draft = AclDraft(old)
    draft.add(b"x" * 16, acl("allow User:alice * READ TOPIC PREFIXED p"))
    draft.remove(bytes(16))
    assert old == index("allow User:alice * READ TOPIC LITERAL orders")
    assert may(old, "READ")
    assert not may(draft.index(), "READ")


# --------------------------------------------------------------------------------------- against a plain reading of it

PRINCIPALS = st.sampled_from(["User:a", "User:b", EVERYBODY])
HOSTS = st.sampled_from(["1.1.1.1", "2.2.2.2", WILDCARD])
NAMES = st.sampled_from(["a", "ab", "abc", "b", "*", "*x"])
TYPES = st.sampled_from([ResourceType.TOPIC, ResourceType.GROUP])
ASKED = st.sampled_from([o for o in Operation if o > Operation.ALL])
GRANTED = st.sampled_from([o for o in Operation if o >= Operation.ALL])
ACLS = st.builds(
    Acl,
    TYPES,
    NAMES,
    st.sampled_from([PatternType.LITERAL, PatternType.PREFIXED]),
    PRINCIPALS,
    HOSTS,
    GRANTED,
    st.sampled_from([Permission.DENY, Permission.ALLOW]),
)


@given(st.sets(ACLS, max_size=12), st.data(), st.booleans())
def test_decisions_are_those_of_a_plain_reading(acls: set[Acl], data: st.DataObject, open_by_default: bool) -> None:
    draft = AclDraft(NO_ACLS)
    kept = set()
    for number, each in enumerate(acls):
        draft.add(number.to_bytes(16, "big"), each)
    for number, each in enumerate(acls):
        if data.draw(st.booleans()):
            draft.remove(number.to_bytes(16, "big"))
        else:
            kept.add(each)
    found, authorizer = draft.index(), Authorizer(frozenset(), open_by_default)
    assert set(found.by_id.values()) == kept
    assert all(found.has(each) == (each in kept) for each in acls)
    principal, host = data.draw(st.sampled_from(["User:a", "User:b", "User:c"])), data.draw(HOSTS)
    operation, kind, name = data.draw(ASKED), data.draw(TYPES), data.draw(NAMES)
    expected = plainly(kept, principal, host, operation, kind, name)
    decision = authorizer.decide(found, asker(principal, host), operation, kind, name)
    assert decision.allowed == (open_by_default if expected is None else expected)
    assert (decision.reason is Reason.NOBODY_SPEAKS_OF_IT) == (expected is None)
    assert decision.acl is None or decision.acl in kept


def any_plainly(acls: set[Acl], principal: str, host: str, operation: Operation, kind: int) -> bool:
    """Whether there is a name, of all that could be, which is allowed and not denied. Without implied operations."""
    names = {one.resource_name for one in acls if one.resource_name != WILDCARD}
    candidates = names | {f"{name}~" for name in names} | {"~"}
    bare = {one for one in acls if one.operation in (operation, Operation.ALL)}
    return any(plainly(bare, principal, host, operation, kind, name) for name in candidates)


@given(st.sets(ACLS, max_size=12), st.sampled_from(["User:a", "User:c"]), HOSTS, st.sampled_from([Operation.WRITE]))
def test_any_resource_at_all_is_found_where_there_is_one(
    acls: set[Acl], principal: str, host: str, operation: Operation
) -> None:
    plain_names = {one for one in acls if not one.resource_name.startswith("*") or one.resource_name == WILDCARD}
    tame = {one for one in plain_names if (one.resource_name, one.pattern_type) != (WILDCARD, PatternType.PREFIXED)}
    draft = AclDraft(NO_ACLS)
    for number, each in enumerate(tame):
        draft.add(number.to_bytes(16, "big"), each)
    found = Authorizer().decide_any(draft.index(), asker(principal, host), operation, ResourceType.TOPIC)
    assert found.allowed == any_plainly(tame, principal, host, operation, ResourceType.TOPIC)


def test_the_number_of_look_ups_does_not_grow_with_the_number_of_acls() -> None:
    """Counted, not timed: what a decision looks at is the same with ten ACLs and with ten thousand."""

    def looked_at(count: int) -> int:
        draft = AclDraft(NO_ACLS)
        for number in range(count):
            text = f"allow User:u{number} 10.0.{number % 250}.1 READ TOPIC LITERAL t{number % 7}"
            draft.add(number.to_bytes(16, "big"), acl(text))
        found = draft.index()
        counting = Counting(found.grants)
        Authorizer().decide(
            AclIndex(
                by_id={},
                patterns=found.patterns,
                grants=counting,
                patterns_of=found.patterns_of,
                prefix_lengths=found.prefix_lengths,
            ),
            asker("User:u3", HOST),
            Operation.READ,
            ResourceType.TOPIC,
            "t3",
        )
        return counting.count

    assert looked_at(10) == looked_at(10_000) == 4


class Counting(dict):  # type: ignore[type-arg]
    count = 0

    def get(self, key: object, default: object = None) -> object:
        self.count += 1
        return super().get(key, default)

    def __iter__(self) -> object:  # type: ignore[override]
        raise AssertionError("a decision looks up, and does not search")
