"""A policy -> its webhook, as the API server must know it to call it, and comparing with what is there. Pure.

Every field that Kubernetes would default is written out, so that `drifted` can compare. shared_webhooks.py joins
policies that are asked in the same way; webhook_objects.py makes the objects of all of them.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any
from urllib.parse import quote, urlsplit

from edged.admission.rules import exemptions
from edged.admission.rules.exemptions import NAMESPACE_NAME, SYSTEM_CONDITION, SYSTEM_NAMESPACES
from edged.admission.rules.module_conditions import added, of_webhook
from edged.admission.rules.object_names import OBJECT_NAME
from edged.admission.rules.webhook_check import (
    MAX_CONDITIONS,
    conditions_problem,
    name_problem,
    rule_problem,
)
from edged.kube.values.selector_checks import label_selector_problem, shown
from edged.records import dataclass

Webhook = dict[str, Any]
WebhookConfiguration = dict[str, Any]
"""A ValidatingWebhookConfiguration or a MutatingWebhookConfiguration, as JSON has it; `Webhook`: an entry of one."""
Rules = Sequence[Mapping[str, Any]]
"""Kubernetes' RuleWithOperations: which requests a webhook is called for."""
GROUP_VERSION = "admissionregistration.k8s.io/v1"
VALIDATING = "ValidatingWebhookConfiguration"
MUTATING = "MutatingWebhookConfiguration"
PLURALS = {VALIDATING: "validatingwebhookconfigurations", MUTATING: "mutatingwebhookconfigurations"}
OWNER = "edged.dev/owner"
MEMBERS = "edged.dev/members"
"""Annotation: whom the shared webhooks of an object call (webhook_members.py)."""
WEBHOOK_SUFFIX = "policy.edged.dev"
RESOURCE_SUFFIX = "kubewarden.admission"  # of webhooks of policies that come from custom resources
COMPARED = (
    "name", "clientConfig", "rules", "failurePolicy", "matchPolicy", "namespaceSelector", "objectSelector",
    "sideEffects", "timeoutSeconds", "admissionReviewVersions", "reinvocationPolicy", "matchConditions",
)  # fmt: skip
PLUGINS = {VALIDATING: "ValidatingAdmissionWebhook", MUTATING: "MutatingAdmissionWebhook"}
FOLDERS = {VALIDATING: "validating", MUTATING: "mutating"}  # one each: the other kind is an error there


@dataclass(frozen=True, slots=True)
class WebhookSpec:
    """One policy as far as its registration goes. Rules and selectors are Kubernetes' own dicts.

    `namespace` is set for a policy that belongs to one: it then sees only namespaced objects in there.
    `rules` empty: never registered. None: not known, because they are in a module that could not be read;
    then what is registered already stays (`recall`). `timeout_s` is the policy's own, which the webhook's
    must exceed.
    """

    name: str
    rules: Rules | None
    mutating: bool = False
    monitor: bool = False
    namespace: str = ""
    failure_policy: str = "Fail"
    match_policy: str = "Equivalent"
    side_effects: str = "None"
    reinvocation_policy: str = "Never"
    timeout_s: float = 2.0
    namespace_selector: Mapping[str, Any] = field(default_factory=dict)
    object_selector: Mapping[str, Any] = field(default_factory=dict)
    match_conditions: Sequence[Mapping[str, Any]] = ()
    module_conditions: Sequence[Mapping[str, str]] | None = ()
    """Its module's own (module_conditions.py); None: not known, as with `rules`."""
    webhook_timeout_s: int | None = None
    """None: the target's."""
    hook_name: str = ""
    """The webhook's name where it is not NAME.policy.edged.dev: of custom resources, whose names are Kubewarden's."""
    path: str = ""
    """Where it is not /validate/NAME: webhooks that are no policy, and shared ones."""
    is_lost: bool = False
    """Whether nothing but the names are known: of a custom resource that could not even be refused."""
    is_own: bool = False
    """Whether it is to have a webhook of its own, where others share one (shared_webhooks.py)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the webhooks are served, and by whom. `ca_bundle` is PEM; b"": the API server's system roots."""

    url: str
    ca_bundle: bytes
    owner: str
    timeout_s: int = 3
    include_system: bool = False
    name: str = OBJECT_NAME
    """Of both objects. The API server calls mutating webhooks in the order of these names."""
    is_sharing: bool = False
    """Whether validating policies share webhooks, where they are asked in the same way."""


def recall(specs: Iterable[WebhookSpec], live: Iterable[Mapping[str, Any]]) -> list[WebhookSpec]:
    """Fill in unknown rules, and a module's unknown conditions, from the objects as they are registered now, so that a
    module which cannot be read today does not make its policy vanish: it goes on being called, for what it was called
    for, and answers with its error."""
    registered = {policy_of(hook): (hook, obj.get("kind") == MUTATING) for obj in live for hook in hooks_of(obj)}
    filled = []
    for spec in specs:
        if spec.name in registered:
            hook, mutating = registered[spec.name]
            if spec.rules is None:
                spec = replace(spec, rules=hook.get("rules") or (), mutating=mutating)
            if spec.module_conditions is None:
                spec = replace(spec, module_conditions=of_webhook(hook))
        filled.append(spec)
    return filled


def hooks_of(obj: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries of an object of which nothing is known but that it is one: of a file that somebody may have
    changed."""
    hooks = obj.get("webhooks")
    return [hook for hook in hooks if isinstance(hook, Mapping) and "name" in hook] if isinstance(hooks, list) else []


def webhook(spec: WebhookSpec, target: Target) -> dict[str, Any]:
    """One entry of `webhooks`."""
    hook: dict[str, Any] = {
        "name": name_of(spec),
        "clientConfig": client_config(spec.name, target, spec.path),
        "rules": rules_of(spec),
        # A policy that only watches must not stop anything by being away.
        "failurePolicy": "Ignore" if spec.monitor else spec.failure_policy,
        "matchPolicy": spec.match_policy,
        "namespaceSelector": namespace_selector(spec, target),
        "objectSelector": dict(spec.object_selector),
        "sideEffects": spec.side_effects,
        "timeoutSeconds": spec.webhook_timeout_s or target.timeout_s,
        "admissionReviewVersions": ["v1"],
    }
    conditions = match_conditions(spec, target)
    if conditions:
        hook["matchConditions"] = conditions
    if spec.mutating:
        hook["reinvocationPolicy"] = spec.reinvocation_policy
    return hook


def client_config(name: str, target: Target, path: str = "") -> dict[str, Any]:
    """URL and CA bundle of a policy's webhook, or of one at a `path` of its own."""
    config = {"url": target.url.rstrip("/") + (path or f"/validate/{quote(name, safe='')}")}
    if target.ca_bundle:
        config["caBundle"] = base64.b64encode(target.ca_bundle).decode("ascii")
    return config


def policy_of(hook: Mapping[str, object]) -> str:
    """The policy that a webhook of ours calls: the reverse of its name."""
    name = str(hook["name"])
    suffix = next((s for s in (WEBHOOK_SUFFIX, RESOURCE_SUFFIX) if name.endswith(f".{s}")), "")
    return name.removesuffix(f".{suffix}") if suffix else name


def name_of(spec: WebhookSpec) -> str:
    """The webhook's name: what a denial is quoted with."""
    return spec.hook_name or f"{spec.name}.{WEBHOOK_SUFFIX}"


def rules_of(spec: WebhookSpec) -> list[dict[str, Any]]:
    """The policy's rules as they are registered."""
    return [_rule(rule, spec) for rule in spec.rules or ()]


def _rule(rule: Mapping[str, Any], spec: WebhookSpec) -> dict[str, Any]:
    kept = {key: list(rule[key]) for key in ("apiGroups", "apiVersions", "operations", "resources")}
    return {**kept, "scope": "Namespaced" if spec.namespace else rule.get("scope") or "*"}


def namespace_selector(spec: WebhookSpec, target: Target) -> dict[str, Any]:
    """The policy's own selector, narrowed to its namespace or to all but the system's."""
    if spec.namespace:
        return {"matchLabels": {NAMESPACE_NAME: spec.namespace}}
    selector = dict(spec.namespace_selector)
    if not target.include_system:
        without = {"key": NAMESPACE_NAME, "operator": "NotIn", "values": list(SYSTEM_NAMESPACES)}
        selector["matchExpressions"] = [without, *selector.get("matchExpressions", ())]
    return selector


def match_conditions(spec: WebhookSpec, target: Target) -> list[dict[str, Any]]:
    """The policy's own conditions and its module's, after one that leaves the system's resources out where a rule may
    match them."""
    own = added(spec.match_conditions, spec.module_conditions or (), MAX_CONDITIONS - 1)
    if target.include_system or spec.namespace:
        return own
    left_out = exemptions.condition(spec.rules or ())
    return [left_out, *own] if left_out else own


# --- what the API server would refuse
def problem(spec: WebhookSpec, target: Target, *, static: bool = False) -> str:
    """Why the API server would not take this policy's webhook; "" when it would. (CEL only it can check.)"""
    if found := name_problem(name_of(spec)):
        return found
    if not isinstance(spec.rules, list | tuple):
        return "rules: must be a list"
    for index, rule in enumerate(spec.rules):
        if found := rule_problem(rule):
            return f"rules[{index}]: {found}"
        if spec.namespace and rule.get("scope") == "Cluster":
            return f"rules[{index}]: scope Cluster in a policy that belongs to a namespace"
    return (
        _time_problem(spec, target)
        or _own_problem(spec, target)
        or _unreachable(spec, target, static=static)
    )


def _unreachable(spec: WebhookSpec, target: Target, *, static: bool) -> str:
    """Why the API server would never call the webhook: the policy would look as if it were in force."""
    if spec.namespace in SYSTEM_NAMESPACES and not target.include_system:
        return f"namespace {spec.namespace} is left out: {exemptions.SWITCHED_OFF}"
    selector = {} if spec.namespace else spec.namespace_selector
    return exemptions.unreachable(
        spec.rules or (), selector, include_system=target.include_system, namespaced=bool(spec.namespace), static=static
    )


def _time_problem(spec: WebhookSpec, target: Target) -> str:
    timeout_s = spec.webhook_timeout_s or target.timeout_s
    if type(timeout_s) is int and 1 <= timeout_s <= 30 and timeout_s > spec.timeout_s:
        return ""
    least = math.floor(spec.timeout_s) + 1
    return f"webhook timeout of {shown(timeout_s)} s must be from {least} to 30: above the policy's own"


def _own_problem(spec: WebhookSpec, target: Target) -> str:
    """Of what the policy says itself, so that the message has its own places in it."""
    allowed = {"failure_policy": ("Fail", "Ignore"), "match_policy": ("Equivalent", "Exact"),
               "side_effects": ("None", "NoneOnDryRun"), "reinvocation_policy": ("Never", "IfNeeded")}
    for key, values in allowed.items():
        if (value := getattr(spec, key)) not in values:
            return f"{key} is {shown(value)}: expected {' or '.join(values)}"
    for key in ("namespace_selector", "object_selector"):
        if found := label_selector_problem(getattr(spec, key)):
            return f"{key}: {found}"
    if found := conditions_problem(spec.match_conditions):
        return found
    named = [condition["name"] for condition in match_conditions(spec, target)]
    if named.count(SYSTEM_CONDITION) > 1:
        return f"match condition {SYSTEM_CONDITION!r}: edged's own condition has this name; choose another one"
    if len(spec.match_conditions) >= MAX_CONDITIONS:
        return f"more than {MAX_CONDITIONS - 1} match conditions (one is edged's own)"
    return ""


# --- comparing with what is there
def owner_of(obj: Mapping[str, Any]) -> str:
    """Who wrote this object; "" when it was not edged."""
    return _annotation(obj, OWNER)


def _annotation(obj: Mapping[str, Any], name: str) -> str:
    metadata = obj.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return str(annotations.get(name, "")) if isinstance(annotations, Mapping) else ""


def drifted(live: Mapping[str, Any], desired: Mapping[str, Any]) -> bool:
    """Whether what is there differs in anything that we say. Fields that we do not know are left alone: a
    newer API server may default them, and correcting that would never end."""
    hooks = [{key: hook.get(key) for key in COMPARED} for hook in live.get("webhooks") or ()]
    desired_hooks = [{key: hook.get(key) for key in COMPARED} for hook in desired["webhooks"]]
    for hook in hooks:  # what the server leaves out when it is empty
        hook["namespaceSelector"] = hook["namespaceSelector"] or {}
        hook["objectSelector"] = hook["objectSelector"] or {}
        hook["matchConditions"] = hook["matchConditions"] or None
    return (
        hooks != desired_hooks
        or owner_of(live) != owner_of(desired)
        or _annotation(desired, MEMBERS) not in ("", _annotation(live, MEMBERS))
    )


def merged(live: Mapping[str, Any], desired: Mapping[str, Any]) -> dict[str, Any]:
    """The object to PUT in place of `live`: our webhooks, labels and annotations; others' metadata stays."""
    metadata = dict(live["metadata"])
    for key in ("labels", "annotations"):
        metadata[key] = {**(metadata.get(key) or {}), **desired["metadata"][key]}
    metadata.pop("managedFields", None)
    return {**desired, "metadata": metadata}


def refused_webhooks(status: Mapping[str, Any]) -> dict[int, str]:
    """Index -> message of the webhooks that a 422 Status complains about."""
    refused: dict[int, str] = {}
    for cause in (status.get("details") or {}).get("causes") or ():
        match = re.match(r"webhooks\[(\d+)\]", str(cause.get("field", "")))
        if match:
            refused.setdefault(int(match[1]), f"{cause.get('field')}: {cause.get('message')}")
    return refused


# --- files for the API server's command line
def admission_configuration(kubeconfig: str, static_dir: str = "") -> dict[str, Any]:
    """`--admission-control-config-file`. `kubeconfig`: path of the credentials file or ""; `static_dir`: the
    folder with `validating/` and `mutating/`, or ""."""
    plugins = []
    for kind, plugin in PLUGINS.items():
        configuration = {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "WebhookAdmissionConfiguration"}
        if kubeconfig:
            configuration["kubeConfigFile"] = kubeconfig
        if static_dir:
            configuration["staticManifestsDir"] = f"{static_dir.rstrip('/')}/{FOLDERS[kind]}"
        plugins.append({"name": plugin, "configuration": configuration})
    return {"apiVersion": "apiserver.config.k8s.io/v1", "kind": "AdmissionConfiguration", "plugins": plugins}


def caller_kubeconfig(url: str, certificate: str, key: str) -> dict[str, Any]:
    """The `kubeConfigFile`: which client certificate the API server presents to this URL's host and port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    credentials = {"client-certificate": certificate, "client-key": key}
    users = [{"name": f"{host}:{parts.port or 443}", "user": credentials}]
    return {"apiVersion": "v1", "kind": "Config", "users": users}


def describe(hook: Mapping[str, object], policies: Sequence[str]) -> dict[str, Any]:
    """What a webhook applies to, for people: whom it calls, and the effective selectors."""
    shown = ("rules", "namespaceSelector", "objectSelector", "matchConditions", "failurePolicy",
             "timeoutSeconds")
    who = {"policy": policy_of(hook)} if len(policies) < 2 and policy_of(hook) != hook["name"] else \
        {"webhook": hook["name"], "policies": list(policies)}  # fmt: skip
    return {**who, **{key: hook[key] for key in shown if hook.get(key)}}
