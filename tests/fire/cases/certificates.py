"""Given certificates that change: good ones five times under load, and bad ones, which never replace a good one."""

from __future__ import annotations

import datetime
import ipaddress
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cluster.edged import wait_for
from tests.fire.context import Context, FireDaemon
from tests.fire.reviews import Reviews, privileged_questions
from tests.fire.rows import Row, Tally

LOOKED_S = 8.0
"""Until then edged has looked at the files."""
SERVED_S = 60.0
"""How soon a new pair of files is what is served."""


@dataclass(frozen=True, slots=True)
class Pair:
    """PEM texts, and the number that tells certificates apart."""

    certificate: bytes
    key: bytes
    serial: int


class Authority:
    """Signs what callers trust; `file` is what they trust."""

    def __init__(self, folder: Path) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fire")])
        builder = self._builder(self._name, self._key, 0, 365)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        own = builder.sign(self._key, hashes.SHA256())
        self.file = folder / "authority.crt"
        self.file.write_bytes(own.public_bytes(serialization.Encoding.PEM))

    def pair(self, *, begins_days: float = 0, ends_days: float = 30) -> Pair:
        """A certificate for loopback, valid from and until so many days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "edged")])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = self._builder(name, key, begins_days, ends_days).add_extension(address, critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = builder.add_extension(issuer, critical=False).sign(self._key, hashes.SHA256())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Pair(made.public_bytes(serialization.Encoding.PEM), pem, made.serial_number)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, begins_days: float, ends_days: float
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        begins = now + datetime.timedelta(days=begins_days) - datetime.timedelta(minutes=5)
        return builder.not_valid_before(begins).not_valid_after(now + datetime.timedelta(days=ends_days))


class Given:
    """The two files that the configuration names."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self.key = folder / "given.crt", folder / "given.key"

    def put(self, certificate: bytes, key: bytes) -> None:
        """Each file whole, one after the other, as most tools do it."""
        for path, text in ((self.key, key), (self.certificate, certificate)):
            new = path.with_suffix(".new")
            new.write_bytes(text)
            new.replace(path)

    def settings(self) -> dict[str, object]:
        return {"tls": {"cert": str(self.certificate), "key": str(self.key)}}


def swapped(context: Context, tally: Tally) -> None:
    """Every pair is served in time, and no review is lost between two of them."""
    authority, given = Authority(context.folder), Given(context.folder)
    pair = authority.pair()
    given.put(pair.certificate, pair.key)
    with (
        context.edged(admission=given.settings(), authority=authority.file) as edged,
        Reviews(edged, tally, privileged_questions(), pause_s=0.01, late_s=3.0) as reviews,
    ):
        for _ in range(context.scaled(5, 2)):
            reviews.more(100)
            pair = authority.pair()
            given.put(pair.certificate, pair.key)
            _is_served(edged, tally, pair, "the new pair")
            reviews.more(100)


def bad(context: Context, tally: Tally) -> None:
    """What cannot be served leaves the good pair in place; the next good one is served."""
    authority, given = Authority(context.folder), Given(context.folder)
    pair = authority.pair()
    given.put(pair.certificate, pair.key)
    expired, early = authority.pair(begins_days=-30, ends_days=-1), authority.pair(begins_days=10)
    replacements = {
        "expired": (expired.certificate, expired.key),
        "not yet valid": (early.certificate, early.key),
        "empty": (b"", b""),
        "half": (pair.certificate[:200], pair.key),
        "another key": (authority.pair().certificate, authority.pair().key),
        "garbage": (os.urandom(3000), os.urandom(3000)),
        "huge": (pair.certificate * 20000, pair.key),
    }
    with (
        context.edged(admission=given.settings(), authority=authority.file) as edged,
        Reviews(edged, tally, privileged_questions(), pause_s=0.02, late_s=3.0) as reviews,
    ):
        for name, (certificate, key) in replacements.items():
            if context.quick and name not in ("expired", "not yet valid", "half"):
                continue
            given.put(certificate, key)
            time.sleep(LOOKED_S)
            reviews.more(100)
            tally.check(_served(edged) == pair.serial, f"{name}: something else is served")
            tally.check(not edged.process or edged.process.running, f"{name}: edged ended")
        _fifo(edged, given, reviews, tally)
        pair = authority.pair()
        given.put(pair.certificate, pair.key)
        _is_served(edged, tally, pair, "after all that")


def _fifo(edged: FireDaemon, given: Given, reviews: Reviews, tally: Tally) -> None:
    """Opening it waits for somebody who writes, for ever."""
    given.certificate.unlink()
    os.mkfifo(given.certificate)
    edged.signal(signal.SIGHUP)
    time.sleep(LOOKED_S)
    reviews.more(300)
    tally.check(edged.is_serving(), "with a FIFO as certificate: edged does not answer")
    given.certificate.unlink()


def _is_served(edged: FireDaemon, tally: Tally, pair: Pair, what: str) -> None:
    tally.add_asked()
    try:
        wait_for(lambda: _served(edged) == pair.serial, what, seconds=SERVED_S, every_s=0.2)
    except AssertionError as error:
        tally.add_late(str(error))


def _served(edged: FireDaemon) -> int:
    connection = edged.connect()
    connection.connect()
    served = connection.sock.getpeercert(binary_form=True)
    connection.close()
    assert isinstance(served, bytes)
    return x509.load_der_x509_certificate(served).serial_number


ROWS = (
    Row("certificates-swapped", "given certificates swapped five times under load", swapped, quick=True),
    Row("certificates-bad", "expired, early, cut, foreign and huge ones, a FIFO", bad),
)
