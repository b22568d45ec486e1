"""From configuration to scheduler profiles: loads plugin modules and puts them among the native plugins.

Profiles come from `scheduler.names` (the defaults, plus each `[[scheduler.plugin]]`) or from a
KubeSchedulerConfiguration file, whose guest plugins are named by `guestURL`. Called by edged/daemon before the
scheduler starts; anything that cannot be loaded is an error that names the plugin, because a profile without
one of its plugins would place Pods where they must not go.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import trio

from edged import yaml_text
from edged.errors import ConfigError, EdgedError, PeerError, is_disk_error
from edged.process.files import read_file
from edged.registry.modules import Modules
from edged.registry.store import Store
from edged.scheduling.config import guest_source, profile_config
from edged.scheduling.config.assembly import assembled, entries_of
from edged.scheduling.config.profile_config import SchedulerFile
from edged.scheduling.config.section import PluginConfig, SchedulerConfig
from edged.scheduling.core.framework import UNKNOWN, Handle, Plugin
from edged.scheduling.core.point_plan import ProfileConfig
from edged.scheduling.core.profile import Call, Profile
from edged.scheduling.guests.exports import points_in
from edged.scheduling.guests.guest import GuestPlugin, load_failure, load_guest
from edged.scheduling.guests.guest_template import companions_of, guest_template
from edged.scheduling.guests.loaded_guest import GuestLog, GuestOptions, LoadedGuest
from edged.telemetry.logs import GuestLines
from edged.wasm.account import Budget
from edged.wasm.compile import MAX_MODULE_BYTES, Compiler
from edged.wasm.config import EngineConfig
from edged.wasm.module import Module
from edged.yaml_text import YamlError

FETCH_S = 60.0


class NotKept(ConfigError):
    """A guest that was read, and no disk takes it."""

    def __init__(self, message: str, binary: bytes) -> None:
        super().__init__(message)
        self.binary = binary


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """A guest in use, and what it was made of. `prepared`: the version it is to change to."""

    plugin: GuestPlugin
    digest: str
    options: GuestOptions
    prepared: LoadedGuest | None = None


class Described(TypedDict):
    """A guest: its name, the profiles that it is in, the extension points at which it has a say, and its module's
    digest. Points have the names that `edged module inspect` gives them."""

    plugin: str
    profiles: list[str]
    points: list[str]
    digest: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """Profiles with their guests: by name for `[[scheduler.plugin]]`, by `profile/name` for those of a file."""

    profiles: tuple[Profile, ...] = ()
    configs: tuple[ProfileConfig, ...] = ()
    guests: dict[str, LoadedPlugin] = field(default_factory=dict)

    def describe(self) -> list[Described]:
        """Each guest, for `edged status` and the log."""
        return [
            {
                "plugin": name,
                "profiles": [made.scheduler_name for made in self.profiles if loaded.plugin in made.plugins],
                "points": points_in(loaded.plugin.wired),
                "digest": f"sha256:{loaded.digest}",
            }
            for name, loaded in self.guests.items()
        ]

    def adopt(self, old: Loaded) -> list[GuestPlugin]:
        """Put prepared versions to use; -> the plugins of `old` that nobody needs any more."""
        for loaded in self.guests.values():
            if loaded.prepared is not None:
                loaded.plugin.adopt(loaded.prepared)
        kept = {id(loaded.plugin) for loaded in self.guests.values()}
        return [loaded.plugin for loaded in old.guests.values() if id(loaded.plugin) not in kept]

    def discard(self, old: Loaded) -> None:
        """This is not put to use after all: instances of plugins and versions that `old` does not have go."""
        kept = {id(loaded.plugin) for loaded in old.guests.values()}
        for loaded in self.guests.values():
            if loaded.prepared is not None:
                loaded.prepared.pool.retire()
            elif id(loaded.plugin) not in kept:
                loaded.plugin.close()

    def close(self) -> None:
        """Frees all instances; when no cycle runs any more."""
        for loaded in self.guests.values():
            loaded.plugin.close()


class PluginLoader:
    """Loads the plugins of one configuration: `settings` first, then the scheduler that needs them, then
    `load`."""

    def __init__(self, engine: EngineConfig, compiler: Compiler, lines: GuestLines, modules: Modules) -> None:
        self._modules = modules
        self._engine = engine
        self._compiler = compiler
        self._lines = lines

    def settings(self, scheduler: SchedulerConfig) -> SchedulerFile:
        """What the configuration, or the file that it names, makes of the scheduler. Raises ConfigError."""
        return settings_of(scheduler)

    async def load(
        self, scheduler: SchedulerConfig, settings: SchedulerFile, handle: Handle, old: Loaded | None = None
    ) -> Loaded:
        """Profiles ready to run. Raises ConfigError, GuestError, and nothing that was loaded is left then.

        With `old`, plugins that did not change stay as they are, and guests of the same name are only prepared
        to change: `Loaded.adopt` does it.
        """
        old = old or Loaded()
        guests: dict[str, LoadedPlugin] = {}
        try:
            profiles = await self._profiles(scheduler, settings, handle, old, guests)
        except BaseException:
            Loaded(guests=guests).discard(old)
            raise
        return Loaded(tuple(profiles), settings.profiles, guests)

    async def _profiles(
        self,
        scheduler: SchedulerConfig,
        settings: SchedulerFile,
        handle: Handle,
        old: Loaded,
        guests: dict[str, LoadedPlugin],
    ) -> list[Profile]:
        """As `load`; puts each guest into `guests` as soon as it is there."""
        for entry in scheduler.plugin:
            guests[entry.name] = await self._plugin(entry, handle, old)
        profiles = []
        for number, config in enumerate(settings.profiles):
            where = f"{scheduler.config}: profiles[{number}]"
            name = config.scheduler_name
            own_guests: dict[str, LoadedPlugin] = {}
            for plugin, args in config.guests.items():
                key = f"{name}/{plugin}"
                own_guests[plugin] = guests[key] = await self._named_guest(key, plugin, args, handle, where, old)
            entries = entries_of(scheduler, name)
            own_guests |= {entry.name: guests[entry.name] for entry in entries}
            try:
                profiles.append(_build(config, entries, own_guests, handle, old))
            except ConfigError as error:
                if not scheduler.config:
                    raise
                raise ConfigError(f"{where}: {error}") from error
        return profiles

    async def _plugin(self, entry: PluginConfig, handle: Handle, old: Loaded) -> LoadedPlugin:
        module = await self._compiler.load(await self._modules.path(entry.module))
        options = self._options(
            entry.name,
            config=entry.config,
            points=entry.points,
            depends_on=frozenset(entry.depends_on) or frozenset({UNKNOWN}),
        )
        return await self._guest(entry.name, module, options, handle, old)

    async def _guest(
        self, key: str, module: Module, options: GuestOptions, handle: Handle, old: Loaded
    ) -> LoadedPlugin:
        before = old.guests.get(key)
        if before is not None and (before.digest, before.options) == (module.digest, options):
            return replace(before, prepared=None)
        engine, companions = self._compiler.engine, await companions_of(self._compiler, module)
        if before is None:
            plugin = await load_guest(engine, module, options, handle, self._log(options.name), companions)
            return LoadedPlugin(plugin, module.digest, options)
        try:
            prepared = await before.plugin.prepare(guest_template(engine, module, companions), options)
        except EdgedError as error:
            raise load_failure(options.name, module, error) from error
        return LoadedPlugin(before.plugin, module.digest, options, prepared)

    def _options(self, name: str, **options: Any) -> GuestOptions:
        engine = self._engine
        return GuestOptions(
            name=name,
            budget=Budget(memory_mib=engine.memory_limit_mib, cpu_s=engine.cpu_budget_ms / 1000),
            wall_timeout_s=engine.wall_timeout_s,
            **options,
        )

    def _log(self, plugin: str) -> GuestLog:
        def line(severity: int, text: str) -> None:
            level = "error" if severity >= 2 else "info"
            self._lines.write(plugin, text, now=trio.current_time(), level=level)

        def failure(message: str, error: str) -> None:
            self._lines.write(plugin, f"{message}: {error}", now=trio.current_time(), level="error")

        return GuestLog(line, failure)

    # --- guests that a KubeSchedulerConfiguration file names

    async def _named_guest(
        self, key: str, name: str, args: dict[str, Any], handle: Handle, where: str, old: Loaded
    ) -> LoadedPlugin:
        """`where`: file and profile, for errors."""
        try:
            parsed = guest_source.parse_args(name, args)
            module = await self._guest_module(name, parsed.guest_url)
            options = self._options(
                name, config=parsed.guest_config, log_severity=parsed.log_severity, args=parsed.args
            )
            return await self._guest(key, module, options, handle, old)
        except EdgedError as error:
            raise ConfigError(f"{where}.pluginConfig {name!r}: {error}") from error

    async def _guest_module(self, plugin: str, url: str) -> Module:
        try:
            return await self._compiler.load(await self._fetched(plugin, url))
        except NotKept as error:
            self._warn(plugin, f"{error}; the module is used all the same")
            return await self._compiler.load_bytes(error.binary, url)

    async def _fetched(self, plugin: str, url: str) -> Path:
        """A file with what the URL names; the copy of last time where nobody answers: nodes start offline."""
        store = self._modules.store
        copy = copy_of(store, url)
        try:
            binary = await guest_source.read_guest(url, _read_file, self._fetch)
        except ConfigError as error:
            if not isinstance(error.__cause__, PeerError) or not copy.exists():
                raise
            if not await self._modules.is_whole(copy, url):
                raise
            self._warn(plugin, f"{error}; the copy of an earlier start is used")
            return copy
        try:
            return await trio.to_thread.run_sync(store.put, copy, binary)
        except ConfigError as error:
            if is_disk_error(error):
                raise NotKept(str(error), binary) from error
            raise

    def _warn(self, plugin: str, text: str) -> None:
        self._lines.write(plugin, text, now=trio.current_time(), level="warning")

    async def _fetch(self, url: str) -> tuple[int, bytes]:
        """(status, body) of a GET, by the ways of [registry]. Raises PeerError."""
        try:
            with trio.fail_after(FETCH_S):
                async with self._modules.http() as http:
                    answer = await http.request("GET", url, limit=MAX_MODULE_BYTES)
                    return answer.status, answer.body
        except trio.TooSlowError as error:
            raise PeerError(f"no answer within {FETCH_S:.0f} s") from error


def settings_of(scheduler: SchedulerConfig) -> SchedulerFile:
    """What the section, or the file that it names, makes of the scheduler. Raises ConfigError."""
    if scheduler.config:
        return read_settings(Path(scheduler.config))
    return SchedulerFile(tuple(ProfileConfig(name) for name in scheduler.names))


def copy_of(store: Store, url: str) -> Path:
    """Where what a guestURL named is kept, for a start without a network."""
    return store.root / f"url-{hashlib.sha256(url.encode()).hexdigest()}.wasm"


def read_settings(path: Path) -> SchedulerFile:
    """A KubeSchedulerConfiguration file. Raises ConfigError: file, place in it, problem."""
    try:
        return profile_config.parse(yaml_text.load_configuration(read_file(path)))
    except OSError as error:
        raise ConfigError(f"[scheduler] config: {path}: {error.strerror}") from error
    except YamlError as error:
        raise ConfigError(f"{path}: {error}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _build(
    config: ProfileConfig,
    entries: Sequence[PluginConfig],
    guests: Mapping[str, LoadedPlugin],
    handle: Handle,
    old: Loaded,
) -> Profile:
    """Native plugins with the arguments of before stay the same objects: some remember what they reserved.

    Points are those of the prepared versions. Raises ConfigError.
    """
    shown = {name: _as_prepared(loaded) for name, loaded in guests.items()}
    made = assembled(config, entries, shown, handle, _kept(config, old))
    return _with_real(made, {name: loaded.plugin for name, loaded in guests.items()})


def _kept(config: ProfileConfig, old: Loaded) -> dict[str, Plugin]:
    for before, made in zip(old.configs, old.profiles, strict=True):
        if before.scheduler_name == config.scheduler_name:
            return {
                plugin.name: plugin
                for plugin in made.plugins
                if not isinstance(plugin, GuestPlugin) and before.args.get(plugin.name) == config.args.get(plugin.name)
            }
    return {}


def _as_prepared(loaded: LoadedPlugin) -> GuestPlugin:
    """The plugin as it will be once its prepared version is adopted; only to build profiles with."""
    return loaded.plugin if loaded.prepared is None else loaded.plugin.with_guest(loaded.prepared)


def _with_real(made: Profile, plugins: Mapping[str, GuestPlugin]) -> Profile:
    """The same profile, with every guest's methods being those of the plugin that goes on living."""

    def real(call: Call, point: str) -> Call:
        plugin = plugins.get(call.name)
        return call if plugin is None else call._replace(method=getattr(plugin, point), plugin=plugin)

    calls = {point: tuple(real(call, point) for call in listed) for point, listed in made.calls.items()}
    return replace(made, plugins=tuple(plugins.get(p.name, p) for p in made.plugins), calls=calls)


async def _read_file(path: str) -> bytes:
    return await trio.to_thread.run_sync(partial(read_file, path, most_bytes=MAX_MODULE_BYTES))
