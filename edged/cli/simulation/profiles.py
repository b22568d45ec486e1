"""Which profiles `edged schedule simulate` runs: the daemon's, with the changes that were asked for.

Settings come from edged.toml, a KubeSchedulerConfiguration, or what came with the cluster's picture; loading is
scheduling/run/plugin_loader.py's, so a guest here is the guest of the daemon. Called by the command alone.
"""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from edged import config as configuration
from edged.cli.progress import Progress
from edged.cli.tool_config import with_own_folders
from edged.config import Config
from edged.errors import ConfigError, did_you_mean
from edged.registry.modules import Modules
from edged.scheduling.config import profile_config
from edged.scheduling.config.profile_config import SchedulerFile
from edged.scheduling.config.section import PluginConfig, SchedulerConfig
from edged.scheduling.core.framework import Handle
from edged.scheduling.core.point_plan import PluginRef, ProfileConfig
from edged.scheduling.run.plugin_loader import Loaded, PluginLoader
from edged.scheduling.simulation.cluster_state import ClusterState
from edged.scheduling.simulation.pod_objects import Object
from edged.telemetry.logs import GuestLines, Logger, LogStyle
from edged.wasm.compile import Compiler
from edged.wasm.engine import Engine


@dataclass(frozen=True, slots=True)
class Wish:
    """Settings and plugin entries: everything of a scheduler but its Handle. `source`: where they are from."""

    scheduler: SchedulerConfig
    settings: SchedulerFile
    source: str


class Profiles:
    """Loads wishes; one engine and one compiler for all. `close` at the end."""

    def __init__(self, args: Namespace, state: ClusterState, say: Progress) -> None:
        path = args.config
        if path is None and args.scheduler_config is None and os.access(configuration.DEFAULT_PATH, os.R_OK):
            path = configuration.DEFAULT_PATH
        config = configuration.load(path) if path else Config()
        self._config = replace(config, node=with_own_folders(config.node))
        engine = self._config.engine
        self._engine = Engine(engine.kind, engine.guests_memory_mib, memory_limit_mib=engine.memory_limit_mib)

        def tell(event: str, module: str) -> None:
            if event == "compiling":
                say.now(f"compiling {module}")

        compiler = Compiler(self._engine, Path(self._config.node.cache_dir), on_progress=tell)
        log = Logger(LogStyle("logfmt", "info", False))
        modules = Modules(self._config.registry, Path(self._config.node.state_dir), log)
        self._loader = PluginLoader(engine, compiler, GuestLines(log), modules)
        self.plain = self._wish(args, state, path)

    def _wish(self, args: Namespace, state: ClusterState, path: str | None) -> Wish:
        scheduler = self._config.scheduler
        if args.scheduler_config is not None or scheduler is not None:
            _note_unused(state, state.scheduler_configs, args.scheduler_config or str(path))
        if args.scheduler_config is not None:
            file = str(Path(args.scheduler_config).absolute())
            scheduler = replace(scheduler or SchedulerConfig(), config=file, names=())
            return Wish(scheduler, self._loader.settings(scheduler), args.scheduler_config)
        if scheduler is not None:
            return Wish(scheduler, self._loader.settings(scheduler), str(path))
        if state.scheduler_configs:
            *others, (document, where) = state.scheduler_configs
            _note_unused(state, others, where)
            try:
                settings = profile_config.parse(document)
            except ConfigError as error:
                raise ConfigError(f"{where}: {error}") from error
            return Wish(SchedulerConfig(names=()), settings, "the configuration that came with the cluster")
        return Wish(SchedulerConfig(names=("default-scheduler",)),
                    SchedulerFile((ProfileConfig("default-scheduler"),)), "the defaults")  # fmt: skip

    async def load(self, wish: Wish, handle: Handle) -> Loaded:
        """Profiles and their guests, to be closed by the caller. Raises ConfigError, GuestError."""
        return await self._loader.load(wish.scheduler, wish.settings, handle)

    def close(self) -> None:
        self._engine.close()


def _note_unused(state: ClusterState, configurations: Iterable[tuple[Object, str]], used: str) -> None:
    for _, where in configurations:
        state.notes.add(f"a KubeSchedulerConfiguration that is not used; {used} counts", where)


def changed(wish: Wish, weights: list[tuple[str, int]], modules: list[tuple[str, Path]]) -> tuple[Wish, list[str]]:
    """The wish with other weights and modules, and what that is in words. Raises ConfigError."""
    scheduler, settings, said = wish.scheduler, wish.settings, []
    for name, module in modules:
        scheduler, words = _with_module(scheduler, name, module)
        said.append(words)
    for name, weight in weights:
        scheduler, settings, words = _with_weight(scheduler, settings, name, weight)
        said.append(words)
    return replace(wish, scheduler=scheduler, settings=settings), said


def _with_module(scheduler: SchedulerConfig, name: str, module: Path) -> tuple[SchedulerConfig, str]:
    if not module.is_file():
        raise ConfigError(f"--module {name}: {module}: no such file")
    url = f"file://{module.absolute()}"
    if any(plugin.name == name for plugin in scheduler.plugin):
        plugins = tuple(replace(p, module=url) if p.name == name else p for p in scheduler.plugin)
        return replace(scheduler, plugin=plugins), f"{name} is {module}"
    added = PluginConfig(name=name, module=url)
    return replace(scheduler, plugin=(*scheduler.plugin, added)), f"plugin {name} added: {module}"


def _with_weight(
    scheduler: SchedulerConfig, settings: SchedulerFile, name: str, weight: int
) -> tuple[SchedulerConfig, SchedulerFile, str]:
    words = f"weight of {name}: {weight}"
    if any(plugin.name == name for plugin in scheduler.plugin):
        plugins = tuple(replace(p, weight=weight) if p.name == name else p for p in scheduler.plugin)
        return replace(scheduler, plugin=plugins), settings, words
    profiles = tuple(_reweighted(profile, name, weight) for profile in settings.profiles)
    if profiles == settings.profiles and not any(_weights(profile, name) for profile in profiles):
        known = sorted({ref.name for profile in profiles for ref in profile.multi_point})
        near = did_you_mean(name, known) or f"; there are {', '.join(known)}"
        raise ConfigError(f"--weight: no profile has a plugin {name!r}{near}")
    return scheduler, replace(settings, profiles=profiles), words


def _weights(profile: ProfileConfig, name: str) -> bool:
    refs = [*profile.multi_point, *(ref for point in profile.points.values() for ref in point.enabled)]
    return any(ref.name == name for ref in refs)


def _reweighted(profile: ProfileConfig, name: str, weight: int) -> ProfileConfig:
    def new(refs: tuple[PluginRef, ...]) -> tuple[PluginRef, ...]:
        return tuple(PluginRef(name, weight) if ref.name == name else ref for ref in refs)

    points = {key: point._replace(enabled=new(point.enabled)) for key, point in profile.points.items()}
    return replace(profile, multi_point=new(profile.multi_point), points=points)
