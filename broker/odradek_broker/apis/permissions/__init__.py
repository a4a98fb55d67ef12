"""What each API asks for, what it answers where that is refused, and what it hides: once for all, before any handler.

Between the dispatcher and the handlers. What is not permitted is taken out of a request before its handler sees it,
and put into the answer afterwards: a handler cannot tell anybody of a topic that they may not know, because it does not
hear of it. Where no authorizer is configured nothing of this happens.

    table.py      for each request: the rules, and how it is refused as a whole
    rules.py      the kinds of rules
    of_records.py, of_groups.py, of_topics.py    rules of single APIs
    entries.py    how entries of requests are named, and refused each by itself
    asking.py     whether one caller may do one thing
    guard.py      the rules of an API, applied to a request

Some ask within their handlers: Fetch and ShareFetch, whose partitions their sessions know; AddPartitionsToTxn, which
adds all or none of them; ConsumerGroupHeartbeat, which finds topics by an expression.
"""
