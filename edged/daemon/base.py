"""What every part of the process leans on: log, engine, compiler, connection to the API server, informers, metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import trio

from edged.config import Config
from edged.kube.client import ApiClient
from edged.kube.informers import Informers
from edged.kube.kubeconfig import ClientSource, Location
from edged.process import room
from edged.registry.modules import Modules
from edged.telemetry.logs import GuestLines, Logger
from edged.telemetry.metrics import MetricRegistry, internal_error_metrics, process_metrics, task_metrics
from edged.wasm.compile import Compiler
from edged.wasm.engine import Engine

if TYPE_CHECKING:
    from edged.admission.host.policy_loader import PolicyLoader
    from edged.scheduling.run.plugin_loader import PluginLoader

UNCACHED_MIB = 64
"""So much compiled code stays in memory while the cache takes none: some fifteen policies of the usual size."""


class Base:
    """Made once at start. `config` and `modules` are those in force: a reload puts others in their place."""

    def __init__(self, config: Config, log: Logger) -> None:
        self.config = config
        self.log = log
        self.progressed: Callable[[], None] = lambda: None
        """Called when a module begins or ends to be compiled."""
        self.compiling: list[str] = []
        """File names of modules that are being compiled."""
        self.lines = GuestLines(log)
        engine = config.engine
        self.engine = Engine(engine.kind, engine.guests_memory_mib, memory_limit_mib=engine.memory_limit_mib)
        self.compiler = Compiler(
            self.engine,
            Path(config.node.cache_dir),
            on_progress=self._say_compiling,
            memory_mib=UNCACHED_MIB,
            may_start=lambda running_mib, mib: room.may_start(room.measure(), running_mib, mib),
        )
        self.source = ClientSource(Location(config.kubernetes.kubeconfig, config.kubernetes.context), log=log)
        self.informers = Informers(self.source.client, log=log)
        self.metrics = MetricRegistry()
        process_metrics(self.metrics)
        task_metrics(self.metrics)
        internal_error_metrics(self.metrics, log.internal_errors)
        self._checks: trio.CapacityLimiter | None = None
        self.modules = Modules(config.registry, self.state_dir, log)

    @property
    def client(self) -> ApiClient:
        return self.source.client

    @property
    def state_dir(self) -> Path:
        return Path(self.config.node.state_dir)

    def modules_of(self, config: Config) -> Modules:
        """Where modules come from by that configuration; downloads under way are shared where nothing changed."""
        if config.registry == self.config.registry:
            return self.modules
        return Modules(config.registry, Path(config.node.state_dir), self.log)

    def policy_loader(self, config: Config, modules: Modules) -> PolicyLoader:
        # Imported here: a node without admission does not pay for it.
        from edged.admission.host.policy_loader import CHECKS_AT_ONCE, PolicyLoader

        self._checks = self._checks or trio.CapacityLimiter(CHECKS_AT_ONCE)
        allow_secrets = config.admission is not None and config.admission.allow_secrets
        return PolicyLoader(
            config.engine,
            self.compiler,
            self.lines,
            self.log,
            modules,
            allow_secrets=allow_secrets,
            checks=self._checks,
        )

    def plugin_loader(self, config: Config, modules: Modules) -> PluginLoader:
        # Imported here: a node without the scheduler does not pay for it.
        from edged.scheduling.run.plugin_loader import PluginLoader

        return PluginLoader(config.engine, self.compiler, self.lines, modules)

    def _say_compiling(self, event: str, what: str) -> None:
        name = PurePath(what).name
        if event == "compiling":
            self.compiling.append(name)
        elif event in ("compiled", "failed") and name in self.compiling:
            self.compiling.remove(name)
        self.progressed()
        if event == "discarded":
            self.log.warning("compiled module discarded", reason=what)
        elif event == "uncached":
            self.log.warning("compiled module not kept", reason=what)
        elif event in ("compiling", "compiled"):  # who asked for it tells of a failure
            self.log.info(event, module=what)
