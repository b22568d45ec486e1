"""From a module's URL to a file on this host: `file://` as it is, `registry://` and `https://` through the local store.

Called by admission/host/policy_loader.py and scheduling/run/plugin_loader.py when they load, and by the command line.
A URL is downloaded once, however many callers ask for it. The caller decides when to try again. An earlier download
is used while its registry is away.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import trio

from edged.errors import PeerError
from edged.registry.config import RegistryConfig, module_path
from edged.registry.download import Download
from edged.registry.origin import TRUSTED, Restrictions
from edged.registry.reference import Reference, parse_url
from edged.registry.store import Store, is_moving
from edged.telemetry.logs import Logger
from edged.wasm.compile import MAX_MODULE_BYTES

if TYPE_CHECKING:
    from edged.registry.http import Http, Progress
    from edged.registry.oci import Registry

T = TypeVar("T")
PULL_S = 3600.0
"""For one module, while data arrives: links of edge nodes are slow. Silence ends a download much sooner."""
STRANGERS_PULL_S = 300.0
PULLS_AT_ONCE = 2
SAY_EVERY_S = 5.0


class ModuleUnavailable(PeerError):
    """The module cannot be fetched now; a later attempt may succeed."""


class Modules:
    """The modules of one configuration."""

    def __init__(
        self, config: RegistryConfig, state_dir: Path, log: Logger,
        on_progress: Callable[[str, int, int], None] | None = None,
    ) -> None:  # fmt: skip
        """`on_progress`: is told (URL, bytes so far, all bytes or 0), instead of the log."""
        self.store = Store(state_dir / "modules")
        self._config = config
        self._log = log
        self._on_progress = on_progress
        self._busy: dict[tuple[str, Restrictions], trio.Lock] = {}
        # Trusted and other downloads have a limit each, so that untrusted authors cannot make the administrator wait.
        self._limiters = {trusted: trio.CapacityLimiter(PULLS_AT_ONCE) for trusted in (True, False)}

    def local(self, url: str) -> Path | None:
        """The module's file, if it is there without a download. For a tag that moves it may be out of date. Raises
        ConfigError for a URL that cannot name a module."""
        if url.startswith("file://"):
            return Path(module_path(url))
        return self.store.find(url)

    async def path(self, url: str, restrictions: Restrictions = TRUSTED) -> Path:
        """The module's file, fetched if needed. Raises ModuleUnavailable, ConfigError."""
        stored = self.local(url)
        if stored is not None and (url.startswith("file://") or not is_moving(url)):
            return stored
        lock = self._busy.setdefault((url, restrictions), trio.Lock())
        waited = lock.locked()
        async with lock:
            if waited and (stored := self.store.find(url)) is not None:
                return stored
            return await self._fetched(url, restrictions)

    async def _fetched(self, url: str, restrictions: Restrictions) -> Path:
        stored = self.store.find(url)
        if self._config.offline:
            if stored is not None:
                return stored
            raise ModuleUnavailable(
                f"module {url}: not in {self.store.root}, and [registry] offline is true: nothing is fetched"
            )
        try:
            async with self._limiters[restrictions == TRUSTED]:
                with self.store.incoming(url) as download:
                    await self.fetch(url, download, restrictions, self._progress(url))
                    await trio.to_thread.run_sync(download.settle)
        except PeerError as error:
            if stored is None:
                raise ModuleUnavailable(f"module {url}: {error}") from error
            self._log.warning("module not fetched, the one fetched before is used", module=url, error=str(error))
            return stored
        return self.store.path(url)

    async def fetch(
        self, url: str, into: Download, restrictions: Restrictions = TRUSTED, progress: Progress | None = None
    ) -> None:
        """A registry:// or https:// module, from the network. Raises PeerError, ConfigError."""
        limit_s = PULL_S if restrictions == TRUSTED else STRANGERS_PULL_S
        with trio.move_on_after(limit_s):
            if url.startswith("registry://"):
                reference = parse_url(url)
                await self.ask(
                    reference,
                    lambda registry, host: registry.module(reference, into, MAX_MODULE_BYTES, progress, host),
                    restrictions,
                )
            else:
                async with self.http(restrictions) as http:
                    await _download(http, url, into, progress)
            return
        raise PeerError(f"not there after {limit_s:.0f} s")

    def http(self, restrictions: Restrictions = TRUSTED) -> Http:
        """Connections as configured. Raises ConfigError, and PeerError if nothing may be fetched."""
        from edged.registry import sources  # with an HTTP client, which only fetching needs
        from edged.registry.http import Http

        if self._config.offline:
            raise PeerError("[registry] offline is true: nothing is fetched")
        return Http(sources.load(self._config.sources, os.environ), inward=restrictions.inward)

    async def ask(
        self,
        reference: Reference,
        question: Callable[[Registry, str], Awaitable[T]],
        restrictions: Restrictions = TRUSTED,
    ) -> T:
        """The answer of the first mirror that has one, else of the registry itself. `question` gets the registry and
        the host of its API. Raises PeerError, ConfigError."""
        errors: list[PeerError] = []
        async with self.http(restrictions) as http:
            for host in (*self._config.mirrors.get(reference.host, ()), reference.host):
                registry = await self.registry(http, host, restrictions)
                try:
                    return await question(registry, reference.api_host if host == reference.host else host)
                except PeerError as error:
                    errors.append(error if host == reference.host else PeerError(f"mirror {host}: {error}"))
        if len(errors) == 1:
            raise errors[0]
        raise PeerError("; ".join(map(str, errors)))

    async def registry(self, http: Http, host: str, restrictions: Restrictions = TRUSTED) -> Registry:
        """A registry, with the credentials of docker's configuration."""
        from edged.registry import credentials
        from edged.registry.oci import Registry

        if not restrictions.credentials:
            return Registry(http)
        folder = credentials.folder_of(self._config.docker_config, os.environ)
        login, warning = await credentials.find(folder, host)
        if warning:
            self._log.warning("registry credentials", host=host, problem=warning)
        return Registry(http, login)

    def _progress(self, url: str) -> Progress:
        if self._on_progress is not None:
            return partial(self._on_progress, url)
        said = trio.current_time()

        def progress(done: int, total: int) -> None:
            nonlocal said
            if trio.current_time() - said >= SAY_EVERY_S:
                said = trio.current_time()
                self._log.info("fetching module", module=url, bytes=done, **({"of": total} if total else {}))

        return progress


async def _download(http: Http, url: str, into: Download, progress: Progress | None) -> None:
    """An https:// module."""
    answer = await http.request("GET", url, limit=MAX_MODULE_BYTES, progress=progress, into=into)
    if answer.status != 200:
        raise PeerError(f"{urlsplit(answer.url).netloc} answered HTTP {answer.status}")
    if not into.is_module:
        raise PeerError("the response is not a Wasm module")


