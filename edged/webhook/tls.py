"""The TLS context of a listener, from files that may be replaced at any time.

New connections get the new material without a restart. Contents are compared, not times or inodes: updates of
Kubernetes volumes swap symlinks. New material that does not load (malformed, or a certificate that does not
belong to the key because only one of the two has been replaced so far) is refused, the old stays in use,
`error` says why, and the next look tries again. `daemon.py` makes one, gives `context` to the listener and
runs `watch`.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import trio

from edged.errors import ConfigError

WATCH_INTERVAL_S = 5.0
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


class ServerTls:
    """Raises ConfigError when the files cannot be used at start; later errors are kept in `error`."""

    def __init__(self, files: TlsFiles) -> None:
        if files.client_auth != "off" and not files.client_ca:
            raise ConfigError("client certificates are asked for, but no client CA file is given")
        self.files = files
        self.error = ""  # why the files as they are now are not in use; "" when they are
        self.reloads = 0
        self._digest = _digest(files.all())
        self._context = make_context(files)

    def context(self) -> ssl.SSLContext:
        """For one new connection."""
        return self._context

    def reload(self, files: TlsFiles | None = None) -> bool:
        """Look at the files (or at other ones from now on); whether new material is in use. Never raises."""
        files = files or self.files
        try:
            digest = _digest(files.all())
            if digest == self._digest and files == self.files:
                self.error = ""
                return False
            context = make_context(files)
            if _digest(files.all()) != digest:
                raise ConfigError("the files changed while they were read")
        except ConfigError as error:
            self.error = str(error)
            return False
        self.files, self._digest, self._context, self.error = files, digest, context, ""
        self.reloads += 1
        return True

    async def watch(self, report: Callable[[str], None], interval_s: float = WATCH_INTERVAL_S) -> None:
        """Look every few seconds, for ever. `report` hears "" after a reload and each new error once."""
        while True:
            await trio.sleep(interval_s)
            said = self.error
            if self.reload():
                report("")
            elif self.error and self.error != said:
                report(self.error)


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
    raise ConfigError("encrypted private keys are not supported")


def _digest(paths: Sequence[Path]) -> bytes:
    digest = hashlib.sha256()
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()
