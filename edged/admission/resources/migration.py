"""What moving from Kubewarden's components to edged changes, object by object, and what the configuration file needs.

Pure: objects of a cluster (or of YAML files) in, a report out. edged/cli/migrate.py reads and prints.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from edged.admission.resources import validation
from edged.admission.resources.conversion import Limits, common_patterns, convert
from edged.admission.resources.definitions import DEFAULT_TIMEOUT_S
from edged.admission.resources.kinds import DEFAULT_SERVER, KINDS, server_of
from edged.admission.resources.module_places import source_problem
from edged.admission.resources.plan import describe, make_plan
from edged.admission.rules.exemptions import SYSTEM_NAMESPACES

Object = Mapping[str, Any]
Needs = Callable[[str], tuple[str, ...] | None]
"""URL of a module -> the host capabilities that it needs; None if it cannot be read on this machine."""
ATTENTION = "attention"
NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """`level`: attention (something has to be done) or note (edged does it differently)."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Examined:
    """One object."""

    object: str
    policy: str
    findings: tuple[Finding, ...]

    @property
    def needs_attention(self) -> bool:
        return any(finding.level == ATTENTION for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Current:
    """What edged's configuration says already."""

    server: str = DEFAULT_SERVER
    limits: Limits = field(default_factory=Limits)
    allow_secrets: bool = False
    include_system: bool = False
    has_sources_file: bool = False
    has_docker_config: bool = False
    is_static: bool = False
    """Whether webhooks are in manifests."""


@dataclass(frozen=True, slots=True)
class Report:
    """`admission` and `engine`: keys that the configuration file needs. `reads`: what `edged rbac render --read` is to
    be given, as APIVERSION/KIND. `sources`: content of a sources file, {} when none is needed."""

    objects: tuple[Examined, ...]
    admission: dict[str, Any]
    engine: dict[str, Any]
    reads: tuple[str, ...]
    sources: dict[str, Any]

    @property
    def needs_attention(self) -> bool:
        return any(each.needs_attention for each in self.objects)


def examine(objects: Iterable[Object], current: Current) -> Report:
    """Everything about these objects; those of other kinds are ignored."""
    mine = [obj for obj in objects if obj.get("kind") in KINDS and isinstance(obj.get("metadata"), Mapping)]
    servers = [obj for obj in mine if not KINDS[obj["kind"]].is_policy]
    policies = [obj for obj in mine if KINDS[obj["kind"]].is_policy]
    examined = [Examined(describe(obj), "", tuple(_server(obj, policies, current))) for obj in servers]
    plan = make_plan(mine, current.server, current.limits, ())
    for planned in plan.policies:
        findings = [*_policy(planned.obj, plan.server, current)]
        if planned.blocked:
            findings.append(Finding(ATTENTION, planned.blocked))
        examined.append(Examined(describe(planned.obj), planned.name, tuple(findings)))
    served = {id(planned.obj) for planned in plan.policies}
    for obj in policies:
        if id(obj) not in served:
            text = (
                f"belongs to PolicyServer {server_of(obj)!r}; one edged serves the policies of one ({current.server})"
            )
            examined.append(Examined(describe(obj), "", (Finding(ATTENTION, text),)))
    if policies and plan.server is None:
        missing = Finding(ATTENTION, "does not exist: policies are registered only while their PolicyServer does")
        examined.append(Examined(f"PolicyServer {current.server}", "", (missing,)))
    mine_only = [planned.obj for planned in plan.policies]
    return Report(
        tuple(examined),
        _admission_keys(mine_only, plan.server, current),
        _engine_keys(mine_only, current),
        tuple(sorted(_reads(mine_only))),
        _sources(plan.server),
    )


# --- objects


def _server(obj: Object, policies: Sequence[Object], current: Current) -> Iterable[Finding]:
    spec = obj.get("spec") or {}
    name = obj["metadata"]["name"]
    if name != current.server:
        count = sum(server_of(policy) == name for policy in policies)
        yield Finding(
            ATTENTION if count else NOTE, f"is not served: policy_server is {current.server!r}; {count} policies"
        )
        return
    for key in ("verificationConfig", "sigstoreTrustConfig"):
        if spec.get(key):
            yield Finding(ATTENTION, f"{key}: this release cannot verify signatures, and its policies do not load")
    if spec.get("imagePullSecret") and not current.has_docker_config:
        yield Finding(ATTENTION, "imagePullSecret: put its .dockerconfigjson into [registry] docker_config")
    if (spec.get("insecureSources") or spec.get("sourceAuthorities")) and not current.has_sources_file:
        yield Finding(ATTENTION, "insecureSources, sourceAuthorities: put them into a file for [registry] sources")
    if spec.get("namespacedPoliciesCapabilities") is None:
        yield Finding(NOTE, "namespacedPoliciesCapabilities is unset: Kubewarden grants everything, edged what "
                      "namespaced_capabilities says")  # fmt: skip
    unused = [key for key in ("env", "annotations", "labels", "affinity", "tolerations") if spec.get(key)]
    if unused:
        yield Finding(NOTE, f"{', '.join(unused)}: no effect, there are no Pods")


def _policy(obj: Object, server: Object | None, current: Current) -> Iterable[Finding]:
    kind, spec = KINDS[obj["kind"]], obj.get("spec") or {}
    for finding in validation.validate(obj):
        yield Finding(ATTENTION, str(finding))
    for url in sorted(modules_of(obj)):
        problem = source_problem(url, current.limits.module_dirs, current.limits.module_sources)
        if problem:
            yield Finding(ATTENTION, problem)
    for reference in _aware(obj):
        if reference == "v1/Secret" and not current.allow_secrets:
            yield Finding(ATTENTION, "reads Secrets: needs [admission] allow_secrets = true")
    if spec.get("sideEffects") in ("Some", "Unknown"):
        yield Finding(ATTENTION, f"sideEffects {spec['sideEffects']}: the API server takes None and NoneOnDryRun only")
    namespace = obj["metadata"].get("namespace") or ""
    if namespace in SYSTEM_NAMESPACES and not current.include_system:
        yield Finding(ATTENTION, f"namespace {namespace} is left out unless [admission] include_system = true")
    if text := validation.left_out(obj, include_system=current.include_system, static=current.is_static):
        yield Finding(ATTENTION, text)
    longest = max(_timeouts(obj), default=0)
    if longest > current.limits.wall_timeout_s:
        text = f"timeoutEvalSeconds {longest}: cut to [engine] wall_timeout_s = {current.limits.wall_timeout_s:g}"
        yield Finding(ATTENTION, text)
    yield from _differences(obj, spec, kind.namespaced, current, server)


def _differences(
    obj: Object, spec: Mapping[str, Any], namespaced: bool, current: Current, server: Object | None
) -> Iterable[Finding]:
    selector = spec.get("namespaceSelector") or {}
    if not namespaced and selector.get("matchLabels"):
        yield Finding(NOTE, "namespaceSelector.matchLabels is applied; Kubewarden drops it, so it reviewed more")
    if spec.get("mode") == "monitor" and spec.get("failurePolicy") != "Ignore":
        yield Finding(NOTE, "failurePolicy becomes Ignore: in monitor mode an absent edged blocks nothing")
    if not namespaced and not current.include_system:
        wide = any("*" in (rule.get("resources") or ()) or "*/*" in (rule.get("resources") or ())
                   for rule in spec.get("rules") or () if isinstance(rule, Mapping))  # fmt: skip
        text = "kube-system, kube-public and kube-node-lease are not reviewed (include_system)"
        yield Finding(NOTE, f"{text}, nor nodes, leases and CSRs" if wide else text)
    if namespaced:
        granted = ((server or {}).get("spec") or {}).get("namespacedPoliciesCapabilities")
        so_far = common_patterns(["*"], ["*"] if granted is None else granted)
        kept = common_patterns(current.limits.namespaced_capabilities, so_far)
        if set(kept) != set(so_far):
            yield Finding(NOTE, f"host capabilities: {', '.join(kept) or 'none'}; so far {', '.join(so_far)}")
    if spec.get("allowInsideAdmissionControllerNamespace"):
        yield Finding(NOTE, "allowInsideAdmissionControllerNamespace has no effect: edged runs in no namespace")


def modules_of(obj: Object) -> set[str]:
    """URLs of the modules that a policy or group names."""
    spec = obj.get("spec") or {}
    members = (spec.get("policies") or {}).values() if KINDS[obj["kind"]].is_group else (spec,)
    return {member["module"] for member in members if isinstance(member.get("module"), str) and member["module"]}


def _aware(obj: Object) -> set[str]:
    spec, kind = obj.get("spec") or {}, KINDS[obj["kind"]]
    if kind.namespaced:
        return set()
    members = (spec.get("policies") or {}).values() if kind.is_group else (spec,)
    return {
        f"{each.get('apiVersion')}/{each.get('kind')}"
        for member in members
        for each in member.get("contextAwareResources") or ()
    }


def _timeouts(obj: Object) -> list[int]:
    spec = obj.get("spec") or {}
    members = (spec.get("policies") or {}).values() if KINDS[obj["kind"]].is_group else (spec,)
    webhook = spec.get("timeoutSeconds") or DEFAULT_TIMEOUT_S
    return [min(member["timeoutEvalSeconds"], webhook) for member in members if member.get("timeoutEvalSeconds")]


# --- what the configuration needs


def _admission_keys(policies: Sequence[Object], server: Object | None, current: Current) -> dict[str, Any]:
    urls = {url for obj in policies for url in modules_of(obj)}
    keys: dict[str, Any] = {"policy_server": current.server}
    sources = {_source(url) for url in urls if not url.startswith("file:")} - {""}
    if sources:
        keys["module_sources"] = sorted({*sources, *current.limits.module_sources})
    folders = {urlsplit(url).path.rpartition("/")[0] for url in urls if url.startswith("file://")} - {""}
    if folders:
        keys["module_dirs"] = sorted({*folders, *current.limits.module_dirs})
    capabilities = ((server or {}).get("spec") or {}).get("namespacedPoliciesCapabilities")
    if capabilities and any(KINDS[obj["kind"]].namespaced for obj in policies):
        keys["namespaced_capabilities"] = sorted({*capabilities, *current.limits.namespaced_capabilities})
    if any("v1/Secret" in _aware(obj) for obj in policies):
        keys["allow_secrets"] = True
    return keys


def _source(url: str) -> str:
    """What module_sources needs for a URL: the registry, and the path but for its last two parts' freedom."""
    parts = urlsplit(url)
    if source_problem(url, (), (parts.netloc,)):
        return ""  # no entry would help
    folder = parts.path.strip("/").rpartition("/")[0]
    scheme = "https://" if parts.scheme == "https" else ""
    return f"{scheme}{parts.netloc}/{folder}" if folder else f"{scheme}{parts.netloc}"


def _engine_keys(policies: Sequence[Object], current: Current) -> dict[str, Any]:
    longest = max((timeout for obj in policies for timeout in _timeouts(obj)), default=0)
    return {"wall_timeout_s": float(longest)} if longest > current.limits.wall_timeout_s else {}


def _reads(policies: Sequence[Object]) -> set[str]:
    return {reference for obj in policies for reference in _aware(obj)}


def _sources(server: Object | None) -> dict[str, Any]:
    spec = (server or {}).get("spec") or {}
    keys: dict[str, Any] = {}
    if spec.get("insecureSources"):
        keys["insecure_sources"] = list(spec["insecureSources"])
    if spec.get("sourceAuthorities"):
        keys["source_authorities"] = {
            host: [{"type": "Data", "data": data} for data in authorities]
            for host, authorities in spec["sourceAuthorities"].items()
        }
    return keys


# --- entries for the configuration file


def entries(objects: Iterable[Object], current: Current, needs: Needs) -> tuple[dict[str, Any], list[str]]:
    """Custom resources as tables of the configuration file (`policy`, `group`), and what is to be done about some."""
    everywhere = replace(current.limits, namespaced_capabilities=("*",))
    plan = make_plan(objects, current.server, everywhere, ())
    tables: dict[str, list[dict[str, Any]]] = {"policy": [], "group": []}
    problems = []
    for planned in plan.policies:
        converted = convert(planned.obj, plan.server, replace(current.limits, module_sources=(), module_dirs=()))
        if planned.blocked or not converted.table:
            problems.append(f"{describe(planned.obj)}: {planned.blocked or converted.problem}")
            continue
        table = dict(converted.table)
        origin = table.pop("origin")
        if origin.namespace:
            table["namespace_selector"] = {"matchLabels": {"kubernetes.io/metadata.name": origin.namespace}}
            table["rules"] = [{**rule, "scope": "Namespaced"} for rule in table["rules"]]
        table = without_defaults(_with_needed(table, needs, describe(planned.obj), problems))
        if table.get("timeout_s") == current.limits.wall_timeout_s:
            del table["timeout_s"]
        tables["group" if converted.is_group else "policy"].append(
            without_nulls(table, describe(planned.obj), problems)
        )
    return {key: value for key, value in tables.items() if value}, problems


def _with_needed(table: dict[str, Any], needs: Needs, what: str, problems: list[str]) -> dict[str, Any]:
    """The table of a policy or group with the host capabilities that it needs. Kubewarden's controller grants all that
    the policy server allows, which is "*" unless somebody said less."""
    if "members" in table:
        members = {name: _with_needed(member, needs, f"{what}/{name}", problems)
                   for name, member in table["members"].items()}  # fmt: skip
        return {**table, "members": members}
    needed = needs(table["module"])
    if needed is None:
        needed = ("kubernetes/*",) if table["context_aware"] else ()
        problems.append(
            f"{what}: {table['module']} is not on this machine: host_capabilities holds only what the resource names. "
            "If the policy calls more of the host, it fails. `edged policy pull` fetches the module; then do this again"
        )
    return {**table, "host_capabilities": common_patterns(needed, table["host_capabilities"])}


_DEFAULTS = {
    "mode": "protect", "allowed_to_mutate": False, "settings": {}, "message": "", "context_aware": (),
    "host_capabilities": (), "match_policy": "Equivalent", "side_effects": "None", "reinvocation_policy": "Never",
    "namespace_selector": {}, "object_selector": {}, "match_conditions": (), "background_audit": True,
    "failure_policy": "Fail", "module_conditions": True, "webhook": "shared",
}  # fmt: skip


def without_defaults(table: Mapping[str, Any]) -> dict[str, Any]:
    """A table less what it would be anyway; the name first."""
    kept = {key: value for key, value in table.items() if key not in _DEFAULTS or value != _DEFAULTS[key]}
    if kept.get("mode") == "monitor" and kept.get("failure_policy") == "Ignore":
        del kept["failure_policy"]
    if "members" in kept:
        kept["members"] = {name: without_defaults(member) for name, member in kept["members"].items()}
    return kept


def policies_yml(document: object, needs: Needs) -> tuple[dict[str, Any], list[str]]:
    """policy-server's policies.yml, older ones too (until 2025 they said `url` for `module`), as tables of the
    configuration file, and what is wrong with it or was left out."""
    if not isinstance(document, Mapping):
        return {}, ["the file is not a map of policies"]
    tables: dict[str, list[dict[str, Any]]] = {"policy": [], "group": []}
    problems: list[str] = []
    for name, entry in document.items():
        if not isinstance(entry, Mapping):
            problems.append(f"{name}: is not a map")
        elif "module" in entry or "url" in entry:
            tables["policy"].append({"name": str(name), **_entry(str(name), entry, needs, problems)})
        elif isinstance(entry.get("policies"), Mapping) and entry.get("expression"):
            tables["group"].append({"name": str(name), **_group_entry(str(name), entry, needs, problems)})
        else:
            keys = ", ".join(map(str, entry)) or "nothing"
            needed = "a policy needs `module` (a URL), a group needs `policies` and `expression`"
            problems.append(f"{name}: {needed}; here is {keys}")
    return {key: value for key, value in tables.items() if value}, problems


_OWN_KEYS = {
    "module": "module", "policyMode": "mode", "allowedToMutate": "allowed_to_mutate", "settings": "settings",
    "contextAwareResources": "context_aware", "message": "message", "timeoutEvalSeconds": "timeout_s",
    "hostCapabilities": "host_capabilities",
}  # fmt: skip
"""Key of policies.yml -> key of the configuration file."""


def _entry(name: str, entry: Mapping[str, Any], needs: Needs, problems: list[str]) -> dict[str, Any]:
    if "url" in entry:  # the name of `module` in older files
        entry = {"module": entry["url"], **{key: value for key, value in entry.items() if key != "url"}}
    unknown = [key for key in entry if key not in _OWN_KEYS and key != "namespacedName"]
    if unknown:
        left_out = ", ".join(map(str, unknown))
        problems.append(f"{name}: unknown keys left out: {left_out}; known are {', '.join(_OWN_KEYS)}")
    table = {_OWN_KEYS[key]: value for key, value in entry.items() if key in _OWN_KEYS and value is not None}
    table["module"] = _module_url(str(table.get("module") or ""))
    if "timeout_s" in table:
        table["timeout_s"] = float(table["timeout_s"])
    if "host_capabilities" not in table and (needed := needs(table["module"])):
        table["host_capabilities"] = list(needed)
    return dict(without_nulls(without_defaults(table), name, problems))


def _module_url(module: str) -> str:
    """As policy-server reads it: without a scheme it is a registry's."""
    return module if "://" in module else f"registry://{module}"


def without_nulls(table: object, name: str, problems: list[str]) -> Any:
    """TOML has no null: keys that hold one are left out, and said."""
    if isinstance(table, Mapping):
        gone = [str(key) for key, value in table.items() if value is None]
        if gone:
            problems.append(f"{name}: null cannot be written in this file; left out: {', '.join(gone)}")
        return {str(key): without_nulls(value, name, problems) for key, value in table.items() if value is not None}
    if isinstance(table, list | tuple):
        return [without_nulls(value, name, problems) for value in table if value is not None]
    return table


def _group_entry(name: str, entry: Mapping[str, Any], needs: Needs, problems: list[str]) -> dict[str, Any]:
    table = {
        "expression": entry["expression"],
        "message": entry.get("message") or "",
        **({"mode": entry["policyMode"]} if entry.get("policyMode", "protect") != "protect" else {}),
    }
    members: dict[str, Any] = {}
    for each, member in entry["policies"].items():
        if isinstance(member, Mapping) and ("module" in member or "url" in member):
            members[str(each)] = _entry(f"{name}/{each}", member, needs, problems)
        else:
            problems.append(f"{name}/{each}: a member needs `module` (a URL)")
    problems.append(f"{name}: groups have no rules of their own in the file: add rules, or nothing ever calls it")
    return {**table, "members": members}
