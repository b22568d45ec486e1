"""Host capabilities of policies that lead out of the cluster: `oci`, `net`, `crypto`.

admission/host/context.py has checked the grants before. Everything waits as trio code under the evaluation's own
deadline. Answers about images are remembered for 60 s. Signatures are not verified in this release: a
policy that asks for it gets an error, which it must treat as "not trusted".
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import trio

from edged.abi.wapc import HostCallError
from edged.admission.host.answers import Answers
from edged.admission.rules import capabilities
from edged.errors import EdgedError
from edged.http.lookups import Lookups
from edged.json_text import dumps
from edged.process.boundary import boundary
from edged.registry.origin import TRUSTED, Restrictions
from edged.registry.reference import Reference, parse_image
from edged.telemetry.logs import Logger

if TYPE_CHECKING:
    from edged.admission.host.certificate_trust import CertificateTrust
    from edged.registry.modules import Modules
    from edged.registry.oci import Registry

REMEMBER_S = 60.0
DROP_EVERY_S = 5.0
MOST_ANSWERS = 512
MOST_BYTES = 4 << 20
QUESTIONS_AT_ONCE = 16

Ask = Callable[["Registry", Reference, str], Awaitable[bytes]]
"""(registry, image, host of the API) -> the reply."""


class HostCapabilities:
    """All policies share it. `run` is a task of the daemon; without it, idle child processes are not ended and old
    answers stay."""

    def __init__(
        self, modules: Callable[[], Modules], log: Logger, wall_time: Callable[[], float] = time.time
    ) -> None:
        """`modules`: as they are now; a reload may change them."""
        self._modules = modules
        self._answers = Answers(REMEMBER_S, MOST_ANSWERS, MOST_BYTES)
        self._limiter = trio.CapacityLimiter(QUESTIONS_AT_ONCE)
        self._lookups = Lookups()
        self._wall_time = wall_time
        self._log = log
        self._trust: CertificateTrust | None = None

    def _certificate_trust(self) -> CertificateTrust:
        if self._trust is None:
            from edged.admission.host.certificate_trust import CertificateTrust  # commands hardly ever need it

            self._trust = CertificateTrust(self._wall_time, self._log)
        return self._trust

    async def run(self) -> None:
        """Until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._certificate_trust().run)
            while True:
                await trio.sleep(DROP_EVERY_S)
                with boundary(self._log, "loop", "answers about images"):
                    self._answers.drop_old(trio.current_time())

    async def call(self, path: str, payload: bytes, restrictions: Restrictions = TRUSTED) -> bytes:
        """The reply to `NAMESPACE/OPERATION`. Raises HostCallError."""
        if path == "net/v1/dns_lookup_host":
            host = capabilities.parse_name(payload, "the name of a host")
            with self._lookups.used():
                return await look_up(host)
        if path == "crypto/v1/is_certificate_trusted":
            return await self._certificate_trust().ask(capabilities.parse_certificate(payload))
        ask = _IMAGES.get(path)
        if ask is None:
            raise HostCallError(f"'{path}' cannot be answered: signatures are not verified by this release of edged")
        return await self._about_image(path, ask, capabilities.parse_name(payload, "an image reference"), restrictions)

    async def _about_image(self, path: str, ask: Ask, image: str, restrictions: Restrictions) -> bytes:
        try:
            reference = parse_image(image)

            async def question() -> bytes:
                async with self._limiter:
                    return await self._modules().ask(
                        reference, lambda registry, host: ask(registry, reference, host), restrictions
                    )

            return await self._answers.get((path, reference, restrictions), question)
        except EdgedError as error:  # of the registry, of the name, or a document too deep to be passed on
            # "Callback evaluation failure" is policy-server's own word for it.
            raise HostCallError(f"Callback evaluation failure: {error}") from error


async def look_up(host: str) -> bytes:
    """Addresses of a host, from the system's resolver. Raises HostCallError."""
    try:
        found = await trio.socket.getaddrinfo(host, None, type=trio.socket.SOCK_STREAM)
    except (OSError, UnicodeError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise HostCallError(f"Callback evaluation failure: {host}: {said}") from error
    return dumps({"ips": list(dict.fromkeys(str(entry[4][0]) for entry in found))})


async def _digest(registry: Registry, reference: Reference, host: str) -> bytes:
    return dumps({"digest": (await registry.manifest(reference, host)).digest})


async def _manifest(registry: Registry, reference: Reference, host: str) -> bytes:
    return dumps((await registry.manifest(reference, host)).document)


async def _configuration(registry: Registry, reference: Reference, host: str) -> bytes:
    manifest, config = await registry.configuration(reference, host)
    return dumps({"manifest": manifest.document, "digest": manifest.digest, "config": config})


_IMAGES = {
    "oci/v1/manifest_digest": _digest,
    "oci/v1/oci_manifest": _manifest,
    "oci/v1/oci_manifest_config": _configuration,
}
