"""What is done for every partition in its turn: what goes wrong for one of them stays with it.

The rule is kept here, for everything that a broker does unasked: retention, compaction, flushing, forgetting, removal.

    damage               DamagedLog: said, and with another replica fetched again (`ReplicaLogs.met`)
    the disk refuses     OSError, LogFailed: said, and tried again in the next round
    a defect             anything else that some data has brought out (defects.py)

After damage, or a defect, the same work is not done for that partition again until the next start, for it would end in
the same way; nothing else is kept from it, and no other partition from anything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakSet

from odradek_broker.log.failures import DamagedLog, LogFailed
from odradek_broker.loop.defects import survive

if TYPE_CHECKING:
    from odradek_broker.partitions.partition import Partition

logger = logging.getLogger(__name__)


class Apart:
    """One kind of work."""

    def __init__(self, name: str, met_damage: Callable[[Partition, DamagedLog], object]) -> None:
        self.name = name
        self._met_damage = met_damage
        self._set_apart: WeakSet[Partition] = WeakSet()

    def of(self, partitions: Iterable[Partition]) -> list[Partition]:
        """Those for which it is to be done."""
        return [partition for partition in partitions if partition not in self._set_apart]

    @contextmanager
    def each(self, partition: Partition) -> Iterator[None]:
        """Around the work for one partition."""
        try:
            yield
        except DamagedLog as damage:
            self._set_apart.add(partition)
            self._met_damage(partition, damage)
        except (OSError, LogFailed) as error:
            logger.error("%s: %s failed: %s", partition, self.name, error)
        except Exception as defect:
            self._set_apart.add(partition)
            survive(defect, f"There is no {self.name} of {partition} until the next start; everything else goes on")
