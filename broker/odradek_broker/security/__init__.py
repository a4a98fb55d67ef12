"""Decides who somebody is. Plain Python: no clock, no sockets, no files.

    principal.py           as whom somebody acts
    principal_mapping.py   the name in a certificate becomes a user's name
    login.py               the login of one connection: what may be asked before, in between and after
    plain.py, scram.py     its mechanisms
    jaas.py                the line of settings in which Kafka keeps users and passwords

Times and random numbers are arguments.
"""
