"""From when until when a certificate is valid: a reader of just that part of X.509. Pure.

The cryptography package reads whole certificates and costs 8 MB that a daemon would never get back; Python's ssl reads
none that it was not shown in a handshake. DER is a tree of (tag, length, content); the times are at a fixed place in
it. Called by edged/daemon/health.py and tls/serving_certificate.py.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime
from typing import Final

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18
_TIMES: Final = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}
_BEFORE_VALIDITY: Final = 3
"""Serial number, signature algorithm and issuer."""


def validity(pem: bytes) -> tuple[float, float] | None:
    """(first, last valid moment) of the first certificate, as Unix time; None where there is none that can be read."""
    found = _PEM.search(pem)
    try:
        return _validity(binascii.a2b_base64(found[1])) if found else None
    except (ValueError, IndexError, OverflowError):
        return None


def chain_bytes(pem: bytes) -> int:
    """How much of a handshake the certificates take, nearly: what is base64 in the text, decoded."""
    return sum(len(found) for found in _PEM.findall(pem)) * 3 // 4


def is_worse(new: bytes, old: bytes, now: float) -> str:
    """Why nobody accepts the certificate `new` at this time while `old` would do, or is nearer to it; "" where `new`
    is to be used. PEM. What cannot be read is not judged."""
    fresh, used = validity(new), validity(old)
    if fresh is None or used is None or fresh[0] <= now < fresh[1]:
        return ""
    said = f"it expired at {_rfc3339(fresh[1])}" if now >= fresh[1] else f"it is valid from {_rfc3339(fresh[0])} on"
    if used[0] <= now < used[1]:
        return f"{said}, and the one in use is valid until {_rfc3339(used[1])}"
    if now >= fresh[1] and (now < used[0] or used[1] > fresh[1]):
        return f"{said}, before the one in use"
    return ""


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _validity(der: bytes) -> tuple[float, float]:
    """Raises ValueError, IndexError, OverflowError."""
    at, _ = _inside(der, 0, _SEQUENCE)  # Certificate
    at, _ = _inside(der, at, _SEQUENCE)  # TBSCertificate
    if der[at] == _VERSION:
        at = _behind(der, at)
    for _ in range(_BEFORE_VALIDITY):
        at = _behind(der, at)
    begins, _ = _inside(der, at, _SEQUENCE)
    return _time(der, begins), _time(der, _behind(der, begins))


def _header(der: bytes, at: int) -> tuple[int, int]:
    """(where the content of the element at `at` begins, where it ends)."""
    length, begin = der[at + 1], at + 2
    if length >= 0x80:
        count = length & 0x7F
        length, begin = int.from_bytes(der[begin : begin + count], "big"), begin + count
    if begin + length > len(der):
        raise ValueError("cut off")
    return begin, begin + length


def _inside(der: bytes, at: int, tag: int) -> tuple[int, int]:
    if der[at] != tag:
        raise ValueError("not a certificate")
    return _header(der, at)


def _behind(der: bytes, at: int) -> int:
    return _header(der, at)[1]


def _time(der: bytes, at: int) -> float:
    begin, end = _header(der, at)
    moment = datetime.strptime(der[begin:end].decode("ascii"), _TIMES.get(der[at], ""))
    if der[at] == _UTC_TIME and moment.year >= 2050:  # RFC 5280: two digits from 50 on are of the last century
        moment = moment.replace(year=moment.year - 100)
    return moment.replace(tzinfo=UTC).timestamp()
