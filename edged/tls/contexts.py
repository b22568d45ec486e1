"""The TLS context of a listener, from files that may be replaced at any time.

New connections get the new material without a restart. Contents are compared, not times or inodes: updates of
Kubernetes volumes swap symlinks. New material that does not load (malformed, or a certificate that does not
belong to the key because only one of the two has been replaced so far) is refused, the old stays in use,
`error` says why, and the next look tries again. `tls/serving_certificate.py` makes one and looks; the listener
asks `context` for each connection.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edged.errors import ConfigError

ClientAuth = Literal["require", "request", "off"]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files. `client_ca`: CAs of client certificates; needed unless `client_auth` is "off"."""

    cert: Path
    key: Path
    client_ca: tuple[Path, ...] = ()
    client_auth: ClientAuth = "off"

    def all(self) -> list[Path]:
        """Every file whose change matters."""
        return [self.cert, self.key, *(self.client_ca if self.client_auth != "off" else ())]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Material that loads, and is not in use yet."""

    files: TlsFiles
    digest: bytes
    context: ssl.SSLContext
    certificate: bytes  # PEM, as in the file


class ServerTls:
    """Raises ConfigError when the files cannot be used at start; later errors are kept in `error`."""

    def __init__(self, files: TlsFiles) -> None:
        if files.client_auth != "off" and not files.client_ca:
            raise ConfigError("client certificates are asked for, but no client CA file is given")
        self.error = ""  # why the files as they are now are not in use; "" when they are
        self.reloads = -1
        self.install(_prepare(files))

    def context(self) -> ssl.SSLContext:
        """For one new connection."""
        return self._context

    def prepare(self, files: TlsFiles | None = None) -> Prepared | None:
        """The files (or other ones) as they are now, where they changed and can be used. Never raises: see `error`."""
        files = files or self.files
        try:
            if _digest(files.all()) == self._digest and files == self.files:
                self.error = ""
                return None
            return _prepare(files)
        except ConfigError as error:
            self.error = str(error)
            return None

    def install(self, prepared: Prepared) -> None:
        """New connections get this from now on."""
        self.files, self._digest, self._context = prepared.files, prepared.digest, prepared.context
        self.certificate = prepared.certificate
        self.error = ""
        self.reloads += 1

    def reload(self, files: TlsFiles | None = None) -> bool:
        """Both steps at once; whether new material is in use. Never raises."""
        prepared = self.prepare(files)
        if prepared is not None:
            self.install(prepared)
        return prepared is not None


def _prepare(files: TlsFiles) -> Prepared:
    """Raises ConfigError."""
    digest, certificate = _digest(files.all()), _read(files.cert)
    context = make_context(files)
    if _digest(files.all()) != digest:
        raise ConfigError("the files changed while they were read")
    return Prepared(files, digest, context, certificate)


def make_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 or later, HTTP/1.1 only. Raises ConfigError that names the file at fault."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 0  # clients keep their connections; tickets would only cost memory and bytes
    try:
        context.load_cert_chain(files.cert, files.key, password=_no_password)
    except (ssl.SSLError, OSError, ConfigError) as error:
        raise ConfigError(f"TLS certificate {files.cert} with key {files.key}: {_reason(error)}") from error
    if files.client_auth != "off":
        for path in files.client_ca:
            _trust(context, path)
        context.verify_mode = ssl.CERT_REQUIRED if files.client_auth == "require" else ssl.CERT_OPTIONAL
    return context


def _trust(context: ssl.SSLContext, path: Path) -> None:
    try:
        context.load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError) as error:
        raise ConfigError(f"client CA {path}: {_reason(error)}") from error


def _reason(error: OSError | ConfigError) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "they do not belong together"
        return f"not usable PEM ({error.reason or error})"
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _no_password() -> str:
    raise ConfigError("encrypted private keys are not supported: write it without, `openssl pkey -in KEY -out NEW`")


def _digest(paths: Sequence[Path]) -> bytes:
    digest = hashlib.sha256()
    for path in paths:
        data = _read(path)
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
