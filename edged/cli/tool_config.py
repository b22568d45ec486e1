"""The configuration of commands that work without the daemon, and where they keep modules and compiled code.

The folders are the daemon's for root and for whoever may write there, so that modules are fetched and compiled once.
Every other user has folders of their own. Called by `edged policy`, `module`, `compile`, `schedule simulate`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from edged.errors import ConfigError
from edged.kube.config import KubernetesConfig
from edged.process.config import NodeConfig
from edged.registry.config import RegistryConfig
from edged.wasm.config import EngineConfig, Kind

if TYPE_CHECKING:
    import argparse

    from edged.admission.config import AdmissionConfig


@dataclass(frozen=True, slots=True)
class ToolConfig:
    """The sections that these commands read. The other ones are not even imported if no file is named."""

    node: NodeConfig = field(default_factory=NodeConfig)
    kubernetes: KubernetesConfig = field(default_factory=KubernetesConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    registry: RegistryConfig = field(default_factory=RegistryConfig)
    admission: AdmissionConfig | None = None


def tool_config(path: str | None, cache_dir: str | None = None, engine: Kind | None = None) -> ToolConfig:
    """That of the configuration file, where one is named; else the defaults. Raises ConfigError."""
    config = _loaded(path) if path else ToolConfig()
    node = with_own_folders(config.node)
    if cache_dir:
        node = replace(node, cache_dir=os.path.abspath(cache_dir))
    return replace(config, node=node, engine=replace(config.engine, kind=engine) if engine else config.engine)


def with_registry(config: ToolConfig, args: argparse.Namespace) -> ToolConfig:
    """With what `options.registry` declared, where it is given. Raises ConfigError."""
    registry = config.registry
    if args.sources_path:
        registry = replace(registry, sources=os.path.abspath(args.sources_path))
    if folder := args.docker_config_json_path:
        if not os.path.isfile(os.path.join(folder, "config.json")):
            name = os.path.dirname(os.path.abspath(folder)) if os.path.isfile(folder) else ""
            hint = f"; it names a folder: {name}" if name else ""
            raise ConfigError(f"--docker-config-json-path {folder}: there is no config.json in it{hint}")
        registry = replace(registry, docker_config=os.path.abspath(folder))
    return replace(config, registry=registry)


def _loaded(path: str) -> ToolConfig:
    from edged import config as configuration

    found = configuration.load(path)
    return ToolConfig(found.node, found.kubernetes, found.engine, found.registry, found.admission)


def with_own_folders(node: NodeConfig) -> NodeConfig:
    """`node` with the folders that this user works in."""
    from edged.cli import options

    return replace(node, cache_dir=options.cache_folder(node.cache_dir), state_dir=options.state_folder(node.state_dir))
