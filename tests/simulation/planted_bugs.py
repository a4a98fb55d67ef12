"""How sensitive the simulation is: bugs planted one by one in a copy of the sources, and how soon each is seen.

    python tests/simulation/planted_bugs.py [NAME...]       prints a line for each; exit code 1 if more than one is missed

A bug is caught when an invariant is violated, a run ends with a bad verdict, or the broker's own assertions stop it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BROKER = "broker/odradek_broker"
SEEDS, SECONDS, LIMIT_S = 600, 10, 600
MAY_MISS = 1
STORY_CHARACTERS = 150


@dataclass(frozen=True)
class Bug:
    name: str
    file: str
    before: str
    after: str


BUGS = [
    Bug(
        "ack before followers have it",
        "replication/leader.py",
        "lowest = min(lowest, self._followers[replica].offset)",
        "pass",
    ),
    Bug(
        "commit below min.insync.replicas",
        "replication/leader.py",
        "        if not self.has_enough(min_insync):\n            return UNKNOWN\n",
        "",
    ),
    Bug(
        "ack before the leader's sync",
        "runtime/partition.py",
        "local = self.log.flushed_offset if self._flusher.syncs else self.log.log_end_offset",
        "local = self.log.log_end_offset",
    ),
    Bug(
        "follower fetches on before its sync",
        "runtime/replica_fetcher.py",
        "return self._broker.flusher.syncs and partition.log.flushed_offset < partition.log.log_end_offset",
        "return False",
    ),
    Bug("no truncation", "runtime/replica_fetcher.py", "log.truncate_to(cut.offset)", "pass"),
    Bug(
        "truncate by watermark",
        "runtime/partition.py",
        "        self.leadership = None\n        self.leader_id, self.leader_epoch",
        "        self.log.truncate_to(self.high_watermark)\n        self.leadership = None\n"
        "        self.leader_id, self.leader_epoch",
    ),
    Bug(
        "no leader epoch check",
        "apis/leader_epochs.py",
        "    if believed == UNSAID or",
        "    return ErrorCode.NONE\n    if believed == UNSAID or",
    ),
    Bug(
        "watermark does not wait for a proposal",
        "replication/leader.py",
        "return self._image.isr if self._proposal is None else self._proposal.brokers.union(self._image.isr)",
        "return self._image.isr",
    ),
    Bug(
        "proposed in-sync replicas count at once",
        "replication/leader.py",
        "return self._image.isr if self._proposal is None else self._proposal.brokers.union(self._image.isr)",
        "return self._image.isr if self._proposal is None else self._proposal.brokers",
    ),
    Bug(
        "in sync without having caught up",
        "replication/leader.py",
        "least = max(high_watermark, self.start_offset)",
        "least = 0",
    ),
    Bug(
        "stale in-sync edit is taken",
        "controller/alter_partition.py",
        "if wanted.partition_epoch < partition.partition_epoch:",
        "if False:",
    ),
    Bug(
        "edit of a former leader is taken",
        "controller/alter_partition.py",
        "    if wanted.leader_epoch < partition.leader_epoch:\n"
        '        raise Refusal(ErrorCode.FENCED_LEADER_EPOCH, "another leader epoch has begun")\n'
        "    if broker_id != partition.leader:\n"
        '        raise Refusal(ErrorCode.INVALID_REQUEST, "only the leader may propose")\n'
        "    if wanted.partition_epoch < partition.partition_epoch:",
        "    if wanted.leader_epoch == partition.leader_epoch and wanted.partition_epoch < partition.partition_epoch:",
    ),
    Bug(
        "unclean elections",
        "controller/partition_change.py",
        "if rules.unclean or election is Election.UNCLEAN:",
        "if True:",
    ),
    Bug(
        "any active replica may lead",
        "controller/partition_change.py",
        "return replica in eligible and is_active(replica)",
        "return is_active(replica)",
    ),
    Bug(
        "same leader epoch for a new leader",
        "controller/replay.py",
        "leader_epoch=old.leader_epoch + 1",
        "leader_epoch=old.leader_epoch",
    ),
    Bug(
        "ack what was not committed when leadership is lost",
        "runtime/partition.py",
        "        self._commits.fail(error)",
        "        self._commits.fail(ErrorCode.NONE)",
    ),
    Bug(
        "an answer settles another proposal",
        "replication/leader.py",
        "        if self._proposal is not proposal:\n            return None\n"
        "        return self._propose(self._image.isr, refused=proposal.brokers)",
        "        self._proposal = None\n        return None",
    ),
    Bug(
        "ack when appended",
        "apis/api_00_produce.py",
        "return Append(response, wait(appended.last_offset))",
        "return Append(response)",
    ),
    Bug(
        "who waits goes on waiting when another leads",
        "runtime/partition.py",
        "        self.leader_id, self.leader_epoch = image.leader, image.leader_epoch\n        self.fail_commits()\n",
        "        self.leader_id, self.leader_epoch = image.leader, image.leader_epoch\n",
    ),
    Bug(
        "a late fetch of an earlier life counts",
        "replication/leader.py",
        "if follower is None or broker_epoch < follower.broker_epoch:",
        "if follower is None:",
    ),
    Bug(
        "deleted before the followers know",
        "runtime/partition.py",
        "self._deletions.reached(self.leadership.low_watermark(self._log_start_written))",
        "self._deletions.reached(self._log_start_written)",
    ),
    Bug(
        "no duplicate check",
        "log/idempotence.py",
        "def settle(",
        "def settle(*_: object) -> None:\n    return None\n\n\ndef _settle(",
    ),
    Bug(
        "followers forget producers",
        "log/log.py",
        "            if header.producer_id >= 0:\n                batch = records",
        "            if header.producer_id >= 0 and leader_epoch is not None:\n                batch = records",
    ),
    Bug(
        "journal is not synced",
        "controller/file_journal.py",
        "        self._log.flush()\n        return appended",
        "        return appended",
    ),
    Bug(
        "truncate to the leader's end, whatever our own epochs say",
        "replication/truncation.py",
        "    if own_epoch == epoch:\n        return min(end_offset, own_end, log_end_offset)\n    return min(own_end, log_end_offset)",
        "    return min(end_offset, log_end_offset)",
    ),
    Bug(
        "consumers read past the watermark",
        "apis/api_01_fetch.py",
        "        limit = partition.high_watermark\n",
        "        limit = log.log_end_offset\n",
    ),
    Bug(
        "the leader never says where logs part",
        "apis/api_01_fetch.py",
        "    if fetch.last_fetched_epoch < 0:\n",
        "    if True:\n",
    ),
    Bug(
        "a wiped or damaged disk counts as complete",
        "controller/membership.py",
        "if known is None or not _is_complete(request, known):",
        "if False:",
    ),
    Bug(
        "a registration says nothing of damage",
        "runtime/broker.py",
        "damaged=self.replica_logs.damaged(),",
        "damaged=[],",
    ),
    Bug(
        "a registration that nobody heard of costs what a broker has",
        "runtime/broker.py",
        "earlier_incarnations=earlier,",
        "earlier_incarnations=(),",
    ),
    Bug(
        "whatever was acknowledged counts as synced",
        "log/directory.py",
        "return self.clean or self.registration.synced",
        "return True",
    ),
    Bug(
        "a log that cannot be opened is not tried again",
        "runtime/replica_logs.py",
        "            self._try_again()\n",
        "",
    ),
    Bug(
        "another topic's directory of the same name stays where it is",
        "runtime/replica_logs.py",
        "            path = directory.mark_stray(",
        "            raise\n            path = directory.mark_stray(",
    ),
    Bug(
        "a replica with a gap asks from its end",
        "runtime/replica_logs.py",
        "                log.truncate_to(waiting.sound_up_to)",
        "                pass",
    ),
    Bug(
        "a batch that was moved up is kept",
        "log/recovery.py",
        "    return header.next_offset < recovery_point or header.base_offset > end",
        "    return False",
    ),
    Bug(
        "recovery keeps damaged batches",
        "log/scan.py",
        "            if not self._crc_is_valid(header):",
        "            if False:",
    ),
    Bug(
        "eligible replicas are forgotten",
        "controller/partition_change.py",
        "    target.elr = [replica for replica in possible if replica not in unclean_restart]\n",
        "    target.elr = []\n",
    ),
    Bug(
        "a fenced broker stays in the in-sync set",
        "controller/membership.py",
        "isr = [replica for replica in partition.isr if replica != broker_id]\n            record = change_partition(topic.topic_id, index, partition, rules.of(topic.name), stays, isr=isr)",
        "record = change_partition(topic.topic_id, index, partition, rules.of(topic.name), stays)",
    ),
    Bug(
        "a lease has no end",
        "runtime/remote_controller.py",
        "return self._clock.monotonic_ms() < self._lease_until_ms",
        "return self._lease_until_ms >= 0",
    ),
    Bug(
        "a lease counts from the heartbeat's answer",
        "runtime/remote_controller.py",
        "            self._term_ms = answer.lease_ms\n            self._extend_lease(sent_ms)",
        "            self._term_ms = answer.lease_ms\n            self._extend_lease(self._clock.monotonic_ms())",
    ),
    Bug(
        "a lease is as long as the controller's session",
        "controller/heartbeats.py",
        "        return shortest_ms * (100 - DRIFT_PERCENT) // (100 + DRIFT_PERCENT) - 1",
        "        return self.session_ms",
    ),
    Bug(
        "any refused connection extends a lease",
        "runtime/remote_controller.py",
        "            if is_gone and self._is_only_controller and sent_ms < self._lease_until_ms:",
        "            if is_gone:",
    ),
    Bug(
        "a snapshot of the metadata forgets eligible leaders",
        "controller/snapshot.py",
        "eligible_leader_replicas=list(partition.elr)",
        "eligible_leader_replicas=[]",
    ),
    Bug(
        "a decision is told before it is durable",
        "controller/file_journal.py",
        "        try:\n            self._log.flush()",
        "        try:\n            pass",
    ),
]


def main() -> int:
    wanted = set(sys.argv[1:])
    missed = []
    bugs = [bug for bug in BUGS if not wanted or bug.name in wanted]
    for bug in bugs:
        began = time.monotonic()
        story = catch(bug)
        print(
            f"{'caught' if story else 'MISSED'} {time.monotonic() - began:6.1f} s  {bug.name}  {story or ''}",
            flush=True,
        )
        if story is None:
            missed.append(bug)
    print(f"{len(bugs) - len(missed)} of {len(bugs)} planted bugs are caught")
    return 1 if len(missed) > MAY_MISS else 0


def catch(bug: Bug) -> str | None:
    """How it was seen; None where it was not."""
    with tempfile.TemporaryDirectory(prefix="odradek-bug-") as directory:
        copy = Path(directory)
        for part in ("broker", "client", "tests/simulation"):
            shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
        file = copy / BROKER / bug.file
        source = file.read_text()
        assert bug.before in source, f"{bug.name}: {bug.file} has changed"
        planted = source.replace(bug.before, bug.after)
        compile(planted, bug.file, "exec")  # what cannot be run is not caught by the simulation
        file.write_text(planted)
        environment = {**os.environ, "PYTHONPATH": f"{copy / 'client'}:{copy / 'broker'}"}
        command = [sys.executable, "tests/simulation/seeds.py", "0", str(SEEDS), str(SECONDS)]
        try:
            done = subprocess.run(
                command, cwd=copy, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT_S
            )
        except subprocess.TimeoutExpired:
            return None
        said = (done.stdout or done.stderr).strip().splitlines()
        return said[-1][:STORY_CHARACTERS] if done.returncode else None


if __name__ == "__main__":
    sys.exit(main())
