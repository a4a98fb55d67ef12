"""Certificates, and what OpenSSL is told of them.

    stores.py       the private key and the certificates that the settings name: PEM or PKCS12, checked
    ciphers.py      cipher suites by the names that Java gives them
    contexts.py     an SSLContext for those who connect to us, and one for whom we connect to
    check.py        all that is wrong with settings, before a start
    renewal.py      the same anew when a file has changed
    names.py        the name in a certificate, as Java writes it
    authority.py    a certificate authority of one's own

Blocking; nothing here waits for a peer.
"""
