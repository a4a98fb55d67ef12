"""Whether one caller may do one thing.

Allowed decisions are remembered while the ACLs are what they were, so that a producer's or a consumer's next request
costs one look into a dictionary. Refusals are decided anew, and noted anew. Requests of a connection are at work at the
same time, each in the name of its own API: what they are allowed is remembered for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Protocol

from odradek.protocol.acl import CLUSTER_NAME, OPERATIONS, Operation, ResourceType, operation_bits
from odradek.protocol.errors import ErrorCode
from odradek_broker.security.acl_index import AclIndex
from odradek_broker.security.authorizer import Authorizer, Decision, Reason, asker

if TYPE_CHECKING:
    from odradek_broker.config import BrokerConfig
    from odradek_broker.controller.image import MetadataImage, TopicImage
    from odradek_broker.ports.network import Address
    from odradek_broker.security.principal import Principal

MAX_REMEMBERED = 10_000
"""More than the topics of a connection: whoever reads more of them in turn would have each decided anew."""
LONGEST_REMEMBERED = 249
"""Characters of a name, as of a topic's: who may use whatever has a prefix could have us keep gigabytes."""


class Audit(Protocol):
    """Keeps what was decided."""

    def note(
        self,
        principal: str,
        host: str,
        request: str,
        operation: int,
        resource_type: int,
        name: str,
        decision: Decision,
    ) -> None: ...


class Node(Protocol):
    """What is known of the topics: a Broker."""

    @property
    def config(self) -> BrokerConfig: ...

    @property
    def image(self) -> MetadataImage: ...


class Calling(Protocol):
    """Who is at the other end of a connection: a Caller."""

    peer: Address
    principal: Principal
    asking: Asking | None


class NotPermitted(Exception):
    """The request as a whole is refused."""

    def __init__(self, error: ErrorCode) -> None:
        super().__init__(error.sentence)
        self.error = error


class Memory:
    """What one caller has been allowed, as long as the ACLs are what they were. Of any thread."""

    def __init__(self) -> None:
        self.known: tuple[AclIndex | None, set[tuple[int, int, str]]] = None, set()
        """By which ACLs, and what. Both are one value: a worker that found what these ACLs had allowed beside the next
        ones would allow it by those."""


class Asking:
    """On behalf of one principal, from one address. Made for a connection, and anew when another one has logged in."""

    def __init__(
        self, authorizer: Authorizer, principal: Principal, peer: Address, node: Node, audit: Audit | None = None
    ) -> None:
        self.principal = principal
        self.host = peer[0]
        self._asker = asker(str(principal), self.host)
        self._authorizer = authorizer
        self._node = node
        self._audit = audit
        self._memory = Memory()
        self._request = ""
        """The name of the API that is asked, for the audit log."""
        self._by_request: dict[str, Asking] = {}

    def about(self, request: str) -> Asking:
        """The same caller, in the name of that API. One for each API: it is the same for the next request."""
        found = self._by_request.get(request)
        if found is None:
            found = self._by_request[request] = copy(self)
            found._request = request
        return found

    def may(self, operation: int, resource_type: int, name: str, *, quietly: bool = False) -> bool:
        """`quietly`: a refusal is nobody's fault, as there is another way."""
        acls = self._node.image.acls
        decided_by, allowed = self._memory.known
        if acls is not decided_by or len(allowed) > MAX_REMEMBERED:
            allowed = set()
            self._memory.known = acls, allowed
        asked = (operation, resource_type, name)
        if asked in allowed:
            return True
        decision = self._authorizer.decide(acls, self._asker, operation, resource_type, name)
        if decision.allowed and len(name) <= LONGEST_REMEMBERED:
            allowed.add(asked)
        self._note(operation, resource_type, name, decision, quietly=quietly)
        return decision.allowed

    def remembers(self, operation: int, resource_type: int, name: str | None) -> bool:
        """Whether it was allowed before, and nothing has changed since."""
        decided_by, allowed = self._memory.known
        return self._node.image.acls is decided_by and (operation, resource_type, name) in allowed

    def is_by_default(
        self, operation: int, resource_type: int = ResourceType.CLUSTER, name: str = CLUSTER_NAME
    ) -> bool:
        """Whether it may be done only because no ACL speaks of that."""
        if not self._authorizer.allow_everyone_if_no_acl_found:
            return False
        acls = self._node.image.acls
        decision = self._authorizer.decide(acls, self._asker, operation, resource_type, name)
        return decision.allowed and decision.reason is Reason.NOBODY_SPEAKS_OF_IT

    def may_any(self, operation: int, resource_type: int) -> bool:
        """With at least one resource of the type."""
        decision = self._authorizer.decide_any(self._node.image.acls, self._asker, operation, resource_type)
        self._note(operation, resource_type, "*", decision, quietly=False)
        return decision.allowed

    def may_cluster(self, operation: int, *, quietly: bool = False) -> bool:
        return self.may(operation, ResourceType.CLUSTER, CLUSTER_NAME, quietly=quietly)

    def may_know(self, topic: str) -> bool:
        """Whether the caller may be told of a topic that it has not named."""
        return self.may(Operation.DESCRIBE, ResourceType.TOPIC, topic, quietly=True)

    def operations(self, resource_type: ResourceType, name: str) -> int:
        """All that may be done with a resource, as a bit field (KIP-430)."""
        possible = OPERATIONS[resource_type]
        return operation_bits(*(each for each in possible if self.may(each, resource_type, name, quietly=True)))

    def cluster_operations(self) -> int:
        """The same of the cluster; 0 for who may not even know of it."""
        if not self.may_cluster(Operation.DESCRIBE, quietly=True):
            return 0
        return self.operations(ResourceType.CLUSTER, CLUSTER_NAME)

    @property
    def makes_topics(self) -> bool:
        """Whether a topic that is asked for is made."""
        return self._node.config.auto_create_topics_enable

    @property
    def topics(self) -> Mapping[str, TopicImage]:
        return self._node.image.topics

    def topic_name(self, topic_id: bytes) -> str | None:
        return self._node.image.topic_names.get(topic_id)

    def topic_exists(self, name: str) -> bool:
        return name in self._node.image.topics

    def _note(self, operation: int, resource_type: int, name: str, decision: Decision, *, quietly: bool) -> None:
        if self._audit is not None and (decision.allowed or not quietly):
            self._audit.note(self._asker.principal, self.host, self._request, operation, resource_type, name, decision)


def asking_for(caller: Calling, request: str, authorizer: Authorizer, node: Node, audit: Audit | None) -> Asking:
    """In the name of that API; the same for a connection until somebody else logs in."""
    if caller.asking is None or caller.asking.principal is not caller.principal:
        caller.asking = Asking(authorizer, caller.principal, caller.peer, node, audit)
    return caller.asking.about(request)
