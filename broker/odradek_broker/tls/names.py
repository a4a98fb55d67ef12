"""The name in a certificate as Java writes it (RFC 2253): what ssl.principal.mapping.rules are written for."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

_KEYWORDS = {
    NameOID.COMMON_NAME: "CN",
    NameOID.COUNTRY_NAME: "C",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.STREET_ADDRESS: "STREET",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.USER_ID: "UID",
}
_SPECIAL = set(',=+<>#;"\\')


def distinguished_name(certificate: bytes) -> str:
    """Of a certificate as DER. Raises ValueError where it cannot be read."""
    return subject_of(x509.load_der_x509_certificate(certificate))


def subject_of(certificate: x509.Certificate) -> str:
    return ",".join("+".join(map(_attribute, part)) for part in reversed(list(certificate.subject.rdns)))


def _attribute(attribute: x509.NameAttribute[str | bytes]) -> str:
    keyword, value = _KEYWORDS.get(attribute.oid), attribute.value
    if keyword is None or isinstance(value, bytes):
        raw = value.encode() if isinstance(value, str) else value
        return f"{keyword or attribute.oid.dotted_string}=#{_der(attribute._type.value, raw).hex()}"
    return f"{keyword}={_escaped(value)}"


def _der(tag: int, raw: bytes) -> bytes:
    count = len(raw)
    if count < 128:
        return bytes([tag, count]) + raw
    length = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + raw


def _escaped(value: str) -> str:
    characters = [f"\\{each}" if each in _SPECIAL else "\\00" if each == "\0" else each for each in value]
    begin = len(value) - len(value.lstrip(" "))
    end = len(value.rstrip(" "))
    for index in [*range(begin), *range(end, len(value))]:
        characters[index] = "\\ "
    return "".join(characters)
