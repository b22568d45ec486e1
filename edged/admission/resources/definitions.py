"""CustomResourceDefinitions of the five kinds: the one place where their fields are written down.

`edged crds` prints them, `make crds` writes config/crds/*.yaml, and a test compares. Field names, defaults and
enumerations are Kubewarden's, so that objects move between the two unchanged; image and replicas of a PolicyServer are
optional here, because edged starts no Pods. Blocks of Kubernetes' own types (affinity, env, ...) are kept as they come.
"""

from __future__ import annotations

from typing import Any

from edged.admission.resources.kinds import GROUP, KINDS, POLICY_SERVER, VERSION, Kind

Schema = dict[str, Any]
MAX_TIMEOUT_S = 30
MIN_TIMEOUT_S = 2
DEFAULT_TIMEOUT_S = 10
MAX_MATCH_CONDITIONS = 64


def _of(kind: str, description: str = "", **more: object) -> Schema:
    text = {"description": description} if description else {}
    return {**text, "type": kind, **more}


def _text(description: str = "", **more: object) -> Schema:
    return _of("string", description, **more)


def _texts(description: str = "", **more: object) -> Schema:
    return _of("array", description, items=_text(), **more)


def _object(
    properties: Schema, description: str = "", required: tuple[str, ...] = (), more: Schema | None = None
) -> Schema:
    needed = {"required": list(required)} if required else {}
    return {**_of("object", description, properties=properties), **needed, **(more or {})}


def _free(description: str = "", **more: object) -> Schema:
    return _of("object", description, **{"x-kubernetes-preserve-unknown-fields": True}, **more)


def _free_list(description: str) -> Schema:
    return _of("array", description, items=_free())


def _map_of(values: Schema, description: str = "") -> Schema:
    return _of("object", description, additionalProperties=values)


def _int_or_string(description: str) -> Schema:
    return {
        "description": description,
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": True,
    }


# --- parts that several kinds have


def _label_selector(description: str) -> Schema:
    requirement = _object(
        {"key": _text(), "operator": _text(), "values": _texts(**{"x-kubernetes-list-type": "atomic"})},
        required=("key", "operator"),
    )
    return _object(
        {
            "matchExpressions": _of("array", items=requirement, **{"x-kubernetes-list-type": "atomic"}),
            "matchLabels": _map_of(_text()),
        },
        description,
        more={"x-kubernetes-map-type": "atomic"},
    )


def _rules() -> Schema:
    rule = _object(
        {
            "apiGroups": _texts(**{"x-kubernetes-list-type": "atomic"}),
            "apiVersions": _texts(**{"x-kubernetes-list-type": "atomic"}),
            "operations": _texts(**{"x-kubernetes-list-type": "atomic"}),
            "resources": _texts(**{"x-kubernetes-list-type": "atomic"}),
            "scope": _text(enum=["*", "Cluster", "Namespaced"]),
        }
    )
    return _of("array", "Which requests are reviewed, as in a webhook configuration.", items=rule)


def _match_conditions() -> Schema:
    condition = _object({"name": _text(), "expression": _text()}, required=("name", "expression"))
    more: Schema = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    return _of(
        "array", "CEL expressions that must all be true before the policy is asked.",
        items=condition, maxItems=MAX_MATCH_CONDITIONS, **more,
    )  # fmt: skip


def _context_aware() -> Schema:
    reference = _object({"apiVersion": _text(), "kind": _text()}, required=("apiVersion", "kind"))
    return _of("array", "Kinds that the policy may read from the cluster.", items=reference)


def _timeout(description: str, **more: object) -> Schema:
    bounds = {"minimum": MIN_TIMEOUT_S, "maximum": MAX_TIMEOUT_S}
    return _of("integer", description, format="int32", **bounds, **more)


def _module_fields(kind: Kind) -> Schema:
    """What a policy and a member of a group have in common."""
    fields = {
        "module": _text("URL of the WebAssembly module: registry://, https:// or file://."),
        "settings": _free("The policy's settings, as its author documents them.", nullable=True),
        "timeoutEvalSeconds": _timeout("How long the policy may take. edged's own limit still applies."),
    }
    return fields if kind.namespaced else {**fields, "contextAwareResources": _context_aware()}


def _common_fields(kind: Kind) -> Schema:
    """What policies and groups have in common."""
    fields = {
        "policyServer": _text("The PolicyServer that serves this policy. Cannot be changed.", default="default"),
        "mode": _text(
            "protect: deny. monitor: only log what would be denied.", default="protect", enum=["protect", "monitor"]
        ),
        "rules": _rules(),
        "failurePolicy": _text("What happens if edged does not answer.", enum=["Fail", "Ignore"]),
        "backgroundAudit": _of("boolean", "Whether audits check existing objects against this policy.", default=True),
        "matchPolicy": _text("Exact or Equivalent.", enum=["Exact", "Equivalent"]),
        "matchConditions": _match_conditions(),
        "objectSelector": _label_selector("Only objects with such labels are reviewed."),
        "sideEffects": _text("None or NoneOnDryRun.", enum=["None", "NoneOnDryRun", "Some", "Unknown"]),
        "timeoutSeconds": _timeout("How long the API server waits.", default=DEFAULT_TIMEOUT_S),
        "message": _text("Replaces the policy's own rejection message."),
    }
    if kind.namespaced:
        return fields
    return {
        **fields,
        "namespaceSelector": _label_selector("Only objects in namespaces with such labels are reviewed."),
        "allowInsideAdmissionControllerNamespace": _of(
            "boolean", "Has no effect: edged runs in no namespace.", default=False
        ),
    }


def _policy_spec(kind: Kind) -> Schema:
    fields = {**_common_fields(kind), **_module_fields(kind)}
    fields["mutating"] = _of("boolean", "Whether the policy may change objects.")
    return _object(fields, required=("module", "mutating", "rules"))


def _group_spec(kind: Kind) -> Schema:
    member = _object(_module_fields(kind), required=("module",))
    fields = {
        **_common_fields(kind),
        "expression": _text("Calls of members, joined by &&, ||, !, == and !=: `signed() || trusted()`."),
        "policies": _map_of(member, "The members, by the name that the expression calls."),
    }
    return _object(fields, required=("expression", "message", "policies", "rules"))


# --- PolicyServer


def _server_spec() -> Schema:
    port = {"format": "int32", "minimum": 1, "maximum": 65535}
    unused = "Has no effect: edged starts no Pods."
    resources = _map_of(_int_or_string("A quantity."), unused)
    return _object(
        {
            "image": _text(unused),
            "replicas": _of("integer", unused, format="int32"),
            "minAvailable": _int_or_string(unused),
            "maxUnavailable": _int_or_string(unused),
            "annotations": _map_of(_text(), unused),
            "labels": _map_of(_text(), unused),
            "env": _free_list(unused),
            "serviceAccountName": _text(unused),
            "imagePullSecret": _text("Has no effect: edged reads [registry] docker_config of its configuration file."),
            "priorityClassName": _text(unused),
            "insecureSources": _texts("Has no effect: see [registry] sources of edged's configuration file."),
            "sourceAuthorities": _map_of(_texts(), "Has no effect: see [registry] sources."),
            "verificationConfig": _text("Verification of signatures. Refused until edged can verify."),
            "sigstoreTrustConfig": _text("Verification of signatures. Refused until edged can verify."),
            "securityContexts": _object({"container": _free(), "pod": _free()}, unused),
            "affinity": _free(unused),
            "tolerations": _free_list(unused),
            "limits": resources,
            "requests": resources,
            "namespacedPoliciesCapabilities": _texts(
                "Host capabilities of namespaced policies, within edged's own namespaced_capabilities."
            ),
            "webhookPort": _of("integer", unused, default=8443, **port),
            "readinessProbePort": _of("integer", unused, default=8081, **port),
            "metricsPort": _of("integer", unused, **port),
        }
    )


# --- status


def _conditions() -> Schema:
    condition = _object(
        {
            "type": _text(maxLength=316),
            "status": _text(enum=["True", "False", "Unknown"]),
            "observedGeneration": _of("integer", format="int64", minimum=0),
            "lastTransitionTime": _text(format="date-time"),
            "reason": _text(minLength=1, maxLength=1024),
            "message": _text(maxLength=32768),
        },
        required=("lastTransitionTime", "message", "reason", "status", "type"),
    )
    more: Schema = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    return _of("array", items=condition, **more)


def _status(kind: Kind) -> Schema:
    if not kind.is_policy:
        return _object({"conditions": _conditions()})
    states = ["unscheduled", "scheduled", "pending", "active"]
    modes = ["protect", "monitor", "unknown"]
    return _object(
        {
            "conditions": _conditions(),
            "mode": _text("The mode that is in effect.", enum=modes),
            "policyStatus": _text("active: the API server asks the policy.", enum=states),
        },
        required=("policyStatus",),
    )


def _columns(kind: Kind) -> list[Schema]:
    age = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}
    if not kind.is_policy:
        capabilities = {"name": "Namespaced capabilities", "type": "string", "priority": 1}
        return [age, {**capabilities, "jsonPath": ".spec.namespacedPoliciesCapabilities"}]
    annotation = ".metadata.annotations['io\\.kubewarden\\.policy\\.{}']"
    rows = [
        ("Policy Server", "string", ".spec.policyServer", 0),
        ("Mutating", "boolean", ".spec.mutating", 0),
        ("BackgroundAudit", "boolean", ".spec.backgroundAudit", 0),
        ("Mode", "string", ".spec.mode", 0),
        ("Observed mode", "string", ".status.mode", 0),
        ("Status", "string", ".status.policyStatus", 0),
        ("Severity", "string", annotation.format("severity"), 1),
        ("Category", "string", annotation.format("category"), 1),
    ]
    found = [
        {"name": name, "type": kind_of, "jsonPath": path, **({"priority": priority} if priority else {})}
        for name, kind_of, path, priority in rows
        if not (kind.is_group and name == "Mutating")
    ]
    return [*found[:6], age, *found[6:]] if not kind.is_group else [*found[:5], age, *found[5:]]


# --- whole definitions


def schema(kind: Kind) -> Schema:
    """The openAPIV3Schema, the same for every version."""
    spec = _server_spec() if kind is POLICY_SERVER else _group_spec(kind) if kind.is_group else _policy_spec(kind)
    top = {"apiVersion": _text(), "kind": _text(), "metadata": _of("object"), "spec": spec, "status": _status(kind)}
    return _object(top, f"{kind.kind} of Kubewarden, served by edged.")


def _version(kind: Kind, name: str) -> Schema:
    deprecation = {} if name == VERSION else {"deprecated": True}
    return {
        "name": name,
        "served": True,
        "storage": name == VERSION,
        **deprecation,
        "schema": {"openAPIV3Schema": schema(kind)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": _columns(kind),
    }


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of one kind."""
    names = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.kind.lower(),
        "shortNames": [kind.short],
        "categories": ["kubewarden"],
    }
    spec = {
        "group": GROUP,
        "names": names,
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "conversion": {"strategy": "None"},
        "versions": [_version(kind, name) for name in kind.versions],
    }
    metadata = {"name": f"{kind.plural}.{GROUP}"}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": metadata,
            "spec": spec}  # fmt: skip


def definitions() -> dict[str, dict[str, Any]]:
    """File name in config/crds -> definition."""
    return {f"{kind.plural}.yaml": definition(kind) for kind in KINDS.values()}
