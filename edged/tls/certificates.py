"""edged's own CA and what it signs: the serving certificate and client certificates for the API server.

Files under `STATE_DIR/tls` (0700; keys 0600), each replaced atomically:

    ca.crt, ca.key             the CA that signs now                        10 years
    ca-next.crt, ca-next.key   its successor: trusted already, signs nothing yet
    ca-old.crt                 its predecessor, until it expires
    ca-bundle.crt              all of them: what goes into `caBundle` and what clients are checked against
    tls.crt, tls.key           the serving certificate                      90 days
    NAME.crt, NAME.key         a client certificate                         1 year
    state.json                 names, and when to look again: read without parsing certificates

Everything is renewed after two thirds of its life. A CA changes in two steps, at least OVERLAP_S apart, so
that every `caBundle` names the successor before anything is signed by it. Signing needs the cryptography
package, which costs 8 MB that a daemon would never get back: it is imported inside functions only, and the
daemon calls `ensure_in_child`, which runs this file as a short-lived process.
Time is Unix seconds. Used by `edged/daemon`, `cli/webhook/install.py`.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from edged.errors import ConfigError, EdgedError, may_pass
from edged.json_text import dumps, loads
from edged.process import children
from edged.process.files import make_folder, read_file, write_atomically
from edged.records import dataclass

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import ExtensionType

DAY_S = 86400.0
CA_LIFE_S = 3650 * DAY_S
SERVING_LIFE_S = 90 * DAY_S
CLIENT_LIFE_S = 365 * DAY_S
BACKDATED_S = 3600.0  # clocks of clients may be behind ours
OVERLAP_S = 3600.0  # a successor CA is trusted this long before it signs
CA_NAME = "edged webhook CA"
CLIENT_GROUP = "edged:webhook-callers"
CHILD_TIMEOUT_S = 60.0
_OWN_FILES = frozenset({"ca", "ca-next", "ca-old", "ca-bundle", "tls"})
_TRIES = 2
"""Of making certificates: the clock may be set while it is done, as a board without a clock of its own does once."""
EXIT_CONFIG = 2
"""The child's exit code where something has to be mended first, as edged's own."""


class NotMade(EdgedError):
    """No certificate this time, and nothing is wrong with the configuration: the disk is full, the machine too busy.
    A later try may succeed."""


@dataclass(frozen=True, slots=True)
class Material:
    """Where the files are, and what the daemon needs to know of them."""

    directory: Path
    cert: Path
    key: Path
    ca_bundle: Path
    renew_at: float  # Unix time at which `ensure` has something to do again
    valid_from: float = 0.0  # Unix time before which it would not be accepted
    mended: tuple[str, ...] = ()  # names of files that were damaged, and have been made anew just now

    def is_due(self, now: float) -> bool:
        """Whether `ensure` has something to do: time went on, or the clock was set back before all of this was made."""
        return not self.valid_from <= now < self.renew_at

    def bundle(self) -> bytes:
        """PEM for `caBundle`: every CA that is or will be in use. Raises ConfigError."""
        try:
            bundle = read_file(self.ca_bundle)
        except OSError as error:
            raise ConfigError(f"{self.ca_bundle}: {error.strerror}") from error
        # With nothing in it, API servers would trust what their system trusts.
        if bundle.count(b"-----BEGIN CERT") != bundle.count(b"-----END CERT") or b"-----BEGIN CERT" not in bundle:
            raise ConfigError(f"{self.ca_bundle} is damaged")
        return bundle

    def client(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of the client certificate `name`."""
        return self.directory / f"{name}.crt", self.directory / f"{name}.key"


def serving_names(url: str, listen: str) -> list[str]:
    """The names that clients may dial, for the certificate: of the URL and of the listening address."""
    names = [urlsplit(url).hostname or "", listen.rpartition(":")[0].strip("[]")]
    loopback = any(_is_loopback(name) for name in names)
    wildcard = {"", "0.0.0.0", "::"}
    names = [name for name in names if name not in wildcard]
    return list(dict.fromkeys([*names, *(("127.0.0.1", "::1", "localhost") if loopback else ())]))


def _is_loopback(name: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(name).is_loopback
    return name == "localhost"


def load(state_dir: Path, names: Sequence[str], now: float, clients: Sequence[str] = ()) -> Material | None:
    """What is there, without any parsing; None when `ensure` must run first (missing, due, other names)."""
    directory = state_dir / "tls"
    state = _read_state(directory)
    if state.names != list(names) or not set(clients) <= set(state.clients):
        return None
    material = _material(directory, state.renew_at, state.valid_from)
    needed = ["ca-bundle.crt", *(f"{name}.{end}" for name in ("tls", *clients) for end in ("crt", "key"))]
    if material.is_due(now) or not all((directory / name).is_file() for name in needed):
        return None
    return material


def _material(directory: Path, renew_at: float, valid_from: float) -> Material:
    cert, key, bundle = (directory / name for name in ("tls.crt", "tls.key", "ca-bundle.crt"))
    return Material(directory, cert, key, bundle, renew_at, valid_from)


async def ensure_in_child(state_dir: Path, names: Sequence[str], clients: Sequence[str] = (), *,
                          look_into: bool = False) -> Material:
    """`ensure` without importing cryptography here. Raises NotMade, and ConfigError with what the child said.

    `look_into`: also where everything is there and not due, since a file was found to be damaged."""
    material = None if look_into else load(state_dir, names, time.time(), clients)
    if material is not None:
        return material
    mended: tuple[str, ...] = ()
    for _ in range(_TRIES):
        mended += await _run_child(state_dir, names, clients)
        material = load(state_dir, names, time.time(), clients)
        if material is not None:
            return replace(material, mended=mended)
    raise NotMade(f"certificates in {state_dir} are due again after being made; is the clock moving?")


async def _run_child(state_dir: Path, names: Sequence[str], clients: Sequence[str]) -> tuple[str, ...]:
    """Names of damaged files that were made anew. Raises NotMade, ConfigError."""
    options = [f"--name={name}" for name in names] + [f"--client={client}" for client in clients]
    command = children.own_program("edged.tls.certificates", "--state-dir", str(state_dir), *options)
    try:
        ended = await children.run(command, within_s=CHILD_TIMEOUT_S)
    except children.ChildTooSlow as error:
        raise NotMade(f"making certificates in {state_dir} took more than {CHILD_TIMEOUT_S:.0f} s") from error
    except children.ChildFailed as error:
        raise NotMade(f"cannot make certificates in {state_dir}: {error}") from error
    if ended.code != 0:
        kind = ConfigError if ended.code == EXIT_CONFIG else NotMade
        raise kind(f"cannot make certificates in {state_dir}: {ended.reason}")
    return tuple(ended.output.decode(errors="replace").split())


# --- everything below needs cryptography
@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key."""

    cert: x509.Certificate
    key: EllipticCurvePrivateKey

    def renew_at(self) -> float:
        """Two thirds of the way from the first to the last valid moment."""
        begin, end = self.cert.not_valid_before_utc.timestamp(), self.cert.not_valid_after_utc.timestamp()
        return begin + (end - begin) * 2 / 3

    def begins(self) -> float:
        return self.cert.not_valid_before_utc.timestamp()

    def unusable(self, now: float) -> bool:
        """Expired, or made in what is the future now that the clock was set right."""
        return now < self.begins() or now >= self.cert.not_valid_after_utc.timestamp()


def ensure(state_dir: Path, names: Sequence[str], now: float, clients: Sequence[str] = ()) -> Material:
    """Make or renew what is missing, due or damaged, and say where it is. Raises ConfigError.

    Running it twice changes nothing the second time. A file that a power cut left empty or half is made anew; a CA that
    clients trust stays in the bundle as long as its certificate can be found anywhere.
    """
    if not names:
        raise ConfigError("a serving certificate needs at least one host name or address")
    directory = state_dir / "tls"
    try:
        make_folder(directory, 0o700)
        directory.chmod(0o700)
        mended = _damaged(directory, clients)
        authority, next_step = _ensure_authority(directory, now)
        serving, caller = _serving_extensions(names), _client_extensions()
        leaves = [_ensure_leaf(directory, "tls", authority, serving, SERVING_LIFE_S, now)]
        clients = sorted({*clients, *_known_clients(directory)})
        for client in clients:
            leaves.append(_ensure_leaf(directory, client, authority, caller, CLIENT_LIFE_S, now))
        renew_at = min(next_step, *(leaf.renew_at() for leaf in leaves))
        valid_from = max(authority.begins(), *(leaf.begins() for leaf in leaves))
        state = {"names": list(names), "clients": clients, "renew_at": renew_at, "valid_from": valid_from}
        write_atomically(directory / "state.json", dumps(state), 0o600)
    except OSError as error:
        raise ConfigError(f"{error.filename or directory}: {error.strerror}") from error
    return replace(_material(directory, renew_at, valid_from), mended=tuple(mended))


@dataclass(frozen=True, slots=True)
class _State:
    """What state.json says; nothing where it is missing or damaged."""

    names: list[str] = field(default_factory=list)
    clients: list[str] = field(default_factory=list)
    renew_at: float = 0.0
    valid_from: float = 0.0


def _read_state(directory: Path) -> _State:
    try:
        state = loads(read_file(directory / "state.json"))
        return _State(_strings(state["names"]), _strings(state["clients"]), float(state["renew_at"]),
                      float(state["valid_from"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return _State()


def _known_clients(directory: Path) -> list[str]:
    """Whom certificates were made for; where state.json is damaged, their files tell it."""
    state = _read_state(directory)
    if state.names:
        return state.clients
    return [path.stem for path in directory.glob("*.crt")
            if path.stem not in _OWN_FILES and path.with_suffix(".key").exists()]


def _strings(value: object) -> list[str]:
    """Raises TypeError."""
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TypeError("not a list of strings")
    return value


def _damaged(directory: Path, clients: Sequence[str]) -> list[str]:
    """Names of files that are there and are not what they should be."""
    pairs = [f"{name}.{end}" for name in ("ca", "ca-next", "tls", *clients) for end in ("crt", "key")]
    damaged = [name for name in [*pairs, "ca-old.crt"] if _is_damaged(directory / name)]
    bundle = directory / "ca-bundle.crt"
    return [*damaged, bundle.name] if bundle.exists() and not _certificates_in(bundle) else damaged


def _is_damaged(path: Path) -> bool:
    if not path.exists():
        return False
    return (_read_key(path) if path.suffix == ".key" else _read_cert(path)) is None


def _ensure_authority(directory: Path, now: float) -> tuple[Pair, float]:
    """The CA that signs now, and when the next step of its succession is due. Writes the bundle."""
    current, successor = _read_pair(directory, "ca"), _read_pair(directory, "ca-next")
    if current and successor and current.cert == successor.cert:
        successor = None  # a promotion was cut off before its last step
        _remove_successor(directory)
    if successor and successor.unusable(now):
        successor = None
        _remove_successor(directory)
    if current is None or current.unusable(now):
        current = successor or _make_authority(now)
        successor = None
        _promote(directory, current)
    elif successor is not None and now >= _trusted_since(successor) + OVERLAP_S:
        current, successor = successor, None
        _promote(directory, current)
    elif successor is None and now >= current.renew_at():
        successor = _make_authority(now)
        _write_pair(directory, "ca-next", successor)
    _write_bundle(directory, current, successor, now)
    return current, _trusted_since(successor) + OVERLAP_S if successor else current.renew_at()


def _trusted_since(pair: Pair) -> float:
    return pair.cert.not_valid_before_utc.timestamp() + BACKDATED_S


def _promote(directory: Path, successor: Pair) -> None:
    """The current CA, if any, becomes the old one. Order: nothing is lost when it is cut off midway."""
    old = _read_cert(directory / "ca.crt")
    # Where its file is damaged, the bundle still has it.
    known = [cert for cert in _certificates_in(directory / "ca-bundle.crt") if cert != successor.cert]
    if old is None and known:
        old = known[0]
    if old is not None:
        write_atomically(directory / "ca-old.crt", _pem(old), 0o644)
    _write_pair(directory, "ca", successor)
    _remove_successor(directory)


def _remove_successor(directory: Path) -> None:
    for name in ("ca-next.crt", "ca-next.key"):
        (directory / name).unlink(missing_ok=True)


def _write_bundle(directory: Path, current: Pair, successor: Pair | None, now: float) -> None:
    certs = [current.cert] + ([successor.cert] if successor else [])
    old = _read_cert(directory / "ca-old.crt")
    if old is not None and old not in certs:
        begin, end = old.not_valid_before_utc.timestamp(), old.not_valid_after_utc.timestamp()
        certs += [old] if begin <= now < end else []
    bundle = b"".join(_pem(cert) for cert in certs)
    path = directory / "ca-bundle.crt"
    if not path.exists() or read_file(path) != bundle:
        write_atomically(path, bundle, 0o644)


def _ensure_leaf(directory: Path, name: str, authority: Pair, extensions: list[ExtensionType], life_s: float,
                 now: float) -> Pair:
    """The certificate, made anew unless it is right. `name` is also its common name."""
    pair = _read_pair(directory, name)
    if pair is None or not pair.begins() <= now < pair.renew_at() or not _signed_by(pair, authority) \
            or any(extension not in _values(pair.cert) for extension in extensions):
        pair = _make_leaf(authority, name, extensions, life_s, now)
        _write_pair(directory, name, pair)
    return pair


def _values(cert: x509.Certificate) -> list[Any]:
    return [extension.value for extension in cert.extensions]


def _signed_by(pair: Pair, authority: Pair) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        pair.cert.verify_directly_issued_by(authority.cert)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _serving_extensions(names: Sequence[str]) -> list[ExtensionType]:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    return [x509.SubjectAlternativeName([_general_name(name) for name in names]),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])]


def _client_extensions() -> list[ExtensionType]:
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    return [x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])]


def _general_name(name: str) -> Any:
    from cryptography import x509

    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    try:
        return x509.DNSName(name.encode("idna").decode("ascii"))
    except ValueError as error:
        raise ConfigError(f"{name!r} is neither an IP address nor a host name") from error


def _make_authority(now: float) -> Pair:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    # The name carries the time: a bundle may hold two CAs, and clients look issuers up by name first.
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{CA_NAME} {int(now)}")])
    builder = _builder(name, name, key, CA_LIFE_S, now).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True).add_extension(
        _key_usage(signs_certificates=True), critical=True)
    return _sign(builder, key, key)


def _make_leaf(authority: Pair, common_name: str, extensions: list[ExtensionType], life_s: float, now: float) -> Pair:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if not any(isinstance(e, x509.SubjectAlternativeName) for e in extensions):
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, CLIENT_GROUP))
    builder = _builder(x509.Name(attributes), authority.cert.subject, key, life_s, now)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()), critical=False)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return _sign(builder, key, authority.key)


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey, life_s: float,
             now: float) -> x509.CertificateBuilder:
    from cryptography import x509

    begin = datetime.fromtimestamp(int(now), UTC) - timedelta(seconds=BACKDATED_S)
    return (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin).not_valid_after(begin + timedelta(seconds=life_s))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False))


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        digital_signature=not signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False)


def _sign(builder: x509.CertificateBuilder, key: EllipticCurvePrivateKey,
          signer: EllipticCurvePrivateKey) -> Pair:
    from cryptography.hazmat.primitives import hashes

    return Pair(builder.sign(signer, hashes.SHA256()), key)


# --- files
def _pem(cert: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return cert.public_bytes(Encoding.PEM)


def _read_cert(path: Path) -> x509.Certificate | None:
    """None where there is none, or where it is damaged."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(read_file(path))
    except (FileNotFoundError, ValueError):
        return None


def _certificates_in(path: Path) -> list[x509.Certificate]:
    """[] where there are none, or where the file is damaged."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(read_file(path))
    except (FileNotFoundError, ValueError):
        return []


def _read_key(path: Path) -> EllipticCurvePrivateKey | None:
    """None where there is none, or where it is damaged."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(read_file(path), None)
    except (FileNotFoundError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, EllipticCurvePrivateKey) else None


def _read_pair(directory: Path, name: str) -> Pair | None:
    """None when a half is missing or damaged, or the halves differ: a renewal was cut off between two files."""
    cert, key = _read_cert(directory / f"{name}.crt"), _read_key(directory / f"{name}.key")
    if key is not None and cert is None and name == "ca":  # the bundle has its certificate, too
        known = _certificates_in(directory / "ca-bundle.crt")
        cert = next((each for each in known if each.public_key() == key.public_key()), None)
        if cert is not None:
            write_atomically(directory / "ca.crt", _pem(cert), 0o644)
    if key is None or cert is None or cert.public_key() != key.public_key():
        return None
    return Pair(cert, key)


def _write_pair(directory: Path, name: str, pair: Pair) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_atomically(directory / f"{name}.key", key, 0o600)
    write_atomically(directory / f"{name}.crt", _pem(pair.cert), 0o644)


def main(arguments: Sequence[str] | None = None) -> int:
    """What the child process does: `ensure`, errors on stderr. The exit code is that of edged for such an error."""
    parser = argparse.ArgumentParser(prog="edged.tls.certificates")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--name", action="append", default=[], help="host name or address of the certificate")
    parser.add_argument("--client", action="append", default=[], help="client certificate to make")
    given = parser.parse_args(arguments)
    os.umask(0o077)
    try:
        made = ensure(given.state_dir, given.name, time.time(), given.client)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 1 if may_pass(error) else EXIT_CONFIG
    print(*made.mended)
    return 0


if __name__ == "__main__":
    sys.exit(main())
