"""Compaction of a log: a plan's steps may be any thread's, and what they have written is put in place here."""

from __future__ import annotations

from odradek_broker.log.ageing import AgeingLog
from odradek_broker.log.cleaning import LastBatch
from odradek_broker.log.compaction import CompactionPlan, Dirty, find_dirty, is_due
from odradek_broker.log.failures import (
    LogFailed,
)
from odradek_broker.log.swap import Swap


class CompactableLog(AgeingLog):
    """What is not on stable storage is not compacted."""

    def find_dirty(self, now_ms: int, stable_offset: int) -> Dirty | None:
        """What compaction would find up to `stable_offset`, the last stable offset; None where there is nothing."""
        if not self.config.compacts:
            return None
        return find_dirty(
            list(self.segments),
            self.config,
            first_dirty_offset=self.first_dirty_offset,
            stable_offset=min(stable_offset, self.flushed_offset, self._saved_up_to()),
            now_ms=now_ms,
        )

    def _saved_up_to(self) -> int:
        """Where the first sealed segment begins whose indexes are not on disk: a pass reads what is there."""
        unsaved = [segment.base_offset for segment in self.segments.unsaved()]
        return min(unsaved, default=self.log_end_offset)

    def begin_compaction(self, now_ms: int, stable_offset: int, *, force: bool = False) -> CompactionPlan | None:
        """A plan, where compaction is due (or with `force` where anything is dirty). Raises OSError, LogFailed.

        Then `while plan.step():` `intend`, `begin_install` to `end_install`, and at last `end_compaction`; the steps in
        any thread.
        """
        if self.failed is not None:
            raise LogFailed(self.failed)
        dirty = self.find_dirty(now_ms, stable_offset)
        if dirty is None or not (force or is_due(dirty, self.config, now_ms)):
            return None
        return CompactionPlan(
            self._disk,
            dirty,
            self.config,
            aborted=self.aborted_transactions(self.segments.first.base_offset, dirty.end_offset),
            producers={p.producer_id: LastBatch(p.last_offset, p.epoch) for p in self.producers.producers.values()},
            truncations=self.truncations,
            now_ms=now_ms,
        )

    def intend(self, plan: CompactionPlan) -> None:
        """Before each `install`: say for whose sake records go. It has to be on stable storage before they are gone."""
        self.compacted_for = max(self.compacted_for, min(plan.end_offset, self.log_end_offset))

    def begin_install(self, plan: CompactionPlan) -> Swap | None:
        """Read what a step has written from now on, in the place of the old segments; None where these are not there.

        Nor is it put there where the log has been cut: records may be gone for the sake of what is cut. Then the plan
        is over. Follow with `swap.run()`, which may be another thread's, and `end_install`. Raises LogFailed.
        """
        assert plan.ready is not None
        if self.failed is not None:
            raise LogFailed(self.failed)
        old, cleaned = plan.ready
        present = {id(segment) for segment in self.segments.sealed}
        if self.has_been_cut_since(plan) or any(id(segment) not in present for segment in old):
            return None
        plan.ready = None
        made = Swap(self._disk, self.directory, cleaned, old)
        cleaned.in_transit = made
        self.segments.replace(old, [cleaned])
        return made

    def end_install(self, swap: Swap, now_ms: int, error: OSError | None = None) -> None:
        """Take note of what has become of it. Raises the error, and then the log has failed."""
        swap.cleaned.in_transit = None
        if error is not None:
            self.fail(f"compaction could not put a segment in place: {error}")
            raise error
        self._schedule_removal(swap.old, now_ms)
        if swap.cleaned.may_be_released:
            swap.cleaned.release()

    def install(self, plan: CompactionPlan, now_ms: int) -> bool:
        """All of it at once; whether it was put in place. Blocks. Raises OSError, LogFailed."""
        swap = self.begin_install(plan)
        if swap is None:
            plan.discard()
            return False
        error = None
        try:
            swap.run()
        except OSError as raised:
            error = raised
        self.end_install(swap, now_ms, error)
        return True

    def has_been_cut_since(self, plan: CompactionPlan) -> bool:
        """Whether what a step has met as damage may be the place of a cut."""
        return plan.truncations != self.truncations

    def end_compaction(self, plan: CompactionPlan) -> None:
        """Note how far a plan that is done has come."""
        assert plan.done, "end_compaction comes after the last step"
        self.first_dirty_offset = max(self.first_dirty_offset, min(plan.end_offset, self.segments.active.base_offset))

    def compact(self, now_ms: int, stable_offset: int, *, force: bool = False) -> bool:
        """All of it at once; whether anything was due. Blocks. Raises OSError, ProtocolError, LogFailed."""
        for segment in self.segments.unsaved():
            segment.save()
        plan = self.begin_compaction(now_ms, stable_offset, force=force)
        if plan is None:
            return False
        while plan.step():
            self.intend(plan)
            if not self.install(plan, now_ms):
                return False
        self.end_compaction(plan)
        return True
