"""Writers, readers and a nemesis on a real cluster, and a verdict about what became of the records.

history.py     what clients did and saw
checkers.py    what is wrong with a history, by the names of Jepsen's Kafka workload
faults.py      what a nemesis does to a cluster, drawn from a seed
operations.py  what an administrator does meanwhile: elections, moves, other settings, topics made anew
workload.py    writers and readers, each of whose operations goes into the history
group_work.py  a consumer group, whose commits go there too
guests.py      on a secured cluster: who is let in, and who tries all doors
run.py         all of it together: faults, heal, drain, verdict
"""
