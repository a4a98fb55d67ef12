"""The bugs that are planted, by the part of the broker they are in: pieces of its sources, and what takes their place.

Most have been real, here or in Kafka; the rest are what a tired engineer might write. See planted_bugs.py.
"""

from __future__ import annotations

from bug import Bug, planted
from group_bugs import OF_CONSUMER_GROUPS
from security_bugs import OF_SECURITY
from share_bugs import OF_SHARE_GROUPS
from transaction_bugs import OF_TRANSACTIONS

__all__ = ["BUGS", "Bug"]

COMMON = [
    planted(
        "ack before followers have it",
        "replication/leader.py",
        "lowest = min(lowest, self._followers[replica].offset)",
        "pass",
    ),
    planted(
        "commit below min.insync.replicas",
        "replication/leader.py",
        "        if not self.has_enough(min_insync):\n            return UNKNOWN\n",
        "",
    ),
    planted(
        "ack before the leader's sync",
        "partitions/partition.py",
        "local = self.log.flushed_offset if self._flusher.syncs else self.log.log_end_offset",
        "local = self.log.log_end_offset",
    ),
    planted(
        "follower fetches on before its sync",
        "partitions/follower.py",
        "return self._flusher.syncs and partition.log.flushed_offset < partition.log.log_end_offset",
        "return False",
    ),
    planted("no truncation", "partitions/follower.py", "log.truncate_to(cut.offset, ahead)", "pass"),
    planted(
        "truncate by watermark",
        "partitions/partition.py",
        "        self.leader_id, self.leader_epoch = image.leader",
        "        self.log.truncate_to(self.high_watermark)\n        self.leader_id, self.leader_epoch = image.leader",
    ),
    planted(
        "no leader epoch check",
        "partitions/leader_epochs.py",
        "    if believed == UNSAID or",
        "    return ErrorCode.NONE\n    if believed == UNSAID or",
    ),
    planted(
        "watermark does not wait for a proposal",
        "replication/leader.py",
        "return self._image.isr if self._proposal is None else self._proposal.brokers.union(self._image.isr)",
        "return self._image.isr",
    ),
    planted(
        "proposed in-sync replicas count at once",
        "replication/leader.py",
        "return self._image.isr if self._proposal is None else self._proposal.brokers.union(self._image.isr)",
        "return self._image.isr if self._proposal is None else self._proposal.brokers",
    ),
    planted(
        "in sync without having caught up",
        "replication/leader.py",
        "least = max(high_watermark, self.start_offset)",
        "least = 0",
    ),
    planted(
        "stale in-sync edit is taken",
        "controller/alter_partition.py",
        "if wanted.partition_epoch < partition.partition_epoch:",
        "if False:",
        needs=("outdate", "replication 3"),
    ),
    planted(
        "edit of a former leader is taken",
        "controller/alter_partition.py",
        "    if wanted.leader_epoch < partition.leader_epoch:\n"
        '        raise ApiError(ErrorCode.FENCED_LEADER_EPOCH, "another leader epoch has begun")\n'
        "    if broker_id != partition.leader:\n"
        '        raise ApiError(ErrorCode.INVALID_REQUEST, "only the leader may propose")\n'
        "    if wanted.partition_epoch < partition.partition_epoch:",
        "    if wanted.leader_epoch == partition.leader_epoch and wanted.partition_epoch < partition.partition_epoch:",
    ),
    planted(
        "unclean elections",
        "controller/partition_change.py",
        "if rules.unclean or election is Election.UNCLEAN:",
        "if True:",
    ),
    planted(
        "any active replica may lead",
        "controller/partition_change.py",
        "return replica in eligible and is_active(replica)",
        "return is_active(replica)",
    ),
    planted(
        "same leader epoch for a new leader",
        "controller/replay.py",
        "leader_epoch=old.leader_epoch + 1",
        "leader_epoch=old.leader_epoch",
    ),
    planted(
        "ack what was not committed when leadership is lost",
        "partitions/partition.py",
        "        self._commits.fail(error)",
        "        self._commits.fail(ErrorCode.NONE)",
    ),
    planted(
        "an answer settles another proposal",
        "replication/leader.py",
        "        if self._proposal is not proposal:\n            return None\n"
        "        return self._propose(self._image.isr, refused=proposal.brokers)",
        "        self._proposal = None\n        return None",
    ),
    planted(
        "ack when appended",
        "apis/api_00_produce.py",
        "return Append(response, wait(appended.last_offset))",
        "return Append(response)",
    ),
    planted(
        "who waits goes on waiting when another leads",
        "partitions/partition.py",
        "        self.leader_id, self.leader_epoch = image.leader, image.leader_epoch\n        self.fail_commits()\n",
        "        self.leader_id, self.leader_epoch = image.leader, image.leader_epoch\n",
    ),
    planted(
        "a late fetch of an earlier life counts",
        "replication/leader.py",
        "if follower is None or broker_epoch < follower.broker_epoch:",
        "if follower is None:",
    ),
    planted(
        "deleted before the followers know",
        "partitions/partition.py",
        "self._deletions.reached(self.leadership.low_watermark(self._log_start_written))",
        "self._deletions.reached(self._log_start_written)",
        needs=("delete-records",),
        lasts_s=8.0,
    ),
    planted(
        "no duplicate check",
        "log/idempotence.py",
        "def settle(",
        "def settle(*_: object) -> None:\n    return None\n\n\ndef _settle(",
    ),
    planted(
        "followers forget producers",
        "log/appendable.py",
        "            if header.producer_id >= 0:\n                batch = partial",
        "            if header.producer_id >= 0 and leader_epoch is not None:\n                batch = partial",
    ),
    planted(
        "truncate to the leader's end, whatever our own epochs say",
        "replication/truncation.py",
        "    if own_epoch == epoch:\n        return min(end_offset, own_end)\n    return min(own_end, log_end_offset)",
        "    return min(end_offset, log_end_offset)",
    ),
    planted(
        "consumers read past the watermark",
        "partitions/fetch.py",
        "        limit = partition.high_watermark\n",
        "        limit = log.log_end_offset\n",
    ),
    planted(
        "the leader never says where logs part",
        "partitions/fetch.py",
        "    if fetch.last_fetched_epoch < 0 or partition.leadership is None:\n",
        "    if True:\n",
    ),
    planted(
        "a wiped or damaged disk counts as complete",
        "controller/membership.py",
        "if known is None or not _is_complete(request, known):",
        "if False:",
    ),
    planted(
        "a registration says nothing of damage",
        "node/joining.py",
        "damaged=broker.replica_logs.damaged(),",
        "damaged=[],",
        needs=("rot",),
        lasts_s=8.0,
    ),
    planted(
        "a registration that nobody heard of costs what a broker has",
        "node/joining.py",
        "earlier_incarnations=earlier,",
        "earlier_incarnations=(),",
    ),
    planted(
        "whatever was acknowledged counts as synced",
        "log/directory.py",
        "return self.clean or self.registration.synced",
        "return True",
    ),
    planted(
        "a log that cannot be opened is not tried again",
        "partitions/replica_logs.py",
        "            self._try_again()\n",
        "",
    ),
    planted(
        "another topic's directory of the same name stays where it is",
        "partitions/replica_logs.py",
        "            path = directory.mark_stray(",
        "            raise\n            path = directory.mark_stray(",
        needs=("recreate",),
    ),
    planted(
        "a replica with a gap asks from its end",
        "partitions/replica_logs.py",
        "                log.truncate_to(waiting.sound_up_to)",
        "                pass",
    ),
    planted(
        "a batch that was moved up is kept",
        "log/unclean_start.py",
        "    return header.next_offset < recovery_point or header.base_offset > end",
        "    return False",
    ),
    planted(
        "recovery keeps damaged batches",
        "log/scan.py",
        "            if not self._crc_is_valid(header):",
        "            if False:",
    ),
    planted(
        "eligible replicas are forgotten",
        "controller/partition_change.py",
        "    target.elr = [replica for replica in possible if replica not in unclean_restart]\n",
        "    target.elr = []\n",
    ),
    planted(
        "a fenced broker stays in the in-sync set",
        "controller/membership.py",
        "isr = [replica for replica in partition.isr if replica != broker_id]\n            record = change_partition(topic.topic_id, index, partition, rules.of(topic.name), stays, Wish(isr=isr))",
        "record = change_partition(topic.topic_id, index, partition, rules.of(topic.name), stays)",
    ),
    planted(
        "a lease has no end",
        "metadata/remote.py",
        "return self._clock.monotonic_ms() < self.lease.until_ms",
        "return self.lease.until_ms >= 0",
    ),
    planted(
        "a lease counts from the heartbeat's answer",
        "metadata/heartbeat.py",
        "            self._lease.grant(sent_ms + self._term_ms, answer.offset)",
        "            self._lease.grant(self._clock.monotonic_ms() + self._term_ms, answer.offset)",
    ),
    planted(
        "who is let in again leads by what it knew",
        "metadata/heartbeat.py",
        "            self._lease.grant(sent_ms + self._term_ms, answer.offset)",
        "            self._lease.grant(sent_ms + self._term_ms, -1)",
    ),
    planted(
        "a lease is as long as its span",
        "controller/heartbeats.py",
        "    return shortest_ms * (100 - DRIFT_PERCENT) // (100 + DRIFT_PERCENT) - 1",
        "    return time_ms",
    ),
    planted(
        "a host that answers nobody is fenced while its lease lasts",
        "controller/heartbeats.py",
        "        return max(contact.leased_until_ms, max(contact.heard_ms, self._stood_still_until_ms) + contact.span_ms)",
        "        return max(contact.heard_ms, self._stood_still_until_ms) + contact.span_ms // 2",
    ),
    planted(
        "any refused connection extends a lease",
        "metadata/heartbeat.py",
        "        if is_gone and self._follower.is_only_controller and sent_ms < self._lease.until_ms:",
        "        if is_gone:",
    ),
    planted(
        "a snapshot of the metadata forgets eligible leaders",
        "controller/snapshot.py",
        "eligible_leader_replicas=list(partition.elr)",
        "eligible_leader_replicas=[]",
    ),
    planted(
        "a decision is told before it is durable",
        "controller/file_journal.py",
        "        try:\n            self._log.flush()",
        "        try:\n            pass",
    ),
]

LATER = [
    # ------------------------------------------------------------------------------- acknowledged records lost or invented
    planted(
        "lowering min.insync.replicas leaves the eligible as they are",
        "controller/min_insync.py",
        "        if rules == before.of(topic.name):\n            continue",
        "        continue",
        needs=("change-min-insync",),
        lasts_s=8.0,
    ),
    planted(
        "leaders count by a min.insync.replicas of their own",
        "partitions/topic_settings.py",
        'configs.value("min.insync.replicas", own)',
        'int(own.get("min.insync.replicas", 1))',
        needs=("change-min-insync",),
    ),
    planted(
        "a follower asks another leader before its own sync",
        "partitions/follower.py",
        "            and not self._is_behind_its_end(each)\n",
        "",
        (
            "partitions/replica_fetcher.py",
            "            await self._follower.wait_flushed(self._partitions.values())\n",
            "            pass\n",
        ),
    ),
    planted(
        "what is written of a log outlives its cut",
        "log/offset_checkpoints.py",
        "            offsets = {key: offset for key, offset in current(self._written[name]).items() if offset > 0}",
        "            said = self._written[name]\n"
        "            offsets = {key: max(each, said.get(key, 0)) for key, each in current(said).items() if each > 0}",
    ),
    planted(
        "checkpoints belong to whatever has that number",
        "log/offset_checkpoints.py",
        "        return self._written[name].get(key, 0)",
        "        return max((value for other, value in self._written[name].items() if other[1] == key[1]), default=0)",
        needs=("recreate",),
    ),
    planted(
        "a recovery point is written before the sync",
        "partitions/checkpoints.py",
        "RECOVERY_POINTS: lambda partition: partition.log.recovery_point",
        "RECOVERY_POINTS: lambda partition: partition.log.log_end_offset",
    ),
    planted(
        "pages are trusted after a failed sync",
        "log/unclean_start.py",
        "            _write_again(segment, walk.doubtful_from)\n",
        "",
    ),
    planted(
        "unregistering leaves the eligible as they are",
        "controller/membership.py",
        "    left = forget_replicas(image, request.broker_id, config)\n",
        "    left = list(_leave(image, request.broker_id, config)) if not known.fenced else []\n",
        (
            "controller/membership.py",
            "    if known is None or not _is_complete(request, known):",
            "    if known is not None and not _is_complete(request, known):",
        ),
        needs=("shrink",),
        lasts_s=12.0,
    ),
    planted(
        "the last leader of all is forgotten",
        "controller/partition_change.py",
        "        target.last_known_elr = [old.leader]\n",
        "        pass\n",
    ),
    # ------------------------------------------------------------------------------------------------- nobody leads
    planted(
        "what is late of an earlier life ends the memory of this one",
        "controller/heartbeats.py",
        "        if contact is not None and contact.epoch <= epoch:\n            del",
        "        if contact is not None:\n            del",
    ),
    planted(
        "a coordinator that closed in a lapse stays closed",
        "coordinators/coordinators.py",
        "        if self._partitions.get(index) is not taken or partition.log.failed is not None:",
        "        if True:",
        (
            "node/broker.py",
            "                partition.fail_commits()\n        self.groups.refresh()",
            "                partition.fail_commits()",
        ),
        needs=("groups",),
        lasts_s=8.0,
    ),
    planted(
        "a controller whose journal is over goes on hearing heartbeats",
        "metadata/active.py",
        "        return self._has_right() and not self.journal_over.is_set()",
        "        return self._has_right()",
        (
            "metadata/active.py",
            "        await self.journal_over.wait()\n        if",
            "        await trio.sleep_forever()\n        if",
        ),
    ),
    # --------------------------------------------------------------------------------------------------- the election
    planted(
        "a renewal does not look whose the key is",
        "election/candidate.py",
        "        if found is None or found.create_revision != revision:\n            return False",
        "        pass",
        ("election/candidate.py", "        if found.lease:\n", "        if False:\n"),
        needs=("etcd",),
        lasts_s=12.0,
    ),
    planted(
        "the active controller's lease has no end",
        "election/candidate.py",
        "        return self._clock.monotonic_ms() < self._lease_until_ms",
        "        return self._lease_until_ms >= 0",
        (
            "election/candidate.py",
            "        while self._has_lease():\n            await trio.sleep(pause_s)",
            "        while True:\n            await trio.sleep(pause_s)",
        ),
        needs=("etcd",),
        lasts_s=12.0,
    ),
    planted(
        "the metadata is written in etcd by whoever wants to",
        "election/etcd_journal.py",
        "[self._still_leading, *conditions]",
        "[*conditions]",
        needs=("etcd",),
        lasts_s=12.0,
    ),
    planted(
        "a new controller fences for silence at once",
        "metadata/active.py",
        "        self._fencing.heartbeats.heard_elsewhere(self._clock.monotonic_ms() + self._predecessor_ms)\n",
        "",
        needs=("etcd",),
        lasts_s=12.0,
    ),
    planted(
        "a broker takes up a new ISR with an old min.insync.replicas",
        "partitions/replica_manager.py",
        "        partition.throttled_as_follower = is_throttled(settings.throttled_as_follower, *who)\n",
        "        partition.throttled_as_follower = is_throttled(settings.throttled_as_follower, *who)\n        partition.advance()\n",
        needs=("change-min-insync",),
        lasts_s=8.0,
    ),
    planted(
        "who is heard of while the disk is slow is fenced all the same",
        "metadata/fencing.py",
        "only_if is not None and not only_if(",
        "False and not only_if(",
    ),
    planted(
        "what comes late is carried out",
        "metadata/forwarding.py",
        " else Arrived(bytes(request.stamp), request.patience_ms)",
        " else None",
    ),
    planted(
        "a broker that stops leads until its port is closed",
        "node/node.py",
        "controller.lead_no_more()",
        "pass",
    ),
    # -------------------------------------------------------------------------------------------------- the controller
    planted(
        "a move is over before those who come are in sync",
        "controller/partition_change.py",
        "    if not staying or not in_sync or not set(target.adding) <= set(target.isr):",
        "    if not staying or not in_sync:",
        needs=("reassign",),
    ),
    planted(
        "the preferred replica leads, in sync or not",
        "controller/partition_change.py",
        "    if election is Election.PREFERRED and may_lead(preferred):",
        "    if election is Election.PREFERRED and is_active(preferred):",
        needs=("prefer",),
    ),
    planted(
        "who has another broker epoch comes into the in-sync set",
        "controller/alter_partition.py",
        "            or epochs.get(replica, UNKNOWN_EPOCH) not in (UNKNOWN_EPOCH, broker.epoch)\n",
        "",
    ),
    planted(
        "a broker is let in before it knows of itself",
        "controller/membership.py",
        "    knows_itself = request.current_metadata_offset >= broker.epoch",
        "    knows_itself = True",
    ),
    planted(
        "the same producer ids are given out twice",
        "controller/producer_ids.py",
        "        [record], AllocateProducerIdsResponse(",
        "        [], AllocateProducerIdsResponse(",
    ),
    # ---------------------------------------------------------------------------------------------------------- the log
    planted(
        "a sealed segment is not synced",
        "log/appendable.py",
        "        self._unsynced.add_file(old.file)\n",
        "",
    ),
    planted(
        "a new segment's name is not synced",
        "log/appendable.py",
        "        self._unsynced.add_file(new.file)\n        self._unsynced.add_directory(self.directory)\n",
        "        self._unsynced.add_file(new.file)\n",
    ),
    planted(
        "a flush counts what came after it began",
        "log/flushable.py",
        "            self.flushed_offset = max(self.flushed_offset, plan.offset)",
        "            self.flushed_offset = self.log_end_offset",
    ),
    planted(
        "a flush that began before a cut counts after it",
        "log/flushable.py",
        "        if plan.truncations == self.truncations:",
        "        if plan.offset <= self.log_end_offset:",
    ),
    planted(
        "retention goes past the high watermark",
        "log/retention.py",
        "        if end > high_watermark or segment.size_bytes == 0:",
        "        if segment.size_bytes == 0:",
    ),
    planted(
        "compaction keeps the oldest of a key",
        "log/key_offsets.py",
        "        self._offsets[_short(key)] = offset",
        "        self._offsets.setdefault(_short(key), offset)",
        (
            "log/key_offsets.py",
            "        return offset >= self._offsets.get(_short(key), -1)",
            "        return offset <= self._offsets.get(_short(key), offset)",
        ),
        needs=("compaction",),
    ),
    planted(
        "compaction passes the watermark",
        "node/housekeeping.py",
        "begin_compaction(now_ms, partition.last_stable_offset)",
        "begin_compaction(now_ms, partition.log.log_end_offset)",
        needs=("compaction",),
    ),
    planted(
        "a cut leaves the leader epochs behind it",
        "log/leader_epochs.py",
        "        if index < len(self._starts):\n            del",
        "        if False:\n            del",
    ),
    planted(
        "a cut leaves the producers as they were",
        "log/cuttable.py",
        "            self.producers = ahead.states\n"
        "        else:\n"
        "            self.producers = self._producer_replay().producers_at(offset, list(self.segments), self._snapshots)\n",
        "            pass\n",
    ),
    planted(
        "a follower takes damaged batches",
        "log/appendable.py",
        "            if not crc_is_valid(records, position, header):",
        "            if False:",
    ),
    planted(
        "a clean stop is believed for ever",
        "log/directory.py",
        "        self._disk.remove(path)\n        self._disk.sync_dir(self.path)\n",
        "",
    ),
    # ------------------------------------------------------------------------------------------------------ the groups
    planted(
        "a commit is answered before it is committed",
        "coordinators/runtime.py",
        "        if commit.outcome is ErrorCode.NONE:\n            self._settle(commit, answers)",
        "        if True:\n            self._settle(commit, answers)",
        needs=("groups",),
    ),
    planted(
        "a member of a past generation may commit",
        "groups/commit.py",
        "        if not error and generation != group.generation:",
        "        if not error and generation > group.generation:",
        needs=("groups",),
        lasts_s=8.0,
    ),
    planted(
        "whoever is no member may commit",
        "groups/commit.py",
        "        if error:\n            return error\n    elif not transactional:\n        return ErrorCode.UNKNOWN_MEMBER_ID",
        "        if error is ErrorCode.ILLEGAL_GENERATION:\n            return error\n    elif not transactional:\n        return ErrorCode.UNKNOWN_MEMBER_ID",
        needs=("groups",),
        lasts_s=8.0,
    ),
    planted(
        "a coordinator reads only the last segment",
        "coordinators/loader.py",
        "self._loaded_up_to, self._instant = log.log_start_offset, ",
        "self._loaded_up_to, self._instant = log.segments.active.base_offset, ",
        needs=("groups",),
    ),
    planted(
        "offsets expire at once",
        "groups/commit.py",
        "group.empty_since_ms) >= step.settings.offsets_retention_ms",
        "group.empty_since_ms) >= 1000",
        needs=("groups",),
    ),
    planted(
        "a group's timers are forgotten at a fail-over",
        "coordinators/runtime.py",
        "        self.coordinator.begin(self.now())\n",
        "",
        needs=("groups",),
    ),
    planted(
        "who is let in again right behind its fencing is watched by nobody",
        "metadata/active.py",
        "forgotten.\n                self._fencing.hear(request.broker_id, request.broker_epoch)\n",
        "forgotten.\n                pass\n",
    ),
    # --------------------------------------------------------------------------- what was deleted, and what compaction needs
    planted(
        "deleted before those know it who are eligible",
        "replication/leader.py",
        "        for replica in {*self._in_sync_or_nearly(), *self._image.elr}:",
        "        for replica in self._in_sync_or_nearly():",
        needs=("delete-and-die",),
        lasts_s=8.0,
    ),
    planted(
        "in sync without knowing where the log begins",
        "replication/leader.py",
        "            and max(follower.log_start_offset, 0) >= log_start_offset\n",
        "",
        needs=("delete-and-die",),
        lasts_s=8.0,
    ),
    planted(
        "compaction is ahead of the disk",
        "log/compactable.py",
        "            stable_offset=min(stable_offset, self.flushed_offset, self._saved_up_to()),",
        "            stable_offset=stable_offset,",
        needs=("compaction", "interval"),
        lasts_s=8.0,
    ),
    planted(
        "a cut leaves the gaps that compaction has made for what is cut",
        "partitions/follower.py",
        "        if cut is None or cut.whole or not",
        "        if True or not",
        needs=("compaction", "interval"),
        lasts_s=8.0,
    ),
    planted(
        "leader epochs before an unwritten start stay forgotten",
        "log/recovery.py",
        "        self._complete_epochs(loaded)\n",
        "",
        needs=("delete-records", "power"),
        lasts_s=12.0,
    ),
    planted(
        "acks=1 is answered before the leader's sync",
        "partitions/partition.py",
        "        reached = self.log.flushed_offset if self._flusher.syncs else self.log.log_end_offset\n        return self._begin(self._flushes",
        "        reached = self.log.log_end_offset\n        return self._begin(self._flushes",
        needs=("slow disk",),
    ),
    planted(
        "the end of a leader epoch is capped at the high watermark",
        "apis/api_23_offset_for_leader_epoch.py",
        "    return EpochEndOffset(0, wanted.partition, *partition.log.end_offset_for_epoch(wanted.leader_epoch))",
        "    epoch, end = partition.log.end_offset_for_epoch(wanted.leader_epoch)\n"
        "    return EpochEndOffset(0, wanted.partition, epoch, min(end, partition.high_watermark))",
        needs=("groups",),
        lasts_s=8.0,
    ),
    # ------------------------------------------------------------------------------------------------- the journal
    planted(
        "damage in the journal is taken for a torn end",
        "controller/journal_files.py",
        "    if proven_end > end or (fault is not None and clean and fault.offset >= start):",
        "    if False:",
        needs=("rot-journal",),
    ),
    planted(
        "the journal is cut before its snapshot is written",
        "controller/file_journal.py",
        "        self._pending, self._bytes_pending, now_ms = id, self._bytes_since, self._now_ms\n",
        "        self._pending, self._bytes_pending, now_ms = id, self._bytes_since, self._now_ms\n"
        "        self._cut(id.end_offset)\n",
        needs=("kill-controller", "slow disk", "controller alone"),
    ),
    # ------------------------------------------------------------------------------------------ generations, coordinators
    planted(
        "a rebalance begins no new generation",
        "groups/group.py",
        "        self.generation = self.generation + 1 if self.generation < MAX_GENERATION else 1",
        "        self.generation = 1",
        needs=("groups", "cut-clients"),
        lasts_s=20.0,
    ),
    planted(
        "a coordinator that leads no more goes on answering",
        "coordinators/coordinators.py",
        "            if current is not None:\n                self._partitions.pop(index).close()\n            return None",
        "            return current",
        needs=("groups", "cut-leader"),
        lasts_s=12.0,
    ),
]

BUGS = [*COMMON, *LATER, *OF_TRANSACTIONS, *OF_CONSUMER_GROUPS, *OF_SHARE_GROUPS, *OF_SECURITY]
