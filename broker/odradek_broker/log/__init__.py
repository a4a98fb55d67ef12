"""The log: what a partition is on disk, in Apache Kafka's own files. Plain blocking code; no Trio, no clock.

Reading order
    log              one partition's log: append, read, flush, truncate; owns all the rest
    directory        a log directory: lock, checkpoints, the logs in it
    segment          a `.log` file and its indexes (offset_index, time_index, transaction_index, tail); segment_files
                     reads and writes the files, scan walks through batches
    segments         all of them, in order; reading finds batches in them
    validation       what is demanded of a batch before it is appended; raw_batch looks inside one
    producer_state   idempotence and transactions; idempotence, replay, producer_replay, producer_snapshot, snapshots
    leader_epochs    where this log and another part
    flush            what has to be synced, waited for in another thread
    recovery         from bytes on disk to state, after a clean stop or any other (unclean_start); loaded is what it
                     finds; swap finishes what was half done
    retention, compaction (cleaning, key_offsets), deleted_files
    checkpoints, filenames, config, failures
"""
