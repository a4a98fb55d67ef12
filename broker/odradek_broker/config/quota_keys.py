"""Keys of how quotas are measured."""

from __future__ import annotations

from typing import Annotated

from odradek_broker.config.permission_keys import PermissionConfig
from odradek_broker.config.setting import INT, Setting, at_least


class QuotaConfig(PermissionConfig, frozen=True, kw_only=True):
    """Samples, of which so many make the time over which a rate is measured."""

    quota_window_num: Annotated[
        int, Setting("How many samples of its requests a client is judged by.", INT, at_least(1))
    ] = 11
    quota_window_size_seconds: Annotated[int, Setting("How long one such sample is.", INT, at_least(1))] = 1
    controller_quota_window_num: Annotated[
        int, Setting("For how many samples a client may save up changes of topics.", INT, at_least(1))
    ] = 11
    controller_quota_window_size_seconds: Annotated[int, Setting("How long one such sample is.", INT, at_least(1))] = 1
