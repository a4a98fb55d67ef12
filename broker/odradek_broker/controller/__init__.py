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
    partitions.py       new partitions and elections, as records
    assignment.py       whether brokers can carry what is asked for
    create_topics.py, create_partitions.py, delete_topics.py
    configs.py          change configurations
    brokers.py          brokers come
    elections.py        elections asked for by hand
    reassignments.py    reassignments, judged
    internal_topics.py  the topics of coordinators
    delta.py            what is different between two images
    producer_ids.py     blocks of producer ids
    journal.py          the port through which records become durable
    file_journal.py     its implementation on one disk
"""
