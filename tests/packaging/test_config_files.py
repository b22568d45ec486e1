"""config/: the commented file names every key with its real default, and both files are valid."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from edged import config
from edged.admission.config import AdmissionConfig, GroupConfig, GroupMemberConfig, PolicyConfig
from edged.controllers.config import ControllerConfig
from edged.kube.config import KubernetesConfig
from edged.process.config import NodeConfig
from edged.registry.config import RegistryConfig, SignaturesConfig
from edged.scheduling.config.section import PluginConfig, SchedulerConfig
from edged.telemetry.config import ObservabilityConfig
from edged.wasm.config import EngineConfig

FOLDER = Path(__file__).parents[2] / "config"
FULL = FOLDER / "edged.toml"
ASSIGNMENT = re.compile(r"# ([a-z_]+) = (.*)")


def uncommented() -> dict[str, Any]:
    """edged.toml with every default switched on."""
    lines = []
    for line in FULL.read_text().splitlines():
        if found := ASSIGNMENT.fullmatch(line):
            line = f"{found[1]} = {found[2]}"
        elif line.startswith("# ["):
            line = line.removeprefix("# ")
        lines.append(line)
    return tomllib.loads("\n".join(lines))


@pytest.mark.parametrize("name", ["edged.toml", "edged.minimal.toml"])
def test_valid(name: str) -> None:
    config.load(FOLDER / name)


def test_as_it_is_it_changes_nothing() -> None:
    assert config.load(FULL) == config.parse("[admission]\n[scheduler]\n[fabric]\n")


def test_with_every_line_switched_on_it_is_still_the_defaults() -> None:
    from edged.cli.check import to_toml

    shown = uncommented()
    shown["node"].pop("name")
    shown["scheduler"].pop("config")  # "" beside names is fine, but says nothing
    policy = shown["admission"].pop("policy")
    group = shown["admission"].pop("group")
    plugin = shown["scheduler"].pop("plugin")
    controller = shown.pop("controller")
    assert config.parse(to_toml(shown)) == config.parse("[admission]\n[scheduler]\n[fabric]\n")
    assert len(policy) == len(group) == len(plugin) == len(controller) == 1


def fields(cls: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(cls) if field.metadata}  # others are not read from files


def test_every_key_is_there() -> None:
    shown = uncommented()
    assert set(shown) == fields(config.Config)
    for name, cls in (
        ("node", NodeConfig), ("kubernetes", KubernetesConfig), ("engine", EngineConfig),
        ("admission", AdmissionConfig), ("scheduler", SchedulerConfig),
        ("registry", RegistryConfig), ("signatures", SignaturesConfig),
        ("observability", ObservabilityConfig),
    ):  # fmt: skip
        assert set(shown[name]) == fields(cls), name
    assert set(shown["admission"]["policy"][0]) == fields(PolicyConfig)
    (group,) = shown["admission"]["group"]
    assert set(group) == fields(GroupConfig)
    assert set(group["members"]["signed"]) == fields(GroupMemberConfig)
    assert set(shown["scheduler"]["plugin"][0]) == fields(PluginConfig)
    assert set(shown["controller"][0]) == fields(ControllerConfig)


def test_defaults_of_repeated_tables() -> None:
    shown = uncommented()
    for cls, table in (
        (PolicyConfig, shown["admission"]["policy"][0]),
        (GroupConfig, shown["admission"]["group"][0]),
        (GroupMemberConfig, shown["admission"]["group"][0]["members"]["signed"]),
        (PluginConfig, shown["scheduler"]["plugin"][0]),
        (ControllerConfig, shown["controller"][0]),
    ):  # fmt: skip
        for field in dataclasses.fields(cls):
            required = field.default is field.default_factory is dataclasses.MISSING
            if required or (cls, field.name) == (PolicyConfig, "rules") or not field.metadata:
                continue
            default = field.default_factory() if field.default is dataclasses.MISSING else field.default
            value = table[field.name]
            assert (tuple(value) if isinstance(value, list) else value) == default, field.name
