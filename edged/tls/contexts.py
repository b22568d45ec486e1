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
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from edged.errors import ConfigError
from edged.process.files import in_memory, read_file
from edged.records import dataclass
from edged.tls.validity import chain_bytes

ClientAuth = Literal["require", "request", "off"]
LONGEST_CHAIN_BYTES = 64 * 1024
"""OpenSSL's clients refuse chains of more than 100 KiB, those of older versions of Go of more than 64."""


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
            if files == self.files and _digest(files, _read_all(files)) == self._digest:
                self.error = ""
                return None
            return _prepare(files)
        except ConfigError as error:
            self.error = str(error)
            return None

    def refuse(self, why: str) -> None:
        """What was prepared is not used: the old material is better."""
        self.error = f"TLS certificate {self.files.cert}: {why}"

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
    contents = _read_all(files)
    return Prepared(files, _digest(files, contents), _context(files, contents), contents[files.cert])


def make_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 or later, HTTP/1.1 only. Raises ConfigError that names the file at fault."""
    return _context(files, _read_all(files))


def _context(files: TlsFiles, contents: Mapping[Path, bytes]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 0  # clients keep their connections; tickets would only cost memory and bytes
    if (size := chain_bytes(contents[files.cert])) > LONGEST_CHAIN_BYTES:
        raise ConfigError(
            f"TLS certificate {files.cert}: its certificates are {size >> 10} KiB, and clients take at most"
            f" {LONGEST_CHAIN_BYTES >> 10}: leave only the one of edged and its intermediates in the file"
        )
    try:
        with in_memory(contents[files.cert]) as cert, in_memory(contents[files.key]) as key:
            context.load_cert_chain(cert, key, password=_no_password)
    except (ssl.SSLError, OSError, ConfigError) as error:
        raise ConfigError(f"TLS certificate {files.cert} with key {files.key}: {_reason(error)}") from error
    if files.client_auth != "off":
        for path in files.client_ca:
            _trust(context, path, contents[path])
        context.verify_mode = ssl.CERT_REQUIRED if files.client_auth == "require" else ssl.CERT_OPTIONAL
    return context


def _trust(context: ssl.SSLContext, path: Path, content: bytes) -> None:
    try:
        with in_memory(content) as file:
            context.load_verify_locations(cafile=file)
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


def _read_all(files: TlsFiles) -> dict[Path, bytes]:
    """Each file once: what is checked is what is used. Raises ConfigError."""
    contents = {}
    for path in files.all():
        try:
            contents[path] = read_file(path)
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
    return contents


def _digest(files: TlsFiles, contents: Mapping[Path, bytes]) -> bytes:
    digest = hashlib.sha256()
    for path in files.all():
        digest.update(len(contents[path]).to_bytes(8, "big") + contents[path])
    return digest.digest()
