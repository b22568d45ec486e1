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
from edged.tls.validity import validity
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
