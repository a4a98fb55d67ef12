"""Decides who somebody is, and what they may do. Plain Python: no clock, no sockets, no files.

    principal.py           as whom somebody acts
    principal_mapping.py   the name in a certificate becomes a user's name
    login.py               the login of one connection: what may be asked before, in between and after
    plain.py, scram.py, oauthbearer.py    its mechanisms
    delegation.py           delegation tokens: what is kept of them, and what SCRAM needs of them
    tokens.py              what OAUTHBEARER shows, and by whom it is believed
    key_refresh.py         when the keys by which that is are fetched again
    jaas.py                the line of settings in which Kafka keeps users and passwords
    authorizer.py          who may do what
    acl_index.py           the ACLs that it looks into
    acl_filter.py          which of them somebody means

Times and random numbers are arguments.
"""
