"""What every deciding core of a coordinator is made of: groups, transactions, and what else has a topic of its own.

Nothing here waits, and nothing here knows which kind of coordinator it serves.

Reading order
    result.py        one call into a core: when it happens, and what it comes to
    record.py        a record of a coordinator's topic, as bytes
    timers.py        deadlines
    partitioning.py  which partition of its topic a name belongs to
"""
