"""The bugs that are planted in transactions. Each shows only in worlds where somebody uses them."""

from __future__ import annotations

from bug import planted

TRANSACTIONS = ("transactions",)

OF_TRANSACTIONS = [
    planted(
        "the last stable offset is the high watermark",
        "log/readable.py",
        "return high_watermark if unstable is None else min(max(unstable, self.log_start_offset), high_watermark)",
        "return high_watermark",
        needs=TRANSACTIONS,
    ),
    planted(
        "what has ended is stable before its marker is committed",
        "log/producer_state.py",
        "        if self._completed:\n            waiting",
        "        if False:\n            waiting",
        needs=TRANSACTIONS,
    ),
    planted(
        "aborted transactions are not told",
        "partitions/fetch.py",
        "            found = [] if records is None else log.aborted_in(offset, records, limit)",
        "            found = []",
        needs=TRANSACTIONS,
    ),
    planted(
        "the index of aborted transactions takes no notice of those that are still open",
        "log/producer_state.py",
        "        stable = next(iter(self._open.values()), marker_offset + 1)",
        "        stable = marker_offset + 1",
        needs=TRANSACTIONS,
    ),
    planted(
        "a restart forgets which transactions are open",
        "log/producer_state.py",
        "        opened = [p for p in self.producers.values() if p.transaction_first_offset >= 0]",
        "        opened = list[Producer]()",
        needs=TRANSACTIONS,
    ),
    planted(
        "nobody looks at a producer's epoch",
        "log/producer_state.py",
        "        elif epoch < producer.epoch:\n            return ErrorCode.INVALID_PRODUCER_EPOCH\n",
        "",
        (
            "transactions/add_partitions.py",
            "    return ErrorCode.NONE if producer.epoch == transaction.producer_epoch else ErrorCode.PRODUCER_FENCED",
            "    return ErrorCode.NONE",
        ),
        needs=TRANSACTIONS,
    ),
    planted(
        "an abort over its producer's head leaves that its epoch",
        "transactions/transaction.py",
        "            producer_epoch=self.producer_epoch + 1,\n            next_producer_id=NO_ID,",
        "            producer_epoch=self.producer_epoch,\n            next_producer_id=NO_ID,",
        needs=TRANSACTIONS,
    ),
    planted(
        "an end does not raise the epoch",
        "transactions/transaction.py",
        "            producer_epoch=self.producer_epoch + (client_version >= EPOCH_BUMPS),",
        "            producer_epoch=self.producer_epoch,",
        needs=TRANSACTIONS,
    ),
    planted(
        "an end that was retried is done, whichever way it went",
        "transactions/end.py",
        "        return End.DONE if state is _complete(commit=commit) else ErrorCode.INVALID_TXN_STATE\n"
        "    if producer",
        "        return End.DONE\n    if producer",
        needs=TRANSACTIONS,
        lasts_s=12.0,
    ),
    planted(
        "a transaction that is open does not keep a new producer from beginning",
        "transactions/coordinator.py",
        "        if transaction.state is TransactionState.ONGOING:\n            fence",
        "        if False:\n            fence",
        needs=TRANSACTIONS,
    ),
    planted(
        "only one partition of a transaction gets its marker",
        "coordinators/marker_sender.py",
        "for host, owed in new for each in list(owed.partitions))",
        "for host, owed in new for each in list(owed.partitions)[:1])",
        needs=TRANSACTIONS,
    ),
    planted(
        "a marker that a broker refuses is not sent again",
        "coordinators/marker_sender.py",
        "            self._back += left\n",
        "",
        needs=TRANSACTIONS,
    ),
    planted(
        "the next coordinator forgets what was decided",
        "transactions/coordinator.py",
        "        self._look_for_expired_later(now)\n\n    # ",
        "        self._look_for_expired_later(now)\n        self._markers = Markers()\n\n    # ",
        needs=TRANSACTIONS,
    ),
    planted(
        "offsets of a transaction count at once",
        "groups/table.py",
        "        group.offsets.put(key, CommittedOffset(record.value, log_offset), producer_id)",
        "        group.offsets.put(key, CommittedOffset(record.value, log_offset), None)",
        needs=TRANSACTIONS,
    ),
    planted(
        "offsets of an aborted transaction count",
        "groups/table.py",
        "                group.offsets.complete(producer_id, commit=commit)",
        "                group.offsets.complete(producer_id, commit=True)",
        needs=TRANSACTIONS,
    ),
    planted(
        "a marker lets no offsets count",
        "coordinators/transaction_markers.py",
        "    if topic == GROUP_TOPIC:\n",
        "    if False:\n",
        needs=TRANSACTIONS,
    ),
    planted(
        "a transaction's decision is answered before it is committed",
        "coordinators/runtime.py",
        "        if commit.outcome is ErrorCode.NONE:\n            self._settle(commit, answers)",
        "        if self.follows_commits or not commit.outcome:\n            self._settle(commit, answers)",
        needs=TRANSACTIONS,
        lasts_s=8.0,
    ),
]
