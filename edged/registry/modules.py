"""From a module's URL to a file on this host: `file://` as it is, `registry://` and `https://` through the local store.

Called by admission/host/policy_loader.py and scheduling/run/plugin_loader.py when they load, and by the command line.
A URL is downloaded once, however many callers ask for it. The caller decides when to try again. An earlier download
is used while its registry is away.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple
from urllib.parse import urlsplit

import trio

from edged.errors import ConfigError, PeerError, is_disk_error
from edged.http.lookups import Lookups
from edged.records import dataclass
from edged.registry.config import RegistryConfig, module_path
from edged.registry.download import Download
from edged.registry.origin import TRUSTED, Restrictions
from edged.registry.places import Places
from edged.registry.reference import Reference, parse_url
from edged.registry.store import Store, cannot_keep, is_moving
from edged.telemetry.logs import Logger
from edged.wasm.module_file import MAX_MODULE_BYTES

if TYPE_CHECKING:
    from edged.registry.http import Http, Progress
    from edged.registry.oci import Registry

T = TypeVar("T")
Arguments = TypeVarTuple("Arguments")
PULL_S = 3600.0
"""For one module, while data arrives: links of edge nodes are slow. Silence ends a download much sooner."""
STRANGERS_PULL_S = 300.0
FILES_AT_ONCE = 4
SAY_EVERY_S = 5.0


class ModuleUnavailable(PeerError):
    """The module cannot be fetched now; a later attempt may succeed."""


@dataclass(slots=True)
class _Busy:
    """A module that is being fetched, or waited for."""

    lock: trio.Lock = field(default_factory=trio.Lock)
    users: int = 0


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
        self._busy: dict[tuple[Path, Restrictions], _Busy] = {}
        # Trusted and other downloads have places of their own, so that untrusted authors cannot make the administrator
        # wait.
        self._places = {True: Places(), False: Places(gives_way=True)}
        self._lookups = {trusted: Lookups() for trusted in (True, False)}
        self._files = trio.CapacityLimiter(FILES_AT_ONCE)

    def local(self, url: str) -> Path | None:
        """The module's file, if it is there without a download; `kept` also says whether it is whole. For a tag that
        moves it may be out of date. Raises ConfigError for a URL that cannot name a module."""
        if url.startswith("file://"):
            return Path(module_path(url))
        return self.store.find(url)

    async def kept(self, url: str) -> Path | None:
        """As `local`, and a stored file is compared with what was stored before it is used the first time. Raises
        ConfigError."""
        path = self.local(url)
        if path is None or url.startswith("file://") or await self.is_whole(path, url):
            return path
        return None

    async def is_whole(self, path: Path, url: str) -> bool:
        """Whether a file of the store is what was stored; `url` for the log."""
        if self.store.is_known(path):
            return True
        problem = await self._in_thread(self.store.examine, path)
        if problem:
            self._log.warning("stored module is damaged and not used", module=url, file=str(path), problem=problem)
        return not problem

    async def path(self, url: str, restrictions: Restrictions = TRUSTED) -> Path:
        """The module's file, fetched if needed. Raises ModuleUnavailable, ConfigError."""
        stored = await self.kept(url)
        if stored is not None and (url.startswith("file://") or not is_moving(url)):
            return stored
        async with self._alone(self.store.path(url), restrictions) as waited:
            if waited and (stored := await self.kept(url)) is not None:
                return stored
            return await self._fetched(url, restrictions, await self.kept(url))

    @asynccontextmanager
    async def _alone(self, path: Path, restrictions: Restrictions) -> AsyncIterator[bool]:
        """One at a time for each file and each way to fetch it; whether somebody else did so meanwhile. Those with
        other restrictions do not wait for each other: each has a temporary file of its own."""
        busy = self._busy.setdefault((path, restrictions), _Busy())
        busy.users += 1
        waited = busy.lock.locked()
        try:
            async with busy.lock:
                yield waited
        finally:
            busy.users -= 1
            if not busy.users:
                del self._busy[path, restrictions]

    async def _fetched(self, url: str, restrictions: Restrictions, stored: Path | None) -> Path:
        """`stored`: an earlier one, which is used if there is no other now."""
        if self._config.offline:
            if stored is not None:
                return stored
            raise ModuleUnavailable(
                f"module {url}: not in {self.store.root}, and [registry] offline is true: nothing is fetched"
            )
        try:
            return await self._download(url, restrictions)
        except (PeerError, OSError) as error:
            reason = str(error) if isinstance(error, PeerError) else cannot_keep(self.store.path(url), error)
            if stored is not None:
                self._log.warning("module not fetched, the one fetched before is used", module=url, error=reason)
                return stored
            if isinstance(error, PeerError) or is_disk_error(error):
                raise ModuleUnavailable(f"module {url}: {reason}") from error
            raise ConfigError(reason) from error

    async def _download(self, url: str, restrictions: Restrictions) -> Path:
        """Into the store. Raises PeerError, OSError, ConfigError."""
        async with self._places[restrictions == TRUSTED].place(urlsplit(url).netloc):
            incoming = await self._in_thread(self.store.begin, url)
            incoming.download.limiter = self._files
            try:
                await self.fetch(url, incoming.download, restrictions, self._progress(url))
                await self._in_thread(incoming.take_place)
            finally:
                incoming.drop()
        return incoming.path

    async def _in_thread(self, work: Callable[[*Arguments], T], *arguments: *Arguments) -> T:
        """Hashing and writing of files. Threads of their own: nobody waits for a slow disk who does not need it."""
        return await trio.to_thread.run_sync(work, *arguments, limiter=self._files)

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
                    await _from_web(http, url, into, progress)
            return
        raise PeerError(f"not there after {limit_s:.0f} s")

    def http(self, restrictions: Restrictions = TRUSTED) -> Http:
        """Connections as configured. Raises ConfigError, and PeerError if nothing may be fetched."""
        from edged.registry import sources  # with an HTTP client, which only fetching needs
        from edged.registry.http import Http

        if self._config.offline:
            raise PeerError("[registry] offline is true: nothing is fetched")
        return Http(
            sources.load(self._config.sources, os.environ), restrictions.inward, self._lookups[restrictions == TRUSTED]
        )

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


async def _from_web(http: Http, url: str, into: Download, progress: Progress | None) -> None:
    """An https:// module."""
    answer = await http.request("GET", url, limit=MAX_MODULE_BYTES, progress=progress, into=into)
    if answer.status != 200:
        raise PeerError(f"{urlsplit(answer.url).netloc} answered HTTP {answer.status}")
    if not into.is_module:
        raise PeerError("the response is not a Wasm module")
    if not into.is_whole:
        raise PeerError("the response is the beginning of a Wasm module and not all of it")


