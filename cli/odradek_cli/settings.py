"""The configuration of a broker, as a command has it. The broker itself takes far longer to load than this."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from odradek_broker.config import BrokerConfig, ConfigError, load_broker_config
from odradek_broker.tls.check import check_tls

logger = logging.getLogger(__name__)


def load_or_exit(file: Path | None, overrides: Mapping[str, str]) -> BrokerConfig:
    """The configuration from file, environment and flags; with mistakes in it, a line for each and exit code 2."""
    try:
        loaded = load_broker_config(file, os.environ, overrides, check_tls)
    except ConfigError as error:
        for mistake in error.mistakes:
            print(f"odradek: {mistake}", file=sys.stderr)
        raise SystemExit(2) from None
    for notice in loaded.notices:
        logger.warning("%s", notice)
    return loaded.config
