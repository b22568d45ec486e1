"""Finds the policies of a command: a module by file, URL or digest, custom resources in YAML, or names of a
configuration file. Called by run, bench, inspect and scaffold.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edged.abi import metadata as policy_metadata
from edged.abi.metadata import Metadata
from edged.admission.config import GroupConfig, GroupMemberConfig, PolicyConfig
from edged.admission.rules import capabilities
from edged.cli import documents
from edged.cli.policy.requests import objects_of
from edged.errors import ConfigError, GuestError, did_you_mean
from edged.json_text import JsonError, dumps, loads
from edged.registry.config import meant, module_path
from edged.registry.modules import Modules
from edged.wasm import binary
from edged.wasm.compile import METADATA_SECTION

if TYPE_CHECKING:
    from edged.cli.tool_config import ToolConfig

MODES = {"kubewarden": "kubewarden-wapc", "kubewarden-wapc": "kubewarden-wapc", "wapc": "kubewarden-wapc",
         "wasi": "wasi", "opa": "opa", "gatekeeper": "gatekeeper"}  # fmt: skip
"""Execution modes as kwctl spells them, and as metadata does."""
_DIGEST = re.compile(r"(sha256:)?[0-9a-fA-F]{6,64}")


@dataclass(frozen=True, slots=True)
class Wishes:
    """Options for a policy that is named by its module."""

    settings: dict[str, Any] | None = None
    mode: str = ""
    context_aware: bool = False
    host_capabilities: tuple[str, ...] = ()
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One policy of a command. `note`: what of its configuration is not looked at; "" if there is nothing."""

    policy: PolicyConfig | GroupConfig
    note: str = ""


async def policies(name: str, config: ToolConfig, modules: Modules, wishes: Wishes, scratch: Path) -> list[Found]:
    """The policies that `name` means; there may be several. `scratch`: a folder for changed copies of modules. Raises
    ConfigError, PeerError, GuestError."""
    configured = _configured(config).get(name)
    if configured is not None:
        from edged.cli.policy import unheeded

        note = unheeded.told(f"policy {name}", unheeded.of_config(configured))
        return [Found(_adjusted(configured, wishes), note)]
    path = Path(name)
    if path.suffix in documents.SUFFIXES and (path.is_file() or "://" not in name):
        return [replace(each, policy=_adjusted(each.policy, wishes)) for each in _resources(name, config)]
    found = await module_file(name, config, modules)
    policy = policy_of(found, wishes, config, scratch, display=name)
    return [Found(policy, _refused(policy, found, wishes))]


def _refused(policy: PolicyConfig, path: Path, wishes: Wishes) -> str:
    """A note on what the module says that it reads of the cluster, and will not get; "" where there is nothing."""
    try:
        kinds = [f"{each['apiVersion']} {each['kind']}" for each in metadata_of(path).context_aware]
    except (GuestError, KeyError, TypeError):  # the loader says what is wrong
        return ""
    if not kinds or wishes.context_aware:
        return ""
    return f"policy {policy.name} reads {', '.join(kinds)}, which is refused without --allow-context-aware"


def _configured(config: ToolConfig) -> dict[str, PolicyConfig | GroupConfig]:
    if config.admission is None:
        return {}
    found: list[PolicyConfig | GroupConfig] = [*config.admission.policy, *config.admission.group]
    return {each.name: each for each in found}


async def module_file(name: str, config: ToolConfig, modules: Modules) -> Path:
    """The file of a module: a path, a URL, or the beginning of its SHA-256 in the store. Raises ConfigError,
    PeerError."""
    if name.startswith("file://"):
        return _existing(Path(module_path(name)))
    if "://" in name:
        return await modules.path(_url(name))
    if os.path.exists(name) or (name.endswith(".wasm") and name.startswith((".", "/"))):
        return _existing(Path(name).absolute())
    if _DIGEST.fullmatch(name):
        return _stored(name.removeprefix("sha256:").lower(), modules)
    host = name.partition("/")[0]
    if "/" in name and ("." in host or ":" in host or host == "localhost") and not host.startswith("."):
        return await modules.path(f"registry://{name}")
    what = [each for each in _configured(config)]
    known = f"; policies of the configuration file: {', '.join(what)}{did_you_mean(name, what)}" if what else ""
    raise ConfigError(
        f"{name}: no such file, and neither a URL, nor the digest of a module in the store"
        + (known or " (a policy's name needs --config FILE)")
    )


def _url(name: str) -> str:
    if not name.startswith(("registry://", "https://")):
        raise ConfigError(f"{name}: must be a file://, https:// or registry:// URL{meant(name)}")
    return name


def _existing(path: Path) -> Path:
    if path.is_dir():
        raise ConfigError(f"{path}: is a folder, not a module; name a .wasm file in it")
    if not path.exists():
        raise ConfigError(f"{path}: no such file")
    return path


def _stored(prefix: str, modules: Modules) -> Path:
    found = {stored.digest(): stored for stored in modules.store.items()}
    matching = {digest: stored for digest, stored in found.items() if digest.startswith(prefix)}
    if len(matching) > 1:
        told = ", ".join(f"{digest[:12]} {stored.url}" for digest, stored in sorted(matching.items()))
        raise ConfigError(f"{prefix}: more than one module has a digest that begins so: {told}")
    if not matching:
        raise ConfigError(f"{prefix}: no such file, and no module in {modules.store.root} has a digest that begins so")
    return next(iter(matching.values())).path


def read_module(path: Path) -> bytes:
    """A module's bytes. Raises ConfigError, BadModule."""
    content = documents.read(path)
    if content[:4] != binary.MAGIC:
        raise ConfigError(f"{path}: not a WebAssembly module: it does not begin with \\0asm{_looks_like(content)}")
    return content


def _looks_like(content: bytes) -> str:
    """What a file may be that is no module, and what makes one of it; "" if nobody knows."""
    if content.lstrip()[:1] == b"(":
        return " (a text module? wat2wasm makes a binary of it)"
    if content[:2] == b"\x1f\x8b":
        return " (a bundle of OPA? `tar -xzf` takes /policy.wasm out of it)"
    if re.search(rb"^package [\w.]+\s*$", content[:4096], re.MULTILINE):
        return " (Rego? `opa build -t wasm -e policy/main` makes a bundle with a module of it)"
    return ""


def metadata_of(path: Path) -> Metadata:
    """A module's metadata. Raises ConfigError, GuestError."""
    try:
        return policy_metadata.parse(binary.custom_section(read_module(path), METADATA_SECTION))
    except GuestError as error:
        raise type(error)(f"{path}: {error}") from error


def policy_of(path: Path, wishes: Wishes, config: ToolConfig, scratch: Path, display: str = "") -> PolicyConfig:
    """A policy that may change objects if its module does: a patch is shown, not refused."""
    if wishes.mode:
        path = _in_mode(path, wishes.mode, scratch)
    try:
        found = metadata_of(path)
    except GuestError:
        found = Metadata()  # the loader says what is wrong, as in the daemon
    policy = PolicyConfig(
        name=policy_name(display or str(path)),
        module=path.absolute().as_uri(),
        settings={},
        allowed_to_mutate=True,
        rules=(),
        timeout_s=config.engine.wall_timeout_s,
    )
    if wishes.context_aware:
        policy = replace(policy, context_aware=found.context_aware)
    return policy_with(policy, wishes)


def policy_with(policy: PolicyConfig, wishes: Wishes) -> PolicyConfig:
    """With settings, grants and time as wished for."""
    granted = (*policy.host_capabilities, *wishes.host_capabilities)
    if wishes.context_aware and policy.context_aware and "*" not in granted:
        granted = (*granted, "kubernetes/*")
    capabilities.check_patterns(granted)
    return replace(
        policy,
        settings=policy.settings if wishes.settings is None else wishes.settings,
        host_capabilities=tuple(dict.fromkeys(granted)),
        timeout_s=wishes.timeout_s or policy.timeout_s,
    )


def policy_name(module: str) -> str:
    """From the module's file or URL: a/pod-privileged.wasm, registry://host/pod-privileged:v1 -> pod-privileged."""
    last = module.rstrip("/").rpartition("/")[2].partition("@")[0].partition(":")[0].removesuffix(".wasm")
    return re.sub(r"[^-A-Za-z0-9_.]", "-", last) or "policy"


def _adjusted(policy: PolicyConfig | GroupConfig, wishes: Wishes) -> PolicyConfig | GroupConfig:
    """A configured policy is run as it is configured, but for settings and time; a group has neither."""
    if wishes.mode:
        raise ConfigError(f"policy {policy.name}: --execution-mode is for modules, a configured policy has its own")
    if isinstance(policy, GroupConfig):
        if wishes.settings is not None:
            raise ConfigError(f"policy group {policy.name}: a group has no settings, its members have")
        return policy
    return policy_with(policy, replace(wishes, context_aware=False))


def _in_mode(path: Path, mode: str, scratch: Path) -> Path:
    """A copy of the module whose metadata names that execution mode."""
    content = read_module(path)
    section = binary.custom_section(content, METADATA_SECTION)
    try:
        said = loads(section) if section else {}
    except JsonError as error:
        raise ConfigError(f"{path}: its metadata is not JSON: {error}") from error
    import tempfile

    protocol = "v1" if MODES[mode] == "kubewarden-wapc" else "Unknown"
    said = {"rules": [], "mutating": True, **said, "executionMode": MODES[mode], "protocolVersion": protocol}
    changed = binary.replace_custom_section(content, METADATA_SECTION, dumps(said))
    with tempfile.NamedTemporaryFile(dir=scratch, prefix=f"{path.stem}-", suffix=".wasm", delete=False) as file:
        file.write(changed)
    return Path(file.name)


# --- custom resources


def _resources(name: str, config: ToolConfig) -> list[Found]:
    from edged.admission.resources.kinds import KINDS

    objects = [pair for document, where in documents.documents([name]) for pair in objects_of(document, where)]
    found = [_resource(obj, where, config) for obj, where in objects if obj is not None]
    policies = [each for each in found if each is not None]
    if not policies:
        raise ConfigError(f"{name}: holds no policy ({', '.join(kind for kind in KINDS if kind != 'PolicyServer')})")
    return policies


def _resource(obj: object, where: str, config: ToolConfig) -> Found | None:
    """A policy of a custom resource; None for what else is in a file of them. Modules may come from anywhere: it is the
    author's own file."""
    from edged.admission.resources import validation
    from edged.admission.resources.conversion import Limits, convert
    from edged.admission.resources.kinds import GROUP, KINDS, is_foreign
    from edged.cli.policy import unheeded

    if not isinstance(obj, dict):
        return None
    kind = KINDS.get(str(obj.get("kind", "")))
    if kind is None or not kind.is_policy or is_foreign(obj):
        return None
    if not isinstance(obj.get("metadata"), dict) or not isinstance(obj["metadata"].get("name"), str):
        raise ConfigError(f"{where}: {kind.kind} without metadata.name")
    known = [f"{GROUP}/{version}" for version in kind.versions]
    if obj.get("apiVersion") not in known:
        raise ConfigError(f"{where}: {kind.kind} {obj['metadata']['name']}: apiVersion must be {' or '.join(known)}")
    findings = validation.validate(obj)
    converted = convert(obj, None, Limits(wall_timeout_s=config.engine.wall_timeout_s, namespaced_capabilities=("*",)))
    if findings or not converted.table:
        what = validation.summary(findings) if findings else converted.problem
        raise ConfigError(f"{where}: {kind.kind} {obj['metadata']['name']}: {what}")
    note = unheeded.told(f"{kind.kind} {obj['metadata']['name']}", unheeded.of_object(obj))
    table = {**converted.table, "origin": None}
    folder = Path(where.partition(": document")[0]).parent
    if converted.is_group:
        members: dict[str, dict[str, Any]] = table.pop("members")
        made = {name: GroupMemberConfig(**_located(member, folder)) for name, member in members.items()}
        return Found(GroupConfig(**table, members=made), note)
    return Found(PolicyConfig(**_located(table, folder)), note)


def _located(table: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {**table, "module": module_url(table["module"], folder)}


def module_url(module: str, folder: Path) -> str:
    """A module as a URL: paths are relative to the folder of the file that names them; names without a scheme are a
    registry's, as in custom resources, unless there is such a file."""
    if "://" in module:
        return module
    path = folder / module
    if path.exists() or module.startswith((".", "/")) or module.endswith(".wasm"):
        return path.absolute().resolve().as_uri()
    return f"registry://{module}"


# --- options


def read_settings(path: str | None, text: str | None) -> dict[str, Any] | None:
    """--settings-path or --settings-json; None where neither is given. Raises ConfigError."""
    if path is None and text is None:
        return None
    where = path or "--settings-json"
    content = documents.read(Path(path)) if path else (text or "").encode()
    found: Sequence[tuple[Any, str]] = list(documents.parsed(content, where))
    if len(found) > 1:
        raise ConfigError(f"{where}: holds {len(found)} documents, settings are one")
    settings = found[0][0] if found else None
    if settings is None:
        return {}
    if not isinstance(settings, dict):
        raise ConfigError(f"{where}: settings must be an object, not {type(settings).__name__}")
    return settings
