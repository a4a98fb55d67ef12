"""Share groups: who is in one, and which partitions each member is to fetch (KIP-932).

Who has which records is decided by the partitions' leaders (sharing/); here is who asks whom, and which share
partitions have begun to be shared.

Reading order
    group.py        ShareGroup: members (member.py), epochs, partitions that are initialized
    heartbeat.py    join, stay, leave
    assignor.py     who gets which partitions
    calls.py        what may be asked, offsets too
    records.py, replay.py    what is written to __consumer_offsets, and what it brings about
    describe.py
"""
