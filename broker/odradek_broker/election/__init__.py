"""Which process decides, where several may: the active controller holds a key in etcd, and keeps its journal there.

    gateway.py        the port: one request to one member of etcd; over HTTP, or simulated
    etcd.py           etcd's keys, transactions and leases, by way of whichever member answers
    etcd_journal.py   the journal of whoever holds the key
    candidate.py      waits for the key, holds it, gives it up

What keeps two controllers apart, and does not depend on etcd's clocks or on ours being right:
    Nothing is written but on condition that the key is still the writer's own: decisions are of one controller.
    Who holds the key believes in it for at most TERM_MS after it asked etcd, and was told that the key is its own.
    Who takes the key puts nobody out for silence before its predecessor has ceased to believe, and a session has gone
    by: so whatever lease the predecessor has answered a broker with is over by then.
"""
