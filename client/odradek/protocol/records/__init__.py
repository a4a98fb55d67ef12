"""Record batches: the bytes in which records travel and lie in a log.

A broker needs the header of a batch and its checksum, no more; only clients look at records. Reading order:

    batch.py      the header: read it, check it, stamp it in place
    codecs.py     the five codecs, and how a bomb is kept from going off
    record.py     a batch to records
    builder.py    records to a batch
    control.py    the batches that end transactions
    legacy.py     what was before batches: message sets of magic 0 and 1, to be read only
    murmur2.py    which partition a key belongs to
"""
