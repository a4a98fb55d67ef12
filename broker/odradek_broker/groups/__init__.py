"""Groups of consumers: who reads what, and how far they have got (the classic and the consumer protocol).

Everything here decides and nothing waits. One GroupCoordinator holds the groups of one partition of
__consumer_offsets. A call returns a CoordinatorResult: the shell appends the records, replays them into
the coordinator, and lets response and answers go when they are committed. A request that has to wait for other members
is answered by a later call; the coordinator keeps its ticket, the shell whoever waits with it.

Reading order
    coordinator.py      every call there is
    kinds.py, table.py  groups of every kind, by their ids; lifecycle.py: what happens to them unasked
    step.py, timers.py  what a call brings about; what is waited for
    group.py            ClassicGroup: the states and how they follow on one another; member.py
    rebalance.py        from one generation to the next
    join.py, sync.py, leave.py      one request each (sync.py: and Heartbeat)
    consumer/           groups of the consumer protocol; assignors/, topics.py, regex.py: what they are assigned from
    offsets.py          what has been committed; commit.py and fetch.py change and tell it
    records.py          what is written to __consumer_offsets, as bytes
    subscription.py, describe.py, settings.py
"""
