"""Groups of the consumer protocol (KIP-848): the coordinator assigns, and members get there one by one.

Reading order
    group.py, member.py      what is known, and which epochs say how far who is
    heartbeat.py             the one request there is: join, stay, leave
    draft.py, regexes.py     what it is about to change; expressions that members subscribe by
    target.py                what members are to have; reconcile.py: from what they have to that
    fence.py, timeouts.py    members that go
    migration.py, classic_members.py, embedded.py    members that speak the classic protocol, until none does
    records.py, replay.py    what is written to __consumer_offsets, and what it does
    validation.py, describe.py
"""
