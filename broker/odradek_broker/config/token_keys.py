"""Keys of delegation tokens (KIP-48)."""

from __future__ import annotations

from typing import Annotated

from odradek_broker.config.quota_keys import QuotaConfig
from odradek_broker.config.setting import LONG, PASSWORD, Secret, Setting, at_least
from odradek_broker.config.units import DAY_MS, HOUR_MS


class DelegationTokenConfig(QuotaConfig, frozen=True, kw_only=True):
    """Whether there are any, and how long they live."""

    delegation_token_secret_key: Annotated[
        Secret | None,
        Setting(
            "By which delegation tokens are made and known again: the same for all brokers and controllers. Without it "
            "there are none.",
            PASSWORD,
            build=Secret,
        ),
    ] = None
    delegation_token_max_lifetime_ms: Annotated[
        int, Setting("How long a delegation token can live at most, however often it is renewed.", LONG, at_least(1))
    ] = 7 * DAY_MS
    delegation_token_expiry_time_ms: Annotated[
        int, Setting("How long a delegation token lives that nobody renews.", LONG, at_least(1))
    ] = DAY_MS
    delegation_token_expiry_check_interval_ms: Annotated[
        int, Setting("How often delegation tokens are forgotten whose time is over.", LONG, at_least(1))
    ] = HOUR_MS
