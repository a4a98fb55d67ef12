"""Three brokers side by side: Apache Kafka's combined nodes, and Odradek with each of its flush policies.

    python -m benchmarks.run cluster            all of it; tables, results.json and .md, docs/failover.png
    python -m benchmarks.run cluster --quick    a look, not a result
    python -m benchmarks.run cluster.failover   one or more of the modules below

    throughput.py            records in at 100 B, 1 KB, 10 KB; zstd; idempotent; acks=all
    latency.py               one record in flight, acks=all and acks=1
    failover.py              the leader is killed under a steady writer: how long nothing is acknowledged
    controller_failover.py   the same, where the leader is the active controller too; with etcd
    vanished.py              the leader's host is gone without a word; false alarms. By itself, as root: see there
    startup.py               from the command to three brokers that are ready; idle memory
    crowd.py                 many partitions: idle processor time, and how long until all have another leader

    ../transaction_speed.py  what transactions cost, as with one broker: cluster.transaction_speed

Every topic has three replicas, of which two must be in sync. One cluster runs at a time; they take turns round by
round. Nothing here asserts on time.
"""
