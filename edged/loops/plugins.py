"""From configuration to scheduler profiles: loads plugin modules and puts them among the native plugins.

Profiles come from `scheduler.names` (the defaults, plus each `[[scheduler.plugin]]`) or from a
KubeSchedulerConfiguration file, whose guest plugins are named by `guestURL`. Called by daemon.py before the scheduler
starts; anything that cannot be loaded is an error that names the plugin, because a profile without one of its
plugins would place Pods where they must not go.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import trio

from edged.config import Config, PluginConfig, SchedulerConfig
from edged.errors import ConfigError, PeerError
from edged.logs import GuestLines
from edged.loops.policies import module_path
from edged.scheduling import guest_source, profile
from edged.scheduling.framework import UNKNOWN, Handle
from edged.scheduling.guest import GuestLog, GuestOptions, GuestPlugin, load_guest
from edged.scheduling.profile import Profile
from edged.wasm.compile import MAX_MODULE_BYTES, Compiler
from edged.wasm.instance import Budget
from edged.wasm.module import Module

FETCH_S = 60.0


@dataclass(frozen=True, slots=True)
class Scheduling:
    """What the configuration makes of the scheduler."""

    profiles: tuple[Profile, ...]
    percentage: int | None = None
    backoff_s: tuple[float, float] = (1.0, 10.0)


class PluginLoader:
    """Loads the plugins of one configuration."""

    def __init__(self, config: Config, compiler: Compiler, lines: GuestLines) -> None:
        self._config = config
        self._compiler = compiler
        self._lines = lines

    async def load(self, scheduler: SchedulerConfig, handle: Handle) -> Scheduling:
        """Profiles ready to run. Raises ConfigError, GuestError."""
        if scheduler.config:
            return await self._from_file(scheduler, handle)
        profiles = []
        for name in scheduler.names:
            guests = [
                (await self._plugin(entry, handle), entry.weight)
                for entry in scheduler.plugin
                if not entry.profiles or name in entry.profiles
            ]
            profiles.append(profile.with_guests(name, handle, guests))
        return Scheduling(tuple(profiles))

    async def _plugin(self, entry: PluginConfig, handle: Handle) -> GuestPlugin:
        module = await self._compiler.load(module_path(entry.module))
        options = self._options(
            entry.name,
            config=entry.config,
            points=entry.points,
            depends_on=frozenset(entry.depends_on) or frozenset({UNKNOWN}),
        )
        return await self._guest(module, options, handle)

    async def _guest(self, module: Module, options: GuestOptions, handle: Handle) -> GuestPlugin:
        return await load_guest(self._compiler.engine, module, options, handle, self._log(options.name))

    def _options(self, name: str, **options: Any) -> GuestOptions:
        engine = self._config.engine
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

    # --- a KubeSchedulerConfiguration file

    async def _from_file(self, scheduler: SchedulerConfig, handle: Handle) -> Scheduling:
        from edged.scheduling import profile_config  # brings YAML, which a node without such a file need not pay for

        settings = profile_config.load(scheduler.config)
        extra = [(entry, await self._plugin(entry, handle)) for entry in scheduler.plugin]
        profiles = []
        for config in settings.profiles:
            guests = {name: await self._named_guest(name, args, handle) for name, args in config.guests.items()}
            for entry, plugin in extra:
                if not entry.profiles or config.scheduler_name in entry.profiles:
                    guests[entry.name] = plugin
                    config = profile_config.with_plugin(config, entry.name, entry.weight)
            profiles.append(profile.build(config, handle, guests))
        return Scheduling(tuple(profiles), settings.percentage, settings.backoff_s)

    async def _named_guest(self, name: str, args: dict[str, Any], handle: Handle) -> GuestPlugin:
        parsed = guest_source.parse_args(name, args)
        binary = await guest_source.read_guest(parsed.guest_url, _read_file, _fetch)
        module = await self._compiler.load(self._keep(binary))
        options = self._options(
            name, config=parsed.guest_config, log_severity=parsed.log_severity, args=parsed.args
        )
        return await self._guest(module, options, handle)

    def _keep(self, binary: bytes) -> Path:
        """A file of those bytes in the state directory, named by their digest."""
        folder = Path(self._config.node.state_dir) / "modules"
        path = folder / f"{hashlib.sha256(binary).hexdigest()}.wasm"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                fd, temporary = tempfile.mkstemp(dir=folder)
                with os.fdopen(fd, "wb") as file:
                    file.write(binary)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(temporary, path)
        except OSError as error:
            raise ConfigError(f"cannot keep a module in {folder}: {error.strerror}") from error
        return path


async def _read_file(path: str) -> bytes:
    return await trio.Path(path).read_bytes()


async def _fetch(url: str) -> tuple[int, bytes]:
    """(status, body) of a GET; bodies are bounded. Raises PeerError."""
    try:
        with trio.fail_after(FETCH_S):
            async with httpx2.AsyncClient(follow_redirects=True) as client, client.stream("GET", url) as response:
                body = bytearray()
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_MODULE_BYTES:
                        raise PeerError(f"the module at {url} is larger than {MAX_MODULE_BYTES} bytes")
                return response.status_code, bytes(body)
    except trio.TooSlowError as error:
        raise PeerError(f"no answer within {FETCH_S:.0f} s") from error
    except httpx2.HTTPError as error:
        raise PeerError(str(error) or type(error).__name__) from error


def guests_of(profiles: Sequence[Profile]) -> list[GuestPlugin]:
    """Every guest plugin once."""
    return list({id(p): p for profile_ in profiles for p in profile_.plugins if isinstance(p, GuestPlugin)}.values())
