"""One module under the daemon's own host, in this process: for `edged controller test` and `run`.

The host is edged/controllers/run, as the daemon wires it. What stands between it and the module here (`WatchedLoader`)
notes what the module asks and what it is refused, and turns writes into dry runs where that is wanted.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import trio

from edged.controllers.core.codes import Code, Refused
from edged.controllers.core.rates import Bucket
from edged.controllers.run.controllers import Controllers
from edged.controllers.run.host import CONNECTIONS, MOST_ANSWER, Host, Times, extensions_of, rate_of
from edged.controllers.run.leadership import Leaderships
from edged.controllers.run.live import Live
from edged.controllers.run.measures import Measures
from edged.json_text import JsonError, dumps, loads
from edged.kube.informers import Informers
from edged.kube.lean import LeanPool
from edged.kube.writes import EventRecorder
from edged.telemetry.metrics import MetricRegistry

if TYPE_CHECKING:
    from edged.controllers.config import ControllerConfig
    from edged.controllers.run.guest import ControllerModule, Guest, Reply
    from edged.controllers.run.imports import Desk
    from edged.controllers.run.loading import ModuleLoader
    from edged.fabric.config import FabricConfig
    from edged.kube.client import ApiClient
    from edged.telemetry.logs import GuestLines, Logger
    from edged.wasm.account import Budget

_CHANGES: Final = ("write", "ext")
_ENOUGH: Final = 1000
"""Refusals that are kept."""


@dataclass(slots=True)
class Seen:
    """What a module did. `most_calls`: after so many calls of exports without `forget_calls` it gets no answer any
    more, and `runs_away` says of which call."""

    most_calls: float = math.inf
    calls: int = 0
    reconciles: int = 0
    denied: list[str] = field(default_factory=list)
    runs_away: str = ""

    def forget_calls(self) -> None:
        self.calls = 0


Told = Callable[[str, Mapping[str, Any], str], None]
"""Is told of an import that changes something: its name, its request, and how it was refused ("" if it was not)."""


class WatchedDesk:
    """Stands before the host's desk. `dry_run`: writes are only tried, and events only told."""

    def __init__(self, desk: Desk, seen: Seen, tell: Told, dry_run: bool) -> None:
        self._desk = desk
        self._seen = seen
        self._tell = tell
        self._dry_run = dry_run
        self.wall_ms, self.monotonic_ms = desk.wall_ms, desk.monotonic_ms
        self.random, self.line = desk.random, desk.line

    def answer(self, name: str, data: bytes) -> bytes:
        try:
            answer = b"" if self._dry_run and name == "event" else self._desk.answer(name, data)
        except Refused as refused:
            self._refused(name, data, refused)
            raise
        if name == "event":
            self._tell(name, _request(data), "")
        return answer

    async def answer_later(self, name: str, data: bytes) -> bytes:
        try:
            answer = await self._desk.answer_later(name, self._tried(name, data))
        except Refused as refused:
            self._refused(name, data, refused)
            raise
        if name in _CHANGES:
            self._tell(name, _request(data), "")
        return answer

    def _tried(self, name: str, data: bytes) -> bytes:
        """The request as it is sent. Raises Refused: what a node can do is not tried."""
        if not self._dry_run or name not in _CHANGES:
            return data
        if name == "ext":
            raise Refused(Code.UNSUPPORTED, "a dry run calls no capability of the node")
        return dumps({**_request(data), "dryRun": True})

    def _refused(self, name: str, data: bytes, refused: Refused) -> None:
        if refused.code == Code.DENIED and len(self._seen.denied) < _ENOUGH:
            self._seen.denied.append(f"{name}: {refused}")
        if name in _CHANGES or refused.code == Code.DENIED:
            self._tell(name, _request(data), f"{refused.reason}: {refused}")


def _request(data: bytes) -> dict[str, Any]:
    """For messages: what cannot be read is refused elsewhere."""
    try:
        found = loads(data)
    except JsonError:
        return {}
    return found if isinstance(found, dict) else {}


class WatchedGuest:
    """An instance whose calls are counted."""

    def __init__(self, guest: Guest, seen: Seen) -> None:
        self._guest = guest
        self._seen = seen
        self.has, self.close = guest.has, guest.close

    @property
    def memory_kib(self) -> int:
        return self._guest.memory_kib

    @property
    def cpu_s(self) -> float:
        return self._guest.cpu_s

    async def call(self, export: str, data: bytes | None, seconds: float) -> Reply:
        seen = self._seen
        seen.calls += 1
        seen.reconciles += export == "edged_ctl_reconcile"
        if seen.calls > seen.most_calls:
            seen.runs_away = f"{export} {(data or b'').decode(errors='replace')[:200]}"
            await trio.sleep_forever()
        return await self._guest.call(export, data, seconds)


class WatchedModule:
    """A module whose instances are watched."""

    def __init__(self, module: ControllerModule, seen: Seen, tell: Told, dry_run: bool) -> None:
        self.digest = module.digest
        self._module = module
        self._seen = seen
        self._tell = tell
        self._dry_run = dry_run

    async def guest(
        self, name: str, desk: Desk, budget: Budget, log: Logger, say: Callable[[bytes], None]
    ) -> WatchedGuest:
        watched = WatchedDesk(desk, self._seen, self._tell, self._dry_run)
        return WatchedGuest(await self._module.guest(name, watched, budget, log, say), self._seen)


class Loader(Protocol):
    """What a ModuleLoader does."""

    async def load(self, config: ControllerConfig) -> ControllerModule: ...


def _nobody(name: str, request: Mapping[str, Any], refusal: str) -> None:
    """Nobody wants to know."""


class WatchedLoader:
    """`loader` with everything that it loads watched."""

    def __init__(self, loader: Loader, seen: Seen, tell: Told = _nobody, *, dry_run: bool = False) -> None:
        self._loader = loader
        self._seen = seen
        self._tell = tell
        self._dry_run = dry_run

    async def load(self, config: ControllerConfig) -> WatchedModule:
        """Raises EdgedError."""
        return WatchedModule(await self._loader.load(config), self._seen, self._tell, self._dry_run)

    def as_loader(self) -> ModuleLoader:
        """For a host, which asks no more of a loader than this one has."""
        return cast("ModuleLoader", self)


@asynccontextmanager
async def hosted(
    client: ApiClient, loader: WatchedLoader, config: ControllerConfig, *, node: str, times: Times, lines: GuestLines,
    log: Logger, fabric: FabricConfig | None = None, drain_s: float = 0.0,
) -> AsyncIterator[Hosted]:  # fmt: skip
    """A host at work, without its module: `Hosted.start` begins it. `drain_s`: for the last call, at the end."""
    async with trio.open_nursery() as nursery:
        informers = Informers(client, log=log)
        await nursery.start(informers.run)
        events = LeanPool(client, connections=1)
        recorder = EventRecorder(events, random=lambda: 0.5, log=log, writers=1)
        nursery.start_soon(recorder.run)
        pool = LeanPool(client, connections=CONNECTIONS, most_bytes=MOST_ANSWER)
        host = Host(
            node=node, client=client, informers=informers, pool=pool, rate=Bucket(*rate_of([config])),
            recorder=recorder, leaderships=Leaderships(client, node, nursery, log), live=Live(),
            extensions=extensions_of([config], fabric), measures=Measures(MetricRegistry()), lines=lines, log=log,
            times=times, selectable=set(), module_metrics={},
        )  # fmt: skip
        found = Hosted(host, loader, config, nursery)
        try:
            yield found
        finally:
            with trio.CancelScope(shield=True):
                await found.stop(drain_s)
                await pool.aclose()
                await events.aclose()
            nursery.cancel_scope.cancel()


class Hosted:
    """A host and its one module."""

    def __init__(self, host: Host, loader: WatchedLoader, config: ControllerConfig, nursery: trio.Nursery) -> None:
        self._host = host
        self._loader = loader
        self._config = config
        self._nursery = nursery
        self._controllers: Controllers | None = None

    @property
    def is_busy(self) -> bool:
        """Whether it is being loaded, or a call is under way."""
        found = self.describe() if self._controllers is not None else {}
        return bool(found.get("in_work")) or found.get("state") in ("loading", "starting")

    def start(self) -> None:
        """Nothing of an earlier start is known to the module."""
        self._controllers = Controllers(self._host, self._loader.as_loader(), self._nursery)
        self._controllers.start([self._config])

    async def stop(self, seconds: float = 0.0) -> None:
        """Let the running call end for so long; then it is cut off."""
        if self._controllers is not None:
            await self._controllers.drain(seconds)
            self._controllers = None

    def describe(self) -> dict[str, Any]:
        """As `edged status` has it."""
        assert self._controllers is not None
        return self._controllers.describe()[0]
