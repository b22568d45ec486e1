"""The controllers of a process: one task tree for each `[[controller]]`, exchanged by reloads.

    controllers = Controllers(host, loader)
    controllers.start(configs, nursery)
    await controllers.reload(configs, loader)     # taken as a whole, or not at all

A module that does not load, or whose set-up fails, is tried again later; the others run. A reload that finds such a
module is refused. Called by edged/daemon, which imports it only where there is a [[controller]].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import trio

from edged.controllers.config import ControllerConfig
from edged.controllers.core.admits import AdmissionVerdict
from edged.controllers.run.admitting import Admitted
from edged.controllers.run.controller import Controller
from edged.controllers.run.host import Host
from edged.controllers.run.loading import ModuleLoader
from edged.errors import ConfigError, EdgedError, GuestError
from edged.wasm.errors import GuestTimeout

RELOAD_S: Final = 30.0
"""For the modules of a new configuration."""


class Controllers:
    """`loader` is that of the configuration in force. `on_admits` is called when what `admitted` gives has changed."""

    def __init__(
        self, host: Host, loader: ModuleLoader, nursery: trio.Nursery, on_admits: Callable[[], None] = lambda: None
    ) -> None:
        self._host = host
        self._on_admits = on_admits
        self._told = trio.Event()
        self._loader = loader
        self._nursery = nursery
        self._running: dict[str, Controller] = {}
        self._is_draining = False

    def start(self, configs: Sequence[ControllerConfig]) -> None:
        """Begin all of them; what they need is fetched and waited for in the background."""
        self._host.measures.registry.collectors.append(self._measure)
        for config in configs:
            self._begin(Controller(config, self._host, self._loader, self._tell))

    def _begin(self, controller: Controller) -> None:
        self._running[controller.config.name] = controller
        self._nursery.start_soon(controller.run)
        self._tell()

    def named(self, name: str) -> Controller | None:
        return self._running.get(name)

    def admitted(self) -> list[Admitted]:
        """Each entry of `admits` of each controller, as it stands."""
        return [each for controller in self._running.values() for each in controller.admitted()]

    async def admit(self, name: str, data: bytes, until: float, seconds: float) -> AdmissionVerdict:
        """What the module of that controller says to a request. While it is exchanged, its successor is waited for,
        until that time on trio's clock. Raises GuestError: GuestTimeout where it has not said it in time."""
        with trio.move_on_at(until):
            while True:
                controller = self._running.get(name)
                if controller is None:
                    raise GuestError(f"there is no controller {name} any more")
                if controller.admitting is not None:
                    left = until - trio.current_time()
                    return await controller.admitting.admit(data, min(seconds, left))
                await self._told.wait()
        raise GuestTimeout(f"{name}: no answer in time")

    def _tell(self) -> None:
        """What is admitted has changed."""
        told, self._told = self._told, trio.Event()
        told.set()
        self._on_admits()

    async def reload(self, configs: Sequence[ControllerConfig], loader: ModuleLoader) -> None:
        """Other modules and settings. Raises ConfigError, and everything stays as it was."""
        await self.exchange(configs, loader, await self.prepare(configs, loader))

    async def prepare(self, configs: Sequence[ControllerConfig], loader: ModuleLoader) -> list[Controller]:
        """What is new or changed, set up beside what runs: for `exchange`, or to be discarded. Raises ConfigError, and
        everything stays as it was."""
        fresh: list[Controller] = []
        try:
            with trio.fail_after(RELOAD_S):
                for config in configs:
                    if (successor := await self._successor(config, loader)) is not None:
                        fresh.append(successor)
        except BaseException as error:
            for successor in fresh:  # also where the process ends meanwhile: they hold Leases and instances
                successor.discard()
            if not isinstance(error, EdgedError | trio.TooSlowError):
                raise
            why = str(error) or f"its modules were not loaded within {RELOAD_S:.0f} s"
            raise ConfigError(f"controllers do not load: {why}") from error
        return fresh

    async def exchange(
        self, configs: Sequence[ControllerConfig], loader: ModuleLoader, fresh: Sequence[Controller]
    ) -> None:
        """Put into force what `prepare` gave; the rest goes on."""
        wanted = {config.name for config in configs}
        self._loader = loader
        for name in [name for name in self._running if name not in wanted]:
            removed = self._running.pop(name)
            self._tell()
            await removed.stop()
            self._host.measures.forget(name)
        for successor in fresh:
            await self._exchange(successor)
        for controller in self._running.values():
            controller.use_loader(loader)

    async def _successor(self, config: ControllerConfig, loader: ModuleLoader) -> Controller | None:
        """Made ready beside the present one; None where nothing changed. Raises EdgedError."""
        present = self._running.get(config.name)
        try:
            if present is not None and present.config == config and not await present.is_outdated(loader):
                return None
            successor = Controller(config, self._host, loader, self._tell)
            await successor.prepare_upgrade(present)
        except EdgedError as error:
            raise ConfigError(f"{config.name}: {error}") from error
        return successor

    async def _exchange(self, successor: Controller) -> None:
        """The old one ends its call before the new one begins."""
        present = self._running.get(successor.config.name)
        if present is not None:
            await present.stop(successor=successor)
        if self._is_draining:
            successor.discard()
        else:
            self._begin(successor)

    async def drain(self, seconds: float, reviews: trio.Event | None = None) -> None:
        """Let running calls end; no key is taken any more. `reviews` is set when nobody asks for admission any more.
        What is admitted stays as it was told last."""
        self._on_admits = lambda: None
        self._is_draining = True
        async with trio.open_nursery() as nursery:
            for controller in self._running.values():
                nursery.start_soon(controller.stop, seconds, reviews)

    def describe(self) -> list[dict[str, Any]]:
        """For `edged status`."""
        return [controller.describe() for controller in self._running.values()]

    def _measure(self) -> None:
        for controller in self._running.values():
            controller.measure()
