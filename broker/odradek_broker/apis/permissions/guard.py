"""Between a request and its handler: the rules of its API, one after the other."""

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec import Struct

from odradek_broker.apis.permissions.asking import Asking, NotPermitted
from odradek_broker.apis.permissions.rules import Finish
from odradek_broker.apis.permissions.table import PERMISSIONS
from odradek_broker.loop.slices import SLICE

ASKS_FOR_ALL = {"MetadataRequest", "DescribeTopicPartitionsRequest"}
"""Where a request that names no topic may mean all of them."""


class Guarded(Struct, frozen=True, gc=False):
    """What the rules have made of a request."""

    request: Any
    """What its handler is to see."""
    finish: Finish | None = None
    """What completes the answer."""
    answer: Any = None
    """Instead of the handler's: the request is refused as a whole."""


def guard(request: Any, version: int, asking: Asking) -> Guarded:
    """A plain function of the image, so that a worker may do it."""
    permissions = PERMISSIONS[type(request)]
    finishes: list[Finish] = []
    try:
        for rule in permissions.rules:
            request, finish = rule(request, version, asking)
            if finish is not None:
                finishes.append(finish)
    except NotPermitted as refusal:
        return Guarded(request, answer=permissions.refuse(request, version, refusal.error))
    if not finishes:
        return Guarded(request)
    return Guarded(request, finishes[0] if len(finishes) == 1 else partial(finish_all, finishes))


def finish_all(finishes: list[Finish], response: Any) -> Any:
    """From the last to the first."""
    for finish in reversed(finishes):
        response = finish(response)
    return response


def is_long(message: Any, asking: Asking) -> bool:
    """Whether so much is to be asked for that the loop would be held by it."""
    if _elements(message) > SLICE:
        return True
    return type(message).__name__ in ASKS_FOR_ALL and len(asking.topics) > SLICE


def is_long_to_finish(message: Any) -> bool:
    return _elements(message) > SLICE


def _elements(message: Any) -> int:
    fields = (getattr(message, name) for name in message.__struct_fields__)
    return sum(len(field) for field in fields if isinstance(field, list | tuple))
