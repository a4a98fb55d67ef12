"""What share groups decide about records (KIP-932): who has which of them, how often, and what became of it.

    ranges            runs of offsets of which the same can be said
    share_partition   one partition as one group shares it: acquire, acknowledge, release, time out
    share_state       what is kept of share partitions in __share_group_state
    records           the records of that topic, as bytes and as what they mean
    sessions          who fetches what, request by request

Plain Python: no awaiting, no clock, no log. coordinators/ hosts these.
"""
