"""What must hold of several processes that may be controller: seen from outside, beside what etcd has.

S10  a controller that was replaced hears of it before the leases that it still answers brokers with can do harm
     what any controller shows is in the journal, and no two show different things
"""

from __future__ import annotations

from collections.abc import Iterable

from invariants import Invariants, Violated
from sim_clock import SLOWEST
from sim_etcd import SimEtcd

from odradek_broker.election.candidate import TERM_MS
from odradek_broker.election.etcd_journal import EtcdJournal, leader_key
from odradek_broker.metadata.active import ControllerRuntime

PREFIX = "odradek"
LONGEST_BELIEF_S = TERM_MS / 1000 / SLOWEST + 0.001
LOG = f"{PREFIX}/log/".encode()
PARTS = f"{PREFIX}/parts/".encode()


class Controllers:
    """Tell it after each event which there are."""

    def __init__(self, etcd: SimEtcd, invariants: Invariants) -> None:
        self._etcd = etcd
        self._invariants = invariants
        self._gone_s: dict[int, float] = {}
        """When the key was no longer there, by the revision at which it was created."""

    def look(self, active: Iterable[ControllerRuntime], now_s: float) -> None:
        for controller in active:
            journal, image = controller._decider.journal, controller.image
            assert isinstance(journal, EtcdJournal)
            revision = journal._still_leading.revision
            key = self._etcd.store.keys.get(leader_key(PREFIX))
            if key is None or key.created != revision:
                gone_s = self._gone_s.setdefault(revision, now_s)
                if controller.may_decide() and now_s - gone_s > LONGEST_BELIEF_S:
                    raise Violated(f"S10: a controller answers, {now_s - gone_s:.3f} s after it was replaced")
            if image.offset > self._invariants.decided.offset:
                self._invariants.look_at_controller(image, self._end_offset())
            else:
                self._invariants.look_at_image(controller.config.node_id, image)

    def _end_offset(self) -> int:
        """Of what is in etcd."""
        kept = [key for key in self._etcd.store.keys if key.startswith((LOG, PARTS))]
        return max((int(key.split(b"/")[2]) + 1 for key in kept), default=0)
