"""Throw-away certificates for a test cluster: one authority, one server, one administrator, one signing key.

Called by cluster.py. Elliptic curves, because RSA keys would be half of a cluster's start-up time.
"""

from __future__ import annotations

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Certificates:
    """Everything a cluster needs, as files in one folder."""

    authority: Path
    server: Pair
    admin: Pair
    service_account_key: Path


def write_certificates(folder: Path, *addresses: str) -> Certificates:
    """Makes new ones. The server is localhost, 127.0.0.1, ::1 and what else is given; the administrator is in
    system:masters."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("edged tests")
    builder = _builder(name, name, key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    builder = builder.add_extension(
        x509.KeyUsage(True, False, False, False, False, True, True, False, False), critical=True
    ).add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    authority = builder.sign(key, hashes.SHA256())
    (folder / "ca.crt").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    service_account_key = folder / "service-account.key"
    service_account_key.write_bytes(_pem(ec.generate_private_key(ec.SECP256R1())))
    return Certificates(
        authority=folder / "ca.crt",
        server=_issue(
            folder, "server", _name("kube-apiserver"), ExtendedKeyUsageOID.SERVER_AUTH, key, authority, *addresses
        ),
        admin=_issue(
            folder, "admin", _name("admin", "system:masters"), ExtendedKeyUsageOID.CLIENT_AUTH, key, authority
        ),
        service_account_key=service_account_key,
    )


def _issue(
    folder: Path,
    stem: str,
    subject: x509.Name,
    usage: x509.ObjectIdentifier,
    authority_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
    *addresses: str,
) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    numbers = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1", *addresses)]
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), *numbers])
    builder = _builder(subject, authority.subject, key)
    builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    builder = builder.add_extension(names, critical=False)
    # From 3.13 on Python trusts no certificate without it.
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    builder = builder.add_extension(issuer, critical=False)
    pair = Pair(folder / f"{stem}.crt", folder / f"{stem}.key")
    certificate = builder.sign(authority_key, hashes.SHA256())
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pair.key.write_bytes(_pem(key))
    return pair


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
    )


def _name(common_name: str, organization: str | None = None) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(parts)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
