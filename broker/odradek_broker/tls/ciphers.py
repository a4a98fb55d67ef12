"""Cipher suites by the names of their standard, which Java uses, for OpenSSL, which has names of its own."""

from __future__ import annotations

TLS_1_3 = ("TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256")
"""Those of TLS 1.3; OpenSSL speaks all of them, or none."""


def openssl_name(suite: str) -> str:
    """Of a suite of TLS 1.2: TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 is ECDHE-RSA-AES128-GCM-SHA256."""
    exchange, _, cipher = suite.removeprefix("TLS_").partition("_WITH_")
    if not cipher:
        return suite
    exchange = "" if exchange == "RSA" else f"{exchange}-"
    cipher = cipher.replace("AES_128", "AES128").replace("AES_256", "AES256").replace("_CBC", "")
    if cipher.startswith("CHACHA20"):
        cipher = cipher.removesuffix("_SHA256")
    return (exchange + cipher).replace("_", "-")
