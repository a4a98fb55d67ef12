"""Side-by-side measurements: Odradek, Apache Kafka and other people's Python clients, on this machine, in one run.

    python -m benchmarks.run             everything: table, results.json, docs/benchmarks.png
    python -m benchmarks.run --quick     a tenth of the records: a look, not a result
    python -m benchmarks.run throughput  one or more of the modules below
    python -m benchmarks.run --full      as well a 20 GB log and a ten-minute load
    python -m benchmarks.run security    tls.py, permissions.py and logins.py
    python -m benchmarks.run cluster     three brokers of each: see cluster/, which is not part of everything

    throughput.py   records in and out at 100 B, 1 KB, 10 KB; zstd; idempotent
    latency.py      one record in flight
    path.py         where the time of that record goes, step by step; run by itself
    startup.py      spawn to first acknowledgement, idle memory, memory after load
    own_client.py   odradek's client beside aiokafka, against the same broker
    groups.py       joins, deaths and pauses of consumer groups, commits, share groups, memory of many groups
    transaction_speed.py   transactions a second, records through them, how long a step of a copy takes
    transactions.py        how fast transactional ids are given out; a take-over of very many of them
    command_line.py odradek produce and tail beside kcat; run by itself
    flat_cost.py    what must not matter: partitions, connections, size of the log
    capacity.py     what a core carries: processor time for each request, megabyte, connection and partition
    logins.py       logins by SCRAM a second, and what a neighbour notices of them
    tls.py          records in and out over TLS
    permissions.py  what asking for permission costs a Produce, decisions among many ACLs, and their memory

Brokers take turns round by round, so a slow minute of the machine is shared. The client is confluent-kafka in a process
of its own (client_*.py), the same for every broker. Nothing here asserts on time.
"""
