"""Which version of a request both sides speak."""

from __future__ import annotations

from collections.abc import Mapping

from odradek.errors import UnsupportedVersion
from odradek.protocol.errors import ErrorCode
from odradek.protocol.headers import ApiMessage
from odradek.protocol.messages.api_versions import ApiVersionsResponse


class ApiRanges:
    """What one broker announced."""

    def __init__(
        self, ranges: Mapping[int, tuple[int, int]] | None, features: Mapping[str, int], features_epoch: int = -1
    ) -> None:
        self._ranges = ranges
        self.features = features
        """Finalized features and their levels, such as transaction.version."""
        self.features_epoch = features_epoch
        """Rises whenever they change; -1 where it is not known."""

    @classmethod
    def unknown(cls) -> ApiRanges:
        return cls(None, {})

    @classmethod
    def of(cls, answer: ApiVersionsResponse) -> ApiRanges:
        ranges = {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}
        features = {feature.name: feature.max_version_level for feature in answer.finalized_features}
        return cls(ranges, features, answer.finalized_features_epoch)

    def pick(self, request: type[ApiMessage], at_most: int | None = None) -> int:
        """The highest version that both know and that is not above `at_most`. Raises UnsupportedVersion."""
        ours = request.VERSIONS
        high = ours[-1] if at_most is None else min(ours[-1], at_most)
        if self._ranges is None:
            return high
        low, theirs = self._ranges.get(request.API_KEY, (0, -1))
        version = min(high, theirs)
        if version < max(low, ours[0]):
            name = request.__name__.removesuffix("Request")
            spoken = f"{low}-{theirs}" if theirs >= 0 else "nothing of it"
            raise UnsupportedVersion(
                ErrorCode.UNSUPPORTED_VERSION, f"{name}: we speak {ours[0]}-{high}, the broker {spoken}"
            )
        return version

    def knows(self, request: type[ApiMessage], at_least: int = 0) -> bool:
        """Whether the request can be sent in this version or a later one."""
        try:
            return self.pick(request) >= at_least
        except UnsupportedVersion:
            return False
