"""One file per API key: api_NN_name.py answers the request NN and nothing else does.

A handler file declares

    REQUEST     the request's class (which knows its API key)
    VERSIONS    the versions that it answers: what ApiVersions advertises is built from this
    handle      (request, context) -> response

A plain `def handle` begins the moment its request is read, in arrival order, even while earlier answers of the same
connection are still outstanding; it may return an awaitable for the rest of its work (Produce waits so for its records
to be committed). An `async def handle` holds its connection until it has answered. Either may return None: no answer.
A plain one whose request turns out to be long work returns it as `Held`.

No handler holds the loop for long (loop/slices.py): what grows with the request is cut into slices, or done by a
worker.

What brokers and controllers alone ask of each other says so (FOR_BROKERS = True): nobody else reaches the handler.

A handler that does nothing more for its client than wait for others says so (WAITS_FOR_OTHERS = True): it is cancelled
in the moment in which the client closes its connection. The others are carried to their end, which is near; what one of
them waits for under a scope that it has anyway ends likewise, where it leaves that with the caller (`Caller.waiting`).

Reading order: api_18_api_versions, api_00_produce, api_01_fetch; the rest are variations.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from msgspec import Struct, field
from trio import CancelScope

from odradek.protocol.acl import Operation
from odradek.protocol.headers import ApiMessage
from odradek.protocol.produce_alike import ProduceAlike
from odradek_broker.security.principal import ANONYMOUS, Principal

if TYPE_CHECKING:
    from odradek.protocol.acl import ResourceType
    from odradek_broker.apis.permissions.asking import Asking
    from odradek_broker.node.broker import Broker
    from odradek_broker.ports.network import Address
    from odradek_broker.security.login import Login

Answer: TypeAlias = ApiMessage | None


class Later(Awaitable[Answer]):
    """An answer that leaves something behind with those for whom it waits, unless it is awaited or closed."""

    @abstractmethod
    def close(self) -> None:
        """Nobody will await it any more: its connection has ended before its turn."""


class Held(Struct, frozen=True):
    """Work in slices that still needs the request's bytes: its connection is not read before it has its answer.

    Earlier answers may be outstanding meanwhile.
    """

    work: Coroutine[Any, Any, Answer | Awaitable[Answer]]


class Api(Struct, frozen=True):
    """What one handler file declares."""

    key: int
    name: str
    request: type[Any]
    versions: range
    handle: Callable[[Any, RequestContext], Answer | Awaitable[Answer] | Held]
    holds: bool
    """Whether the handler is a coroutine function, which nothing on its connection overtakes."""
    waits_for_others: bool
    """Whether nobody needs the rest of its work once the client has gone."""
    advertised_versions: range
    """As `versions`, but for Produce (see api_00_produce), and for what only brokers ask: none."""
    for_own_clients: bool
    """Whether Kafka has no such API: it is advertised to Odradek's own client alone."""
    for_brokers: bool
    """Whether nobody but brokers and controllers of this cluster is answered, be there an authorizer or not."""


class Caller(Struct):
    """Who is at the other end of a connection."""

    peer: Address
    local: Address
    """The address of ours that the client has connected to."""
    listener: str = "PLAINTEXT"
    """The name of the listener by which it came."""
    principal: Principal = ANONYMOUS
    """As whom it acts: by its certificate or its login, where the listener asks for one."""
    login: Login | None = None
    """How far its login has come, where the listener asks for one."""
    software: str = "software that has not said its name"
    """Name and version, from its ApiVersions request (KIP-511)."""
    asking: Asking | None = None
    """On whose behalf it has last been asked for a permission."""
    is_gone: bool = False
    """It has closed its end, or will be closed."""
    waiting: CancelScope | None = None
    """Around what a handler waits for on its behalf: cancelled when it goes."""
    produced: ProduceAlike = field(default_factory=ProduceAlike)
    """What its last Produce looked like."""
    on_disconnect: dict[str, Callable[[], None]] = {}
    """Called, each once, when the connection is over."""


class RequestContext(Struct, frozen=True):
    """What a handler may know beside its request."""

    broker: Broker
    apis: dict[int, Api]
    version: int
    client_id: str | None
    caller: Caller
    asking: Asking | None = None
    """None where nobody is asked for permission."""

    def may(self, operation: Operation, resource_type: ResourceType, name: str, *, quietly: bool = False) -> bool:
        """For the few handlers that ask for themselves (apis/permissions). `quietly`: there is another way."""
        return self.asking is None or self.asking.may(operation, resource_type, name, quietly=quietly)

    @property
    def by_broker(self) -> bool:
        """Whether it is a broker or a controller of this cluster that asks."""
        if self.asking is not None:
            if not self.asking.may_cluster(Operation.CLUSTER_ACTION):
                return False
            if not self.asking.is_by_default(Operation.CLUSTER_ACTION):
                return True
        return self.broker.known_brokers.knows(self.caller.principal, self.caller.listener)

    def makes_broker(self, principal: Principal, *asked: Any) -> bool:
        """Whether the caller, who is none, would be let give somebody the means to come as a broker or a super user.

        `asked`: for which permission one has to ask, which counts for nothing where everybody has it.
        """
        if not self.broker.known_brokers.names(principal):
            return False
        return (self.asking is None or self.asking.is_by_default(*asked)) and not self.by_broker


def load_apis() -> dict[int, Api]:
    """Every handler of this package, by API key."""
    apis: dict[int, Api] = {}
    for module_info in pkgutil.iter_modules(__path__):
        if not module_info.name.startswith("api_"):
            continue
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        api = Api(
            key=module.REQUEST.API_KEY,
            name=module.REQUEST.__name__.removesuffix("Request"),
            request=module.REQUEST,
            versions=module.VERSIONS,
            handle=module.handle,
            holds=inspect.iscoroutinefunction(module.handle),
            waits_for_others=getattr(module, "WAITS_FOR_OTHERS", False),
            advertised_versions=getattr(module, "ADVERTISED_VERSIONS", module.VERSIONS),
            for_own_clients=getattr(module, "FOR_OWN_CLIENTS", False),
            for_brokers=getattr(module, "FOR_BROKERS", False),
        )
        assert int(module_info.name.split("_")[1]) == api.key, f"{module_info.name} handles key {api.key}"
        assert api.key not in apis
        apis[api.key] = api
    return apis
