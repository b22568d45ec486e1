"""The metadata section of a Kubewarden policy (`io.kubewarden.metadata`, JSON). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any

from edged.errors import GuestError
from edged.json_text import JsonError, loads
from edged.records import dataclass
from edged.wasm.purpose import POLICY, misplaced, purpose_of

# The Kubewarden release whose behaviour edged's admission follows: what minimumKubewardenVersion is compared with.
KUBEWARDEN_VERSION = (1, 36)
MATCH_CONDITIONS = "io.edged.match-conditions"
"""The annotation with the requests that can matter to a policy; edged/admission/rules/module_conditions.py reads it."""
MODES = ("kubewarden-wapc", "wasi", "opa", "gatekeeper")
OPERATIONS = ("CREATE", "UPDATE", "DELETE", "CONNECT", "*")


class BadMetadata(GuestError):
    """The section is there but cannot be used, or the module may not be loaded because of what it says."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a policy says about itself; the defaults are those of a module without the section."""

    protocol_version: str | None = None
    rules: tuple[dict[str, Any], ...] = ()
    annotations: dict[str, str] = field(default_factory=dict)
    mutating: bool = False
    background_audit: bool = True
    execution_mode: str = "kubewarden-wapc"
    policy_type: str = "kubernetes"
    context_aware: tuple[dict[str, str], ...] = ()
    host_capabilities: tuple[str, ...] | None = None
    minimum_version: str | None = None


def parse(section: bytes | None) -> Metadata:
    """Metadata of a module from its custom section, None where it has none. Raises BadMetadata."""
    if section is None:
        return Metadata()
    try:
        data = loads(section)
    except JsonError as error:
        raise BadMetadata(f"policy metadata is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise BadMetadata("policy metadata is not a JSON object")
    mode = _one_of(data, "executionMode", MODES, "kubewarden-wapc")
    return Metadata(
        protocol_version=_one_of(data, "protocolVersion", ("v1", "Unknown"), None),
        rules=tuple(
            _rule(rule, index) for index, rule in enumerate(_typed(data, "rules", list, required=True))
        ),
        annotations=_typed(data, "annotations", dict, {}),
        mutating=_typed(data, "mutating", bool, required=True),
        background_audit=_typed(data, "backgroundAudit", bool, True),
        execution_mode=mode or "kubewarden-wapc",
        policy_type=_one_of(data, "policyType", ("kubernetes", "raw"), "kubernetes") or "kubernetes",
        context_aware=tuple(_typed(data, "contextAwareResources", list, [])),
        host_capabilities=None
        if data.get("hostCapabilities") is None
        else tuple(_typed(data, "hostCapabilities", list, [])),
        minimum_version=_typed(data, "minimumKubewardenVersion", str, None),
    )


def check_loadable(metadata: Metadata, imported_modules: Iterable[str] = (), exports: Iterable[str] = ()) -> None:
    """Refuse what must not be loaded. Raises BadMetadata. The names tell a policy without metadata from a plugin."""
    if metadata.minimum_version is not None:
        match = re.match(r"v?(\d+)\.(\d+)(\.|$)", metadata.minimum_version)
        if match is None:
            raise BadMetadata(f"minimumKubewardenVersion {metadata.minimum_version!r} is not a version")
        if (int(match[1]), int(match[2])) > KUBEWARDEN_VERSION:
            raise BadMetadata(
                f"the policy needs Kubewarden {metadata.minimum_version} or newer; "
                f"edged follows {KUBEWARDEN_VERSION[0]}.{KUBEWARDEN_VERSION[1]}"
            )
    if metadata.execution_mode != "kubewarden-wapc":
        return
    exports = tuple(exports)
    if elsewhere := misplaced(purpose_of(imported_modules, exports), POLICY):
        raise BadMetadata(elsewhere)
    if any(name.startswith("opa_") for name in exports):
        raise BadMetadata(
            "the module is compiled from Rego, and its metadata does not say executionMode opa or gatekeeper: "
            "`edged policy annotate` writes it (to try it out: `edged policy run -e opa`)"
        )
    if metadata.protocol_version != "v1":
        found = metadata.protocol_version or "none (the module carries no policy metadata)"
        raise BadMetadata(f"the policy must speak protocol version v1; found: {found}")


def _typed(data: Mapping[str, object], key: str, kind: type, default: object = None, *, required: bool = False) -> Any:
    value = data.get(key)
    if value is None:
        if required:
            raise BadMetadata(f"policy metadata lacks {key}")
        return default
    if not isinstance(value, kind):
        raise BadMetadata(f"policy metadata: {key} is not a {kind.__name__}")
    return value


def _one_of(data: Mapping[str, object], key: str, allowed: tuple[str, ...], default: str | None) -> str | None:
    value = data.get(key)
    if value is None:
        return default
    if value not in allowed:
        raise BadMetadata(f"policy metadata: {key} is {value!r}, not one of {', '.join(allowed)}")
    return str(value)


def _rule(rule: object, index: int) -> dict[str, Any]:
    where = f"policy metadata: rules[{index}]"
    if not isinstance(rule, dict):
        raise BadMetadata(f"{where} is not an object")
    for key in ("apiGroups", "apiVersions", "resources", "operations"):
        values = rule.get(key)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise BadMetadata(f"{where}.{key} is not a list of strings")
    return rule
