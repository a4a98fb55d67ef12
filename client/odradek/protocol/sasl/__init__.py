"""Logins by SASL: what passes between client and broker, without the passing.

    exchange.py     a client's side of any of them
    scram.py        SCRAM (RFC 5802): its keys, and the client's side
    plain.py        PLAIN (RFC 4616)
    oauthbearer.py  OAUTHBEARER (RFC 7628)

Random numbers are arguments.
"""
