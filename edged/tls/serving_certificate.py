"""The serving certificate over time: own CA or given files, renewed, announced to the API server, then served.

`edged/daemon` makes one, awaits `load`, hands `tls.context` to the listener and runs `run`. Order of a change: the new
material is checked; the API server is told to trust what signed it, beside what it trusts now; only when it has
surely heard is the new certificate shown. What cannot be used is refused, and the old one goes on.

The wall clock may jump by years (boards without a clock of their own start in the past and hear of the time later),
so it is looked at every few seconds instead of slept for.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from edged.errors import ConfigError, EdgedError
from edged.process.boundary import boundary, describe
from edged.telemetry.logs import Logger
from edged.tls import certificates
from edged.tls.certificates import Material, NotMade
from edged.tls.config import TlsConfig
from edged.tls.contexts import ClientAuth, ServerTls, TlsFiles
from edged.tls.validity import is_worse

LOOK_S = 5.0
RETRY_S = 60.0


class Certificates:
    """`own`: files that the operator gives; without them the certificate comes from edged's own CA, for `names`.
    `bundle` is what the API server is to trust (PEM). `announce()` is awaited when it changed, and returns when the API
    server goes by it, beside the one before it."""

    def __init__(
        self,
        own: TlsConfig,
        names: list[str],
        client_auth: ClientAuth,
        state_dir: Path,
        log: Logger,
        announce: Callable[[], Awaitable[None]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._own = own
        self._names = names
        self._client_auth = client_auth
        self._state_dir = state_dir
        self._log = log
        self._announce = announce
        self._now = now
        self._material: Material | None = None
        self._said = ""
        self._renewal_error = ""
        self.bundle = b""
        self.tls: ServerTls | None = None

    @property
    def error(self) -> str:
        """Why the files as they are now are not in use, or could not be renewed; "" where all is well."""
        return self._renewal_error or (self.tls.error if self.tls is not None else "")

    @property
    def is_own(self) -> bool:
        """Whether it comes from edged's own CA, which renews it."""
        return not self._own.cert

    async def load(self) -> ServerTls:
        """The first material. Raises ConfigError, NotMade; given files may be written by another program, which may be
        late."""
        files = await self._files()
        try:
            self._use(files)
        except ConfigError as error:
            if self._material is not None:
                await self._mend()
            try:
                self._use(await self._files())
            except ConfigError as still:
                if self._own.cert or self._own.client_ca:
                    raise NotMade(str(still)) from error
                raise
        assert self.tls is not None
        return self.tls

    def _use(self, files: TlsFiles) -> None:
        tls = ServerTls(files)
        self.tls, self.bundle = tls, self._bundle_of(tls.certificate)

    async def run(self) -> None:
        """Renew and take up what changed, for ever."""
        retry_at = 0.0
        while True:
            await trio.sleep(LOOK_S)
            if trio.current_time() >= retry_at and self._is_due():
                renewed = False
                with boundary(self._log, "certificate", "renewal") as unit:
                    renewed = await self._renew()
                if unit.error is not None:
                    self._renewal_error = describe(unit.error)
                if not renewed or self._damage():  # a client CA that somebody gave cannot be made anew
                    retry_at = trio.current_time() + RETRY_S
            with boundary(self._log, "certificate", "new files"):
                await self.take_up()

    def _is_due(self) -> bool:
        """Whether edged's own files are to be renewed, or are damaged."""
        failed = bool(self._renewal_error or self._damage())
        return self._material is not None and (failed or self._material.is_due(self._now()))

    def _damage(self) -> str:
        if self._material is None or self.tls is None:
            return ""
        try:
            self._material.bundle()
        except EdgedError as error:
            return str(error)
        return self.tls.error

    async def _mend(self) -> None:
        """Have every file of edged's own looked into, and made anew where it is damaged. Raises as `_ensure` does."""
        self._material = await certificates.ensure_in_child(self._state_dir, self._names, look_into=True)
        for name in self._material.mended:
            self._log.warning("damaged certificate file replaced", file=str(self._material.directory / name))

    async def _renew(self) -> bool:
        """Have a new certificate made; whether there is one. Otherwise the old one stays in use."""
        try:
            if self._damage():
                await self._mend()
            else:
                self._material = await self._ensure()
        except EdgedError as error:
            self._renewal_error = str(error)
            self._log.error("certificates not renewed", error=str(error))
            return False
        self._renewal_error = ""
        return True

    async def take_up(self) -> None:
        """Use the files if they changed and can be used."""
        assert self.tls is not None
        prepared = self.tls.prepare()
        if prepared is not None and (worse := is_worse(prepared.certificate, self.tls.certificate, self._now())):
            self.tls.refuse(worse)
            prepared = None
        if self.tls.error and self.tls.error != self._said:
            self._log.error("new certificate refused, the old one stays in use", error=self.tls.error)
        self._said = self.tls.error
        bundle = self._bundle_of(prepared.certificate if prepared else self.tls.certificate)
        if bundle != self.bundle:
            before, self.bundle = self.bundle, bundle
            try:
                await self._announce()
            except Exception:
                self.bundle = before  # to be announced again, before anything new is shown
                raise
        if prepared is not None:
            self.tls.install(prepared)
            self._log.info("certificate replaced")

    def _bundle_of(self, certificate: bytes) -> bytes:
        """What the API server checks that serving certificate against: our CAs, else the given file itself."""
        return self._material.bundle() if self._material is not None else certificate

    async def _files(self) -> TlsFiles:
        if self._own.cert:
            authorities = (Path(self._own.client_ca),) if self._own.client_ca else ()
            return TlsFiles(Path(self._own.cert), Path(self._own.key), authorities, self._client_auth)
        self._material = material = await self._ensure()
        authorities = (Path(self._own.client_ca),) if self._own.client_ca else (material.ca_bundle,)
        return TlsFiles(material.cert, material.key, authorities, self._client_auth)

    async def _ensure(self) -> Material:
        return await certificates.ensure_in_child(self._state_dir, self._names)
