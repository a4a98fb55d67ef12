"""Transactions: which producer may write under a transactional id, and how each of its transactions ends.

Everything here decides and nothing waits. One TransactionCoordinator holds the transactional ids of one partition of
__transaction_state. A call returns a CoordinatorResult: the shell appends the records, replays them into
the coordinator, and lets the response go when they are committed. What a transaction owes to its partitions, a marker
each, is asked for by `owed` and may be written once the decision is committed, never before.

Reading order
    coordinator.py         every call there is
    transaction.py         Transaction: a value, and how the next follows from it; states.py
    init_producer_id.py, add_partitions.py, end.py     who is answered what
    markers.py             what is owed to partitions until each of them has it
    records.py             what is written to __transaction_state, as bytes
    listing.py, settings.py
"""
