"""From when until when certificates are valid, compared with the cryptography package."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given

from edged.tls.certificates import ensure
from edged.tls.validity import is_worse, validity
from tests.fuzzing import bounded, broken


def made(begins: datetime, ends: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x" * 60)])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), begins, ends)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


SAMPLE = made(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("begins", "days"),
    [
        (datetime(2026, 11, 29, 12, 30, 5, tzinfo=UTC), 90),
        (datetime(1990, 1, 1, tzinfo=UTC), 3650),
        (datetime(2026, 1, 1, tzinfo=UTC), 36500),  # ends after 2049: written with four digits
        (datetime(2051, 1, 1, tzinfo=UTC), 1),
    ],
)
def test_as_the_cryptography_package_reads_it(begins: datetime, days: int) -> None:
    ends = begins + timedelta(days=days)
    assert validity(made(begins, ends)) == (begins.timestamp(), ends.timestamp())


def test_of_a_chain_the_first_counts(tmp_path: Path) -> None:
    ensure(tmp_path, ["localhost"], 1_800_000_000.0)
    leaf, authority = ((tmp_path / "tls" / name).read_bytes() for name in ("tls.crt", "ca.crt"))
    assert validity(b"bag attributes\n" + leaf + authority) == validity(leaf) != validity(authority)


CUT = [SAMPLE[: len(SAMPLE) // 2], SAMPLE[:40] + SAMPLE[-27:], SAMPLE[:99] + SAMPLE[-27:]]


@pytest.mark.parametrize("pem", [b"", b"x", *CUT], ids=["empty", "text", "half", "no middle", "no end"])
def test_what_is_no_certificate(pem: bytes) -> None:
    assert validity(pem) is None


@bounded
@given(broken([SAMPLE]))
def test_broken_ones_never_raise(pem: bytes) -> None:
    found = validity(pem)
    assert found is None or len(found) == 2


DAY = timedelta(days=1)
MOMENT = datetime(2026, 6, 1, tzinfo=UTC)
GOOD, LONGER = made(MOMENT - DAY, MOMENT + DAY), made(MOMENT - DAY, MOMENT + 9 * DAY)
EXPIRED, LONG_EXPIRED = made(MOMENT - 9 * DAY, MOMENT - DAY), made(MOMENT - 9 * DAY, MOMENT - 5 * DAY)
LATER, MUCH_LATER = made(MOMENT + DAY, MOMENT + 9 * DAY), made(MOMENT + 5 * DAY, MOMENT + 9 * DAY)


@pytest.mark.parametrize(
    ("new", "old", "why"),
    [
        (GOOD, LONGER, ""),
        (GOOD, EXPIRED, ""),
        (EXPIRED, GOOD, "it expired at 2026-05-31T00:00:00Z, and the one in use is valid until 2026-06-02T00:00:00Z"),
        (LATER, GOOD, "it is valid from 2026-06-02T00:00:00Z on, and the one in use is valid until"),
        (LONG_EXPIRED, EXPIRED, "it expired at 2026-05-27T00:00:00Z, before the one in use"),
        (EXPIRED, LATER, "before the one in use"),
        (EXPIRED, LONG_EXPIRED, ""),
        (LATER, EXPIRED, ""),
        (MUCH_LATER, LATER, ""),
        (b"unreadable", GOOD, ""),
        (EXPIRED, b"unreadable", ""),
    ],
)
def test_which_of_two_is_worse(new: bytes, old: bytes, why: str) -> None:
    said = is_worse(new, old, MOMENT.timestamp())
    assert why in said and bool(why) == bool(said)
