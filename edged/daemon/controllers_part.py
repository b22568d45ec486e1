"""The controllers of the process: what they share is made here, of what every part leans on. Imported only where there
is a [[controller]]."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import trio

from edged.config import Config
from edged.controllers.core.codes import Refused
from edged.controllers.core.rates import Bucket
from edged.controllers.run.controller import Controller
from edged.controllers.run.controllers import Controllers
from edged.controllers.run.host import CONNECTIONS, MOST_ANSWER, NETFABRIC, Host, Times, extensions_of, rate_of
from edged.controllers.run.leadership import Leaderships
from edged.controllers.run.live import Live
from edged.controllers.run.loading import ModuleLoader
from edged.controllers.run.measures import Measures
from edged.daemon.base import Base
from edged.errors import ConfigError, PeerError
from edged.kube.lean import LeanPool
from edged.kube.writes import EventRecorder
from edged.registry.modules import Modules

if TYPE_CHECKING:
    from edged.daemon.controller_admission import ControllerAdmission

_FABRIC: Final = ("Name", "ListLocalIfcs", "ListRemoteIfcs")


class ControllersPart:
    """`work` is where loops run that write. `admission` is told what modules admit; None where nobody asks."""

    def __init__(self, base: Base, work: trio.Nursery, admission: ControllerAdmission | None = None) -> None:
        self._base = base
        config = base.config
        pool = LeanPool(base.client, connections=CONNECTIONS, most_bytes=MOST_ANSWER)
        events = LeanPool(base.client, connections=1)
        self._recorder = EventRecorder(events, random=random.random, log=base.log, writers=1)
        self._rate = Bucket(*rate_of(config.controller))
        self._extensions = extensions_of(config.controller, config.fabric)
        host = Host(
            node=config.node.name,
            client=base.client,
            informers=base.informers,
            pool=pool,
            rate=self._rate,
            recorder=self._recorder,
            leaderships=Leaderships(base.client, config.node.name, work, base.log),
            live=Live(),
            extensions=self._extensions,
            measures=Measures(base.metrics),
            lines=base.lines,
            log=base.log,
            times=Times(),
            selectable=set(),
            module_metrics={},
        )
        self._work = work
        self._admission = admission
        self._controllers = Controllers(host, self._loader(base.modules), work, self._admits_changed)

    def start(self) -> None:
        self._work.start_soon(self._recorder.run)
        self._controllers.start(self._base.config.controller)

    async def prepare(self, fresh: Config, modules: Modules) -> PreparedControllers:
        """Load what is new or changed. Raises ConfigError, and everything stays as it was."""
        loader = self._loader(modules)
        ready = await self._controllers.prepare(fresh.controller, loader)
        return PreparedControllers(partial(self._exchange, fresh, loader, ready), ready)

    async def _exchange(self, fresh: Config, loader: ModuleLoader, ready: Sequence[Controller]) -> None:
        self._rate.change(*rate_of(fresh.controller), trio.current_time())
        for name, extension in extensions_of(fresh.controller, fresh.fabric).items():
            self._extensions.setdefault(name, extension)  # one that is there knows what the node has
        await self._controllers.exchange(fresh.controller, loader, ready)

    async def drain(self, seconds: float, reviews: trio.Event | None = None) -> None:
        """Let running calls end. `reviews` is set when nobody asks for admission any more."""
        await self._controllers.drain(seconds, reviews)

    def _admits_changed(self) -> None:
        if self._admission is not None:
            self._admission.update(self._controllers)

    def describe(self) -> list[dict[str, Any]]:
        """For `edged status`."""
        return self._controllers.describe()

    async def fabric(self) -> dict[str, Any]:
        """What the node's virtual networks consist of. Raises ConfigError, PeerError."""
        fabric = self._extensions.get(NETFABRIC)
        if fabric is None:
            raise ConfigError(f'no [[controller]] has extensions = ["{NETFABRIC}"]')
        try:
            named, local, remote = [await fabric.call(op, {}) for op in _FABRIC]
        except Refused as refused:
            raise PeerError(str(refused)) from refused
        return {**_of(named), "local": _of(local).get("items"), "remote": _of(remote).get("items")}

    def _loader(self, modules: Modules) -> ModuleLoader:
        return ModuleLoader(self._base.compiler, modules)


class PreparedControllers:
    """Modules of a configuration that is not in force yet: `put_into_force`, or `discard` where something else of it is
    wrong."""

    def __init__(self, put_into_force: Callable[[], Awaitable[None]], ready: Sequence[Controller]) -> None:
        self.put_into_force = put_into_force
        self._ready = ready

    def discard(self) -> None:
        """They never run."""
        for controller in self._ready:
            controller.discard()


def _of(answer: object) -> dict[str, Any]:
    return answer if isinstance(answer, dict) else {}
