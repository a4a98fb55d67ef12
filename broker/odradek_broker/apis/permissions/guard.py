"""Between a request and its handler: the rules of its API, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from typing import Any, get_type_hints

from msgspec import Struct, structs

from odradek.protocol.messages.describe_topic_partitions import DescribeTopicPartitionsRequest
from odradek.protocol.messages.fetch import FetchRequest
from odradek.protocol.messages.metadata import MetadataRequest
from odradek.protocol.messages.produce import ProduceRequest
from odradek_broker.apis.permissions.asking import Asking, NotPermitted
from odradek_broker.apis.permissions.of_records import may_write_as_before
from odradek_broker.apis.permissions.rules import Finish
from odradek_broker.apis.permissions.table import PERMISSIONS
from odradek_broker.loop.slices import SLICE

ASKS_FOR_ALL = {MetadataRequest, DescribeTopicPartitionsRequest}
"""Where a request that names no topic may mean all of them."""


class Guarded(Struct, frozen=True, gc=False):
    """What the rules have made of a request."""

    request: Any
    """What its handler is to see."""
    finish: Finish | None = None
    """What completes the answer."""
    answer: Any = None
    """Instead of the handler's: the request is refused as a whole."""


def is_permitted_as_before(request: Any, asking: Asking) -> bool:
    """Whether `guard` need not look at it: it asks for nothing, or for what was allowed a moment ago."""
    if type(request) is ProduceRequest:
        return may_write_as_before(request, asking)
    return type(request) is FetchRequest  # which asks for itself


def guard(request: Any, version: int, asking: Asking) -> Guarded:
    """A plain function of the image, so that a worker may do it."""
    permissions = PERMISSIONS[type(request)]
    completing: Finish | None = None
    try:
        for rule in permissions.rules:
            request, finish = rule(request, version, asking)
            if finish is not None:
                completing = finish if completing is None else partial(finish_all, (completing, finish))
    except NotPermitted as refusal:
        return Guarded(request, answer=permissions.refuse(request, version, refusal.error))
    return Guarded(request, completing)


def finish_all(finishes: Sequence[Finish], response: Any) -> Any:
    """From the last to the first."""
    for finish in reversed(finishes):
        response = finish(response)
    return response


def is_long(message: Any, asking: Asking) -> bool:
    """Whether so much is to be asked for that the loop would be held by it."""
    if _elements(message) > SLICE:
        return True
    return type(message) in ASKS_FOR_ALL and len(asking.topics) > SLICE


def is_long_to_finish(message: Any) -> bool:
    """As many as that, wherever in it they are: a rule may look at each."""
    return _elements_within(message) > SLICE


def _elements(message: Any) -> int:
    """Of its own lists; those within their entries do not count: the codec has counted them (ELEMENTS_AT_ONCE)."""
    count = 0
    for name in _lists_of(message.__class__):
        count += len(getattr(message, name) or ())
    return count


def _elements_within(message: Any) -> int:
    """Counted until they are more than SLICE."""
    count = _elements(message)
    for name in _parts_of(message.__class__):
        part = getattr(message, name)
        for entry in (part,) if isinstance(part, Struct) else part or ():
            if count > SLICE or not isinstance(entry, Struct):
                break
            count += _elements_within(entry)
    return count


@cache
def _lists_of(kind: type[Struct]) -> tuple[str, ...]:
    """Fields of a message that are lists."""
    hints = get_type_hints(kind)
    return tuple(each.name for each in structs.fields(kind) if "Sequence" in str(hints[each.name]))


@cache
def _parts_of(kind: type[Struct]) -> tuple[str, ...]:
    """Fields of a message that are lists, or have some within."""
    hints = get_type_hints(kind)
    own = (each.name for each in structs.fields(kind) if "messages." in str(hints[each.name]))
    return tuple(dict.fromkeys((*_lists_of(kind), *own)))
