"""Writers, readers and a nemesis on a real cluster, and a verdict about what became of the records.

history.py     what clients did and saw
checkers.py    what is wrong with a history, by the names of Jepsen's Kafka workload
faults.py      what a nemesis does to a cluster, drawn from a seed
workload.py    writers and readers, each of whose operations goes into the history
run.py         all of it together: faults, heal, drain, verdict
"""
