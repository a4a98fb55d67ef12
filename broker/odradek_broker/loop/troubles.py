"""What goes wrong with the same thing in the same way again and again, said once until it is over."""

from __future__ import annotations

import logging
from collections.abc import Hashable


class Troubles:
    """Of one task that tries again for ever, said to its module's logger."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._said: dict[Hashable, str] = {}

    def tell(self, subject: Hashable, trouble: str, level: int = logging.ERROR) -> None:
        if self._said.get(subject) != trouble:
            self._said[subject] = trouble
            self._logger.log(level, "%s", trouble)

    def over(self, subject: Hashable) -> None:
        """It went well: the same trouble is news when it comes again."""
        if self._said:
            self._said.pop(subject, None)
