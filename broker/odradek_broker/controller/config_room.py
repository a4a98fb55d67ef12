"""How much configuration there may be: one value, and all values of all resources together.

All of it is in every image, in each snapshot of the metadata, and in the memory of each broker; and a journal takes no
more than its storage does, of which etcd has little. A change that would be too large is refused before it is decided:
afterwards nothing could be decided any more, not even that a broker is dead.
"""

from __future__ import annotations

from collections.abc import Mapping

from odradek.protocol.errors import ErrorCode
from odradek_broker.controller.image import MetadataImage
from odradek_broker.coordination.api_error import ApiError

MAX_VALUE_LENGTH = 32_767
"""Of one value, as in Kafka."""
MAX_TOTAL_LENGTH = 16 * 1024 * 1024
"""Names and values of everything that is set: for ten thousand topics a kilobyte and a half each."""


class ConfigRoom:
    """What is left, while the parts of one request are decided."""

    def __init__(self, image: MetadataImage) -> None:
        self._left = MAX_TOTAL_LENGTH - sum(map(_length, image.configs.values()))

    def take(self, old: Mapping[str, str], new: Mapping[str, str]) -> None:
        """A resource's values are to be others. Raises ApiError where there is no room for them."""
        too_long = next((name for name, value in new.items() if len(value) > MAX_VALUE_LENGTH), None)
        if too_long is not None and new[too_long] != old.get(too_long):
            why = f"the value of {too_long[:100]} is longer than {MAX_VALUE_LENGTH} characters"
            raise ApiError(ErrorCode.INVALID_CONFIG, why)
        growth = _length(new) - _length(old)
        if growth > 0 and growth > self._left:
            why = f"there would be more than {MAX_TOTAL_LENGTH} characters of configuration in all"
            raise ApiError(ErrorCode.POLICY_VIOLATION, why)
        self._left -= growth


def _length(values: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in values.items())
