"""Compaction of a log: a plan's steps may be any thread's, and what they have written is put in place here."""

from __future__ import annotations

from odradek_broker.log.ageing import AgeingLog
from odradek_broker.log.cleaning import LastBatch
from odradek_broker.log.compaction import CompactionPlan, Dirty, find_dirty, is_due
from odradek_broker.log.failures import (
    LogFailed,
)
from odradek_broker.log.swap import swap


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
            stable_offset=min(stable_offset, self.flushed_offset),
            now_ms=now_ms,
        )

    def begin_compaction(self, now_ms: int, stable_offset: int, *, force: bool = False) -> CompactionPlan | None:
        """A plan, where compaction is due (or with `force` where anything is dirty). Raises OSError, LogFailed.

        Then `while plan.step():` `intend`, `install`, and at last `end_compaction`; the steps in any thread.
        """
        if self.failed is not None:
            raise LogFailed(self.failed)
        dirty = self.find_dirty(now_ms, stable_offset)
        if dirty is None or not (force or is_due(dirty, self.config, now_ms)):
            return None
        self._save_sealed()
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

    def install(self, plan: CompactionPlan, now_ms: int) -> bool:
        """Put what a step has written in the place of the old segments; False where these are not there any more.

        Nor is it put there where the log has been cut: records may be gone for the sake of what is cut.
        Then the plan is over. Raises OSError, and then the log has failed; LogFailed.
        """
        assert plan.ready is not None
        if self.failed is not None:
            raise LogFailed(self.failed)
        old, cleaned = plan.ready
        present = {id(segment) for segment in self.segments.sealed}
        if self.has_been_cut_since(plan) or any(id(segment) not in present for segment in old):
            plan.discard()
            return False
        plan.ready = None
        try:
            swap(self._disk, self.directory, cleaned, old)
        except OSError as error:
            self.fail(f"compaction could not put a segment in place: {error}")
            raise
        self.segments.replace(old, [cleaned])
        self._schedule_removal(old, now_ms)
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
        plan = self.begin_compaction(now_ms, stable_offset, force=force)
        if plan is None:
            return False
        while plan.step():
            self.intend(plan)
            if not self.install(plan, now_ms):
                return False
        self.end_compaction(plan)
        return True
