"""The controllers of a process: one task tree for each `[[controller]]`, exchanged by reloads.

    controllers = Controllers(host, loader)
    controllers.start(configs, nursery)
    await controllers.reload(configs, loader)     # taken as a whole, or not at all

A module that does not load, or whose set-up fails, is tried again later; the others run. A reload that finds such a
module is refused. Called by edged/daemon, which imports it only where there is a [[controller]].
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import trio

from edged.controllers.config import ControllerConfig
from edged.controllers.run.controller import Controller
from edged.controllers.run.host import Host
from edged.controllers.run.loading import ModuleLoader
from edged.errors import ConfigError, EdgedError

RELOAD_S: Final = 30.0
"""For the modules of a new configuration."""


class Controllers:
    """`loader` is that of the configuration in force."""

    def __init__(self, host: Host, loader: ModuleLoader, nursery: trio.Nursery) -> None:
        self._host = host
        self._loader = loader
        self._nursery = nursery
        self._running: dict[str, Controller] = {}

    def start(self, configs: Sequence[ControllerConfig]) -> None:
        """Begin all of them; what they need is fetched and waited for in the background."""
        self._host.measures.registry.collectors.append(self._measure)
        for config in configs:
            self._begin(Controller(config, self._host, self._loader))

    def _begin(self, controller: Controller) -> None:
        self._running[controller.config.name] = controller
        self._nursery.start_soon(controller.run)

    def named(self, name: str) -> Controller | None:
        return self._running.get(name)

    async def reload(self, configs: Sequence[ControllerConfig], loader: ModuleLoader) -> None:
        """Other modules and settings. Raises ConfigError, and everything stays as it was."""
        wanted = {config.name: config for config in configs}
        fresh: list[Controller] = []
        try:
            with trio.fail_after(RELOAD_S):
                for config in configs:
                    if (successor := await self._successor(config, loader)) is not None:
                        fresh.append(successor)
        except (EdgedError, trio.TooSlowError) as error:
            for successor in fresh:
                successor.discard()
            why = str(error) or f"its modules were not loaded within {RELOAD_S:.0f} s"
            raise ConfigError(f"controllers do not load: {why}") from error
        self._loader = loader
        for name in [name for name in self._running if name not in wanted]:
            await self._running.pop(name).stop()
            self._host.measures.forget(name)
        for successor in fresh:
            await self._exchange(successor)

    async def _successor(self, config: ControllerConfig, loader: ModuleLoader) -> Controller | None:
        """Made ready beside the present one; None where nothing changed. Raises EdgedError."""
        present = self._running.get(config.name)
        if present is not None and present.config == config and not await present.is_outdated(loader):
            return None
        successor = Controller(config, self._host, loader)
        try:
            await successor.prepare_upgrade(present)
        except EdgedError as error:
            raise ConfigError(f"{config.name}: {error}") from error
        return successor

    async def _exchange(self, successor: Controller) -> None:
        """The old one ends its call before the new one begins."""
        present = self._running.get(successor.config.name)
        if present is not None:
            await present.stop()
            successor.inherit(present)
        self._begin(successor)

    async def drain(self, seconds: float) -> None:
        """Let running calls end; no key is taken any more."""
        async with trio.open_nursery() as nursery:
            for controller in self._running.values():
                nursery.start_soon(controller.stop, seconds)

    def describe(self) -> list[dict[str, Any]]:
        """For `edged status`."""
        return [controller.describe() for controller in self._running.values()]

    def _measure(self) -> None:
        for controller in self._running.values():
            controller.measure()
