"""The controller: what the cluster consists of, and who decides about it.

Everything here decides and nothing waits. The state is an ordered journal of Kafka's own metadata records; replayed,
they make a MetadataImage. A decision is a plain function (image, request, ...) -> Result(records, response): the shell
appends the records to the journal, replays them once they are safe, and only then answers. After a restart the same
replay makes the same image: there is no second path.

    image.py            MetadataImage and what it consists of
    replay.py           records into an image
    frame.py            a record as bytes, as Kafka frames it
    result.py           Result
    names.py            what a topic may be called
    placement.py        which brokers a partition lives on
    partitions.py       new partitions, as records
    partition_change.py how a partition changes: who is in sync, who leads, who could
    topic_rules.py      what the configuration says about that
    alter_partition.py  what leaders propose
    assignment.py       whether brokers can carry what is asked for
    create_topics.py, create_partitions.py, delete_topics.py
    configs.py          change configurations
    acls.py             create and delete ACLs
    quotas.py           change and describe quotas
    effective.py        what the configuration comes to on one broker
    min_insync.py       min.insync.replicas: one truth, and what its changes do to partitions
    membership.py       brokers come and go
    heartbeats.py       who was heard of when
    stamps.py           what is asked now, and what has been on its way for long
    elections.py        elections asked for by hand
    reassignments.py    partitions on their way to other brokers
    internal_topics.py  the topics of coordinators
    snapshot.py         an image as records
    tail.py             the newest records, for brokers that follow
    delta.py            what is different between two images
    producer_ids.py     blocks of producer ids
    journal.py          the port through which records become durable
    file_journal.py     its implementation on one disk
    journal_files.py    what is there on that disk: whole, torn, or damaged
    snapshot_file.py    a snapshot as a file of Kafka's
    history.py          which controller has decided what
"""
