"""Host services for guests, as tests ask them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import orjson

from edged.admission.host.context import HostServices
from edged.admission.host.outside import HostCapabilities
from edged.admission.rules.capabilities import Grants
from edged.registry.config import RegistryConfig
from edged.registry.modules import Modules
from edged.registry.origin import Restrictions
from edged.telemetry.logs import GuestLines, Logger
from tests.kube.support import quiet


class Rig:
    """Everything is granted unless told otherwise."""

    def __init__(
        self, folder: Path, grants: tuple[str, ...] = ("*",), restrictions: Restrictions | None = None, **config: Any
    ) -> None:
        log = Logger(write=lambda line: None)
        self.modules = Modules(RegistryConfig(**config), folder, log)
        self.host = HostCapabilities(lambda: self.modules, quiet(), time.time)
        more = {} if restrictions is None else {"restrictions": restrictions}
        self.services = HostServices("p", "u", Grants(grants), None, GuestLines(log), self.host, **more)

    async def call(self, path: str, payload: object) -> Any:
        namespace, _, operation = path.partition("/")
        body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        reply = self.services.dispatch("kubewarden", namespace, operation, body)
        return orjson.loads(reply if isinstance(reply, bytes) else await reply)
