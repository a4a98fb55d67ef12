"""Defects of our own that are survived: what has met one is set apart, and everything else goes on.

A defect is an exception that nobody has foreseen. Where the work is cut into parts that do not concern each other
(a group, a partition), one part's defect must not end the others; who cuts it catches Exception around one part, calls
`survive`, and says what becomes of that part. A peer's mistakes and a disk's are none: they have errors of their own.

Whoever looks for defects, as the simulation does, sets `are_survived` to False, and each ends the process as it would
have anyway.
"""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

are_survived = True


def survive(defect: Exception, consequence: str) -> None:
    """Say what has happened, with the traceback, and what follows from it. To be called where it is caught."""
    if not are_survived:
        raise defect
    logger.error("a defect, please report it. %s", consequence, exc_info=defect)
