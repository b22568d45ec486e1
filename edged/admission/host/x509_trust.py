"""Whether an X.509 certificate leads to a root: what the host capability `crypto` means by "trusted".

The rules are Kubewarden's, those of webpki: the last certificate of the chain is the only root, what is before it are
intermediates in any order; without a chain the roots of this host count, and there are no intermediates. The
certificate and the intermediates must be valid at the time in question, the root is trusted whatever its dates say. Any
extended key usage will do. Needs the cryptography package (8 MiB), so the daemon never imports this file but runs it,
without sockets and with little memory (admission/host/certificate_trust.py).
"""

from __future__ import annotations

import base64
import functools
import ssl
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import verification

from edged.process.child_program import answer_lines, confine

EXPIRED = "Certificate is being used after its expiration date"
NOT_YET = "Certificate is being used before its validity date"
UNTRUSTED = "Certificate is not trusted by the provided cert chain"
MIN_RSA_BITS = 2048
MEMORY_MIB = 512
CPU_S = 3600
MAX_LENGTH = 8  # certificates between the first and the root
MAX_CHECKS = 200  # signatures that one question may cost
_UNDERSTOOD = frozenset(
    (
        x509.BasicConstraints.oid,
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.SubjectAlternativeName.oid,
        x509.NameConstraints.oid,
        x509.CertificatePolicies.oid,
        x509.SubjectKeyIdentifier.oid,
        x509.AuthorityKeyIdentifier.oid,
    )
)
Chain = tuple[x509.Certificate, ...]
_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def problem(
    certificate: bytes, chain: Sequence[bytes] | None, at: float, roots: Callable[[], Sequence[x509.Certificate]]
) -> str:
    """Why it is not trusted; "" when it is. Certificates are PEM or DER, `at` is Unix time. Raises ValueError for what
    is no certificate."""
    leaf = read(certificate)
    found = [read(entry) for entry in chain] if chain is not None else None
    anchors = list(roots()) if found is None else found[-1:]
    return _problem(leaf, (found or [])[:-1], anchors, datetime.fromtimestamp(at, UTC))


def read(content: bytes) -> x509.Certificate:
    """The first certificate of PEM, or the one of DER. Raises ValueError."""
    try:
        if b"-----BEGIN" in content:
            return x509.load_pem_x509_certificate(content)
        return x509.load_der_x509_certificate(content)
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise ValueError(f"not a certificate: {error}") from error


@functools.cache
def host_roots() -> list[x509.Certificate]:
    """The CAs that this host trusts: on Linux distributions, Mozilla's."""
    paths = ssl.get_default_verify_paths()
    for path in (paths.cafile, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
        if path and Path(path).is_file():
            with warnings.catch_warnings(action="ignore"):  # some old roots have strange serial numbers
                return x509.load_pem_x509_certificates(Path(path).read_bytes())
    return []


def _problem(
    leaf: x509.Certificate, intermediates: list[x509.Certificate], anchors: list[x509.Certificate], at: datetime
) -> str:
    try:
        why = _dates(leaf, at) or _leaf_problem(leaf)
        if why:
            return why
        reason = UNTRUSTED
        for path in _paths((leaf,), intermediates, anchors, [MAX_CHECKS]):
            why = _path_problem(path, at)
            if not why:
                return ""
            reason = why
        return reason
    except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.InvalidVersion) as error:
        return f"Certificate cannot be checked: {error}"


def _dates(certificate: x509.Certificate, at: datetime) -> str:
    if at > certificate.not_valid_after_utc:
        return EXPIRED
    return NOT_YET if at < certificate.not_valid_before_utc else ""


def _leaf_problem(leaf: x509.Certificate) -> str:
    constraints = _extension(leaf, x509.BasicConstraints)
    if constraints is not None and constraints.ca:
        return "Certificate is a CA's and cannot be used as an end entity's"
    return _strange(leaf)


def _paths(
    begun: Chain, intermediates: list[x509.Certificate], anchors: list[x509.Certificate], left: list[int]
) -> Iterator[Chain]:
    """Every way from the last certificate of `begun` to a root, by names and signatures."""
    for anchor in anchors:
        if _issued(begun[-1], anchor, left):
            yield (*begun, anchor)
    if len(begun) > MAX_LENGTH:
        return
    for certificate in intermediates:
        if certificate not in begun and _issued(begun[-1], certificate, left):
            yield from _paths((*begun, certificate), intermediates, anchors, left)


def _issued(certificate: x509.Certificate, issuer: x509.Certificate, left: list[int]) -> bool:
    if certificate.issuer != issuer.subject or left[0] == 0:
        return False
    left[0] -= 1
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _path_problem(path: Chain, at: datetime) -> str:
    """`path`: the certificate, intermediates upwards, the root."""
    for below, certificate in enumerate(path[1:-1]):
        why = _dates(certificate, at) or _issuer_problem(certificate, below)
        if why:
            return why
    return _weakness(path) or _constraints_problem(path)


def _issuer_problem(certificate: x509.Certificate, below: int) -> str:
    """Why an intermediate may not have issued what is below it; `below`: intermediates between it and the first."""
    constraints = _extension(certificate, x509.BasicConstraints)
    if constraints is None or not constraints.ca:
        return f"{UNTRUSTED}: {_name(certificate)} is not a CA"
    if constraints.path_length is not None and constraints.path_length < below:
        return f"{UNTRUSTED}: the chain below {_name(certificate)} is longer than it allows"
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        return f"{UNTRUSTED}: {_name(certificate)} may not sign certificates"
    return _strange(certificate)


def _strange(certificate: x509.Certificate) -> str:
    for extension in certificate.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            return f"{_name(certificate)} has a critical extension nobody understands: {extension.oid.dotted_string}"
    return ""


def _weakness(path: Chain) -> str:
    for certificate, issuer in pairwise(path):
        key, algorithm = issuer.public_key(), certificate.signature_hash_algorithm
        if isinstance(key, rsa.RSAPublicKey) and key.key_size < MIN_RSA_BITS:
            return f"{UNTRUSTED}: the key of {_name(issuer)} has {key.key_size} bits"
        if algorithm is not None and algorithm.name not in ("sha256", "sha384", "sha512"):
            return f"{UNTRUSTED}: {_name(certificate)} is signed with {algorithm.name}"
    return ""


def _constraints_problem(path: Chain) -> str:
    """Names that a CA of the path may not vouch for: asked of the library, for a moment at which all were valid."""
    if all(_extension(certificate, x509.NameConstraints) is None for certificate in path[1:]):
        return ""
    moment = max(certificate.not_valid_before_utc for certificate in path)
    if moment > min(certificate.not_valid_after_utc for certificate in path):
        return f"{UNTRUSTED}: at no moment were all of its certificates valid"
    anything = verification.ExtensionPolicy.permit_all()
    of_cas = anything.require_present(x509.BasicConstraints, verification.Criticality.AGNOSTIC, None)
    builder = verification.PolicyBuilder().store(verification.Store(list(path[-1:]))).time(moment)
    builder = builder.extension_policies(ca_policy=of_cas, ee_policy=anything)
    try:
        builder.build_client_verifier().verify(path[0], list(path[1:-1]))
    except verification.VerificationError as error:
        return f"{UNTRUSTED}: {error}"
    return ""


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "a certificate without a name"


def main() -> int:
    """The child: until its input ends."""
    confine(MEMORY_MIB, CPU_S)
    answer_lines(_answer)
    return 0


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    chain = question["chain"]
    certificates = None if chain is None else [base64.b64decode(certificate) for certificate in chain]
    try:
        return {"reason": problem(base64.b64decode(question["cert"]), certificates, question["at"], host_roots)}
    except ValueError as error:
        return {"error": str(error)}


if __name__ == "__main__":
    sys.exit(main())
