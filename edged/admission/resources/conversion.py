"""A custom resource as edged's own policy: what its spec means, within what its author may ask for. Pure.

Results are tables with the keys of [[admission.policy]] and [[admission.group]], for
`admission/resources/custom_resources.py` to serve and for `edged migrate` to print. An object that asks for too much
still becomes a table, with its problem: its policy then answers for itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from edged.admission.resources import validation
from edged.admission.resources.definitions import DEFAULT_TIMEOUT_S
from edged.admission.resources.kinds import KINDS, Kind, unique_name_of
from edged.admission.resources.module_places import source_problem
from edged.admission.resources.resource_shapes import spec_problem
from edged.records import dataclass
from edged.registry.origin import Origin

Object = Mapping[str, Any]
Table = dict[str, Any]
"""A table of the configuration file: [[admission.policy]], [[admission.group]], or a member of one."""
ANSWER_EARLIER_S = 0.5
"""A policy must answer before the API server stops waiting."""
SEVERITY = "io.kubewarden.policy.severity"
CATEGORY = "io.kubewarden.policy.category"
MAX_SETTINGS_DEPTH = 240
"""Of what a guest is handed as JSON: orjson writes 254 levels, and settings stand within other documents."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration file allows custom resources."""

    wall_timeout_s: float = 2.0
    module_dirs: Sequence[str] = ()
    module_sources: Sequence[str] = ()
    namespaced_capabilities: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Converted:
    """`table` holds the keyword arguments of PolicyConfig or (`is_group`) GroupConfig. `problem`: why it must not be
    loaded; "" when it may. `table` is empty for an object that makes no sense at all."""

    name: str
    is_group: bool
    table: Table = field(default_factory=dict)
    problem: str = ""


def convert(obj: Object, server: Object | None, limits: Limits) -> Converted:
    """One policy or group; `server`: its PolicyServer, where that is known. An object of a shape that no schema of ours
    lets pass (somebody else's definitions are installed) has that as its problem."""
    try:
        return _convert(obj, server, limits)
    except (TypeError, AttributeError, KeyError, ValueError, RecursionError) as error:
        name, is_group = unique_name_of(obj), KINDS[obj["kind"]].is_group
        return Converted(name, is_group, {}, f"the object is malformed: {type(error).__name__}: {error}")


def _convert(obj: Object, server: Object | None, limits: Limits) -> Converted:
    kind = KINDS[obj["kind"]]
    if wrong := spec_problem(obj, kind):
        return Converted(unique_name_of(obj), kind.is_group, {}, wrong)
    spec = obj.get("spec") if isinstance(obj.get("spec"), Mapping) else {}
    assert isinstance(spec, Mapping)
    granted = capabilities_of(kind, server, limits)
    table = _common(obj, spec, kind)
    modules: list[Any] = []
    if kind.is_group:
        members = spec.get("policies") or {}
        modules = [member.get("module") for member in members.values()]
        table["expression"] = spec.get("expression") or ""
        table["members"] = {
            name: _module(member, kind, granted, _timeout(member, spec, limits)) for name, member in members.items()
        }
    else:
        modules = [spec.get("module")]
        table |= _module(spec, kind, granted, _timeout(spec, spec, limits))
        table["allowed_to_mutate"] = bool(spec.get("mutating"))
        table["reinvocation_policy"] = _reinvocation(obj)
        table["module_conditions"] = validation.annotations_of(obj).get(validation.MODULE_CONDITIONS) != "false"
    for each in (table["members"].values() if kind.is_group else (table,)):
        each["preinitialize"] = _preinitialize(obj)
    problem = _problem(obj, server, modules, limits) or _take_deep_settings(table)
    return Converted(unique_name_of(obj), kind.is_group, table, problem)


def _problem(obj: Object, server: Object | None, modules: Sequence[object], limits: Limits) -> str:
    findings = validation.validate(obj)
    if findings:
        return validation.summary(findings)
    if server is not None and (wrong := spec_problem(server, KINDS[server["kind"]])):
        return f"its PolicyServer cannot be read: {wrong}"
    server_spec = (server or {}).get("spec") or {}
    if server_spec.get("verificationConfig") or server_spec.get("sigstoreTrustConfig"):
        return "its PolicyServer asks for verified signatures, which this release of edged cannot do"
    problems = [source_problem(str(url), limits.module_dirs, limits.module_sources) for url in modules]
    return next((problem for problem in problems if problem), "")


def _take_deep_settings(table: Table) -> str:
    """Takes out settings that cannot be written as JSON, so that the table can be compared and written later. Why they
    were taken out; "" when there are none."""
    problem = ""
    for where, part in (("", table), *((f"member {name}: ", part) for name, part in table.get("members", {}).items())):
        if is_deeper(part.get("settings"), MAX_SETTINGS_DEPTH):
            part["settings"] = {}
            problem = problem or f"{where}its settings are nested deeper than {MAX_SETTINGS_DEPTH} levels"
    return problem


def is_deeper(value: object, levels: int) -> bool:
    """Whether lists and mappings are nested deeper than this. Does not recurse."""
    level = [value]
    for _ in range(levels + 1):
        inner: list[object] = []
        for each in level:
            if isinstance(each, Mapping):
                inner += each.values()
            elif isinstance(each, list | tuple):
                inner += each
        if not inner:
            return False
        level = inner
    return True


def capabilities_of(kind: Kind, server: Object | None, limits: Limits) -> tuple[str, ...]:
    """Host capabilities: all for cluster-scoped kinds (what they read is named in contextAwareResources); for
    namespaced ones what both the configuration file and the PolicyServer grant."""
    if not kind.namespaced:
        return ("*",)
    spec = (server or {}).get("spec") or {}
    granted = spec.get("namespacedPoliciesCapabilities")
    return common_patterns(limits.namespaced_capabilities, ["*"] if granted is None else granted)


def common_patterns(one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
    """Capability patterns that cover what both lists cover."""
    common: dict[str, None] = {}
    for a in map(str.strip, one):
        for b in map(str.strip, other):
            narrower = b if _within(b, a) else a if _within(a, b) else None
            if narrower is not None:
                common[narrower] = None
    return tuple(common)


def _within(pattern: str, wider: str) -> bool:
    return wider in ("*", pattern) or (wider.endswith("/*") and pattern.startswith(wider[:-1]))


def _common(obj: Object, spec: Mapping[str, Any], kind: Kind) -> Table:
    mode = spec.get("mode") or "protect"
    return {
        "name": unique_name_of(obj),
        "mode": mode,
        "message": spec.get("message") or "",
        "rules": tuple(_rule(rule, kind) for rule in spec.get("rules") or () if isinstance(rule, Mapping)),
        "failure_policy": spec.get("failurePolicy") or ("Ignore" if mode == "monitor" else "Fail"),
        "match_policy": spec.get("matchPolicy") or "Equivalent",
        "side_effects": spec.get("sideEffects") or "None",
        "namespace_selector": {} if kind.namespaced else _selector(spec.get("namespaceSelector")),
        "object_selector": _selector(spec.get("objectSelector")),
        "match_conditions": tuple(dict(each) for each in spec.get("matchConditions") or ()),
        "background_audit": spec.get("backgroundAudit") is not False,
        "webhook": "own" if validation.annotations_of(obj).get(validation.WEBHOOK) == "own" else "shared",
        "origin": origin_of(obj),
    }


def _reinvocation(obj: Object) -> str:
    """What is wrong with it is the object's problem."""
    value = validation.annotations_of(obj).get(validation.REINVOCATION)
    return value if value in validation.REINVOCATION_POLICIES and (obj.get("spec") or {}).get("mutating") else "Never"


def _preinitialize(obj: Object) -> str:
    """As `_reinvocation`; for a group it holds for each member."""
    value = validation.annotations_of(obj).get(validation.PREINITIALIZE)
    return value if value in validation.PREINITIALIZE_VALUES else "auto"


def origin_of(obj: Object) -> Origin:
    """Which object a policy is of."""
    metadata, spec, annotations = obj["metadata"], obj.get("spec") or {}, obj["metadata"].get("annotations") or {}
    return Origin(
        kind=obj["kind"],
        namespace=metadata.get("namespace") or "",
        name=metadata["name"],
        uid=metadata.get("uid") or "",
        webhook_timeout_s=spec.get("timeoutSeconds") or DEFAULT_TIMEOUT_S,
        severity=annotations.get(SEVERITY) or "",
        category=annotations.get(CATEGORY) or "",
        generation=metadata.get("generation") or 0,
        resource_version=metadata.get("resourceVersion") or "",
    )


def _rule(rule: Mapping[str, Any], kind: Kind) -> Table:
    copied = {key: list(rule.get(key) or ()) for key in ("apiGroups", "apiVersions", "operations", "resources")}
    if rule.get("scope") and not kind.namespaced:  # a namespaced kind's rules are Namespaced, whatever they say
        copied["scope"] = rule["scope"]
    return copied


def _selector(value: object) -> dict[str, Any]:
    """Without its empty parts, which the API server drops too."""
    return {key: part for key, part in value.items() if part} if isinstance(value, Mapping) else {}


def _module(spec: Mapping[str, Any], kind: Kind, granted: tuple[str, ...], timeout_s: float) -> Table:
    aware = () if kind.namespaced else spec.get("contextAwareResources") or ()
    return {
        "module": str(spec.get("module") or ""),
        "settings": dict(spec.get("settings") or {}),
        "context_aware": tuple({"apiVersion": each["apiVersion"], "kind": each["kind"]} for each in aware),
        "host_capabilities": granted,
        "timeout_s": timeout_s,
    }


def _timeout(own: Mapping[str, Any], spec: Mapping[str, Any], limits: Limits) -> float:
    webhook_s = spec.get("timeoutSeconds") or DEFAULT_TIMEOUT_S
    asked = own.get("timeoutEvalSeconds") or limits.wall_timeout_s
    return float(min(asked, limits.wall_timeout_s, webhook_s - ANSWER_EARLIER_S))
