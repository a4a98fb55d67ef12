"""How a partition's replicas keep together: what a leader knows of its followers, and what a follower cuts off.

Everything here decides and nothing waits; partitions/ feeds it and does what it says.

    leader.py        who is in sync, how far the partition is committed, what to propose to the controller
    truncation.py    where a follower's log parts from its leader's
"""
