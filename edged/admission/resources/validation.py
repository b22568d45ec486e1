"""What is wrong with a custom resource beyond its schema: Kubewarden's rules, for the validating webhook and at load.

Findings are like the API server's: a field, and what is wrong with it. Asking whether CEL compiles takes a library that
the daemon does not hold in memory, so `expressions` says what to ask and `validate` takes the answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from edged.admission.resources.definitions import DEFAULT_TIMEOUT_S, MAX_MATCH_CONDITIONS, MAX_TIMEOUT_S
from edged.admission.resources.kinds import KINDS, Kind, server_of
from edged.admission.rules import capabilities, exemptions, groups
from edged.admission.rules.webhook_check import rule_problem
from edged.errors import ConfigError
from edged.kube.values.name_checks import qualified_name_problem
from edged.kube.values.selector_checks import label_selector_problem
from edged.records import dataclass

Object = Mapping[str, Any]
MEMBER_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
RESERVED = {
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import",
    "let", "loop", "package", "namespace", "return", "var", "void", "while",
}  # fmt: skip
"""Words that CEL keeps for itself: they cannot name a member of a group."""
REINVOCATION = "edged.dev/reinvocation-policy"
"""An annotation: Kubewarden's kinds have no field for it."""
REINVOCATION_POLICIES = ("Never", "IfNeeded")
MODULE_CONDITIONS = "edged.dev/module-conditions"
"""An annotation, as above: "false" leaves out the match conditions that the policy's module carries."""
WEBHOOK = "edged.dev/webhook"
WEBHOOKS = ("shared", "own")
PREINITIALIZE = "edged.dev/preinitialize"
"""An annotation, as above: whether reviews may begin from images."""
PREINITIALIZE_VALUES = ("auto", "never", "always")
SENSITIVE_GROUPS = {"wgpolicyk8s.io": ("policyreports",), "openreports.io": ("reports",)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong. `str()` is how the API server would say it."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def required(field: str, message: str = "") -> Finding:
    return Finding(field, f"Required value: {message}" if message else "Required value", "FieldValueRequired")


def invalid(field: str, value: object, message: str) -> Finding:
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return Finding(field, f"Invalid value: {shown}: {message}")


def forbidden(field: str, message: str) -> Finding:
    return Finding(field, f"Forbidden: {message}", "FieldValueForbidden")


def expressions(obj: Object) -> list[str]:
    """The CEL expressions of its match conditions."""
    conditions = _spec(obj).get("matchConditions") or ()
    texts = [each.get("expression") for each in conditions if isinstance(each, Mapping)]
    return [text for text in texts if isinstance(text, str) and text.strip()]


def validate(obj: Object, old: Object | None = None, cel: Mapping[str, str] | None = None) -> list[Finding]:
    """Everything that is wrong. `old`: the stored object of an update. `cel`: expression -> why it cannot be used, for
    those that cannot."""
    kind = KINDS[obj["kind"]]
    if not kind.is_policy:
        return [*_server(obj)]
    spec = _spec(obj)
    findings = [
        *_rules(spec, kind),
        *_selectors(spec),
        *_match_conditions(spec, cel or {}),
        *_timeouts(spec, kind),
        *_reinvocation(obj, kind),
        *_module_conditions(obj, kind),
        *_webhook(obj),
        *_preinitialize(obj),
        *(_group(spec) if kind.is_group else _policy(spec)),
    ]
    if old is not None:
        findings += _changes(obj, old)
    return findings


def _spec(obj: Object) -> Mapping[str, Any]:
    spec = obj.get("spec")
    return spec if isinstance(spec, Mapping) else {}


# --- policies and groups


def _rules(spec: Object, kind: Kind) -> Iterator[Finding]:
    rules = spec.get("rules")
    if not isinstance(rules, Sequence) or not rules:
        yield required("spec.rules", "a policy must have at least one rule")
        return
    for index, rule in enumerate(rules):
        at = f"spec.rules[{index}]"
        if not isinstance(rule, Mapping):
            yield invalid(at, rule, "must be an object")
            continue
        for key in ("operations", "apiVersions", "resources"):
            values = _texts(rule, key)
            if not values:
                yield required(f"{at}.{key}")
            elif "" in values:
                yield required(f"{at}.{key}[{values.index('')}]", "must not be empty")
        if kind.namespaced:
            yield from _namespaced_rule(rule, at)


def _namespaced_rule(rule: Object, at: str) -> Iterator[Finding]:
    """Authors of namespaced policies get neither everything nor the reports that say what policies found."""
    groups_named, resources = set(_texts(rule, "apiGroups")), set(_texts(rule, "resources"))
    # Kubewarden means apiGroups and looks at apiVersions: both are looked at here.
    wildcard = "*" in groups_named or "*" in _texts(rule, "apiVersions")
    if wildcard and resources & {"*", "*/*"}:
        yield forbidden(at, "apiGroups and resources cannot both be wildcards in a namespaced policy")
    for group, names in SENSITIVE_GROUPS.items():
        named = {each.split("/", 1)[0] for each in resources}
        if groups_named & {group} and named & {*names, "*"}:
            yield forbidden(f"{at}.resources", f"{names[0]} of {group} cannot be the target of a namespaced policy")


def annotations_of(obj: Object) -> Mapping[str, Any]:
    """{} where there are none that can be read."""
    metadata = obj.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _reinvocation(obj: Object, kind: Kind) -> Iterator[Finding]:
    value, at = annotations_of(obj).get(REINVOCATION), f"metadata.annotations[{REINVOCATION}]"
    if value is None:
        return
    if value not in REINVOCATION_POLICIES:
        supported = ", ".join(f'"{each}"' for each in REINVOCATION_POLICIES)
        yield Finding(at, f"Unsupported value: {value!r}: supported values: {supported}", "FieldValueNotSupported")
    elif value != "Never" and (kind.is_group or not _spec(obj).get("mutating")):
        yield forbidden(at, "only a policy that mutates can be asked again")


def _module_conditions(obj: Object, kind: Kind) -> Iterator[Finding]:
    value, at = annotations_of(obj).get(MODULE_CONDITIONS), f"metadata.annotations[{MODULE_CONDITIONS}]"
    if value is None:
        return
    if value not in ("true", "false"):
        yield Finding(at, f'Unsupported value: {value!r}: supported values: "true", "false"', "FieldValueNotSupported")
    elif kind.is_group and value == "true":
        yield forbidden(at, "a group is asked without the conditions of its members' modules")


def _webhook(obj: Object) -> Iterator[Finding]:
    value = annotations_of(obj).get(WEBHOOK)
    if value is not None and value not in WEBHOOKS:
        supported = ", ".join(f'"{each}"' for each in WEBHOOKS)
        at = f"metadata.annotations[{WEBHOOK}]"
        yield Finding(at, f"Unsupported value: {value!r}: supported values: {supported}", "FieldValueNotSupported")


def _preinitialize(obj: Object) -> Iterator[Finding]:
    value = annotations_of(obj).get(PREINITIALIZE)
    if value is not None and value not in PREINITIALIZE_VALUES:
        supported = ", ".join(f'"{each}"' for each in PREINITIALIZE_VALUES)
        text = f"Unsupported value: {value!r}: supported values: {supported}"
        yield Finding(f"metadata.annotations[{PREINITIALIZE}]", text, "FieldValueNotSupported")


def _texts(rule: Object, key: str) -> list[str]:
    values = rule.get(key)
    return [each for each in values if isinstance(each, str)] if isinstance(values, list | tuple) else []


def _selectors(spec: Object) -> Iterator[Finding]:
    for key in ("namespaceSelector", "objectSelector"):
        if spec.get(key) is not None and (problem := label_selector_problem(spec[key])):
            yield Finding(f"spec.{key}", f"Invalid value: {problem}")


def _match_conditions(spec: Object, cel: Mapping[str, str]) -> Iterator[Finding]:
    conditions = spec.get("matchConditions") or ()
    if len(conditions) > MAX_MATCH_CONDITIONS:
        yield Finding("spec.matchConditions", f"Too many: {len(conditions)}: must have at most {MAX_MATCH_CONDITIONS} "
                      "items", "FieldValueTooMany")  # fmt: skip
    names: set[str] = set()
    for index, condition in enumerate(conditions):
        at = f"spec.matchConditions[{index}]"
        name, expression = condition.get("name") or "", condition.get("expression") or ""
        if not name:
            yield required(f"{at}.name")
        elif problem := qualified_name_problem(name):
            yield invalid(f"{at}.name", name, problem)
        elif name in names:
            yield Finding(f"{at}.name", f'Duplicate value: "{name}"', "FieldValueDuplicate")
        names.add(name)
        if not expression.strip():
            yield required(f"{at}.expression")
        elif expression in cel:
            yield invalid(f"{at}.expression", expression, f"compilation failed: {cel[expression]}")


def _timeouts(spec: Object, kind: Kind) -> Iterator[Finding]:
    webhook = _whole(spec.get("timeoutSeconds"), DEFAULT_TIMEOUT_S)
    if not kind.is_group:
        own = spec.get("timeoutEvalSeconds")
        if _whole(own, 0) > webhook:
            yield invalid("spec.timeoutEvalSeconds", own, f"cannot be greater than timeoutSeconds ({webhook})")
        return
    total = 0
    for name, member in _members(spec).items():
        own = _whole(member.get("timeoutEvalSeconds"), 0)
        total += own
        least = min(webhook, MAX_TIMEOUT_S)
        if own > least:
            yield invalid(f"spec.policies[{name}].timeoutEvalSeconds", own, f"cannot be greater than {least} (seconds)")
    if total > min(webhook, MAX_TIMEOUT_S):
        yield invalid(
            "spec.policies", total, f"timeouts of the members together cannot exceed {min(webhook, MAX_TIMEOUT_S)} s"
        )


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def _policy(spec: Object) -> Iterator[Finding]:
    if not spec.get("module"):
        yield required("spec.module")


def _group(spec: Object) -> Iterator[Finding]:
    if not spec.get("message"):
        yield required("spec.message", "a rejected request is answered with it")
    members = _members(spec)
    if not members:
        yield required("spec.policies", "a group must have at least one member")
    for name, member in members.items():
        at = f"spec.policies[{name}]"
        if not MEMBER_NAME.fullmatch(name):
            yield invalid(at, name, "a member's name must be letters, digits and _, not beginning with a digit")
        elif name in RESERVED:
            yield invalid(at, name, "is a reserved word of CEL")
        if not member.get("module"):
            yield required(f"{at}.module")
    expression = spec.get("expression")
    if not isinstance(expression, str) or not expression.strip():
        yield required("spec.expression", "it joins the members: `first() || second()`")
        return
    try:
        groups.parse(expression, members)
    except groups.BadExpression as error:
        yield invalid("spec.expression", expression, f"compilation failed: {error}")


def _members(spec: Object) -> Mapping[str, Any]:
    members = spec.get("policies")
    return members if isinstance(members, Mapping) else {}


def _changes(obj: Object, old: Object) -> Iterator[Finding]:
    before, now = server_of(old), server_of(obj)
    if before and before != now:
        yield forbidden("spec.policyServer", f'the field is immutable (it is "{before}")')
    if _spec(old).get("mode") == "protect" and _spec(obj).get("mode") == "monitor":
        yield forbidden("spec.mode", "cannot change from protect to monitor; delete the policy and create it anew")


# --- PolicyServer


def _server(obj: Object) -> Iterator[Finding]:
    spec, name = _spec(obj), obj["metadata"].get("name") or ""
    if len(name) > 63:
        yield invalid("metadata.name", name, "must be no more than 63 characters")
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        yield forbidden("spec", "minAvailable and maxUnavailable cannot both be set")
    for key in ("verificationConfig", "sigstoreTrustConfig"):
        if spec.get(key):
            yield forbidden(f"spec.{key}", "this release of edged cannot verify signatures, and does not ignore it")
    for index, pattern in enumerate(spec.get("namespacedPoliciesCapabilities") or ()):
        try:
            capabilities.check_patterns((pattern,))
        except ConfigError as error:
            yield invalid(f"spec.namespacedPoliciesCapabilities[{index}]", pattern, str(error))
    webhook, probe = _whole(spec.get("webhookPort"), 8443), _whole(spec.get("readinessProbePort"), 8081)
    if webhook == probe:
        yield invalid("spec.readinessProbePort", probe, "must differ from webhookPort")
    yield from _quantities(spec)


_QUANTITY = re.compile(r"([+-]?)(\d+(?:\.\d*)?|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_SUFFIXES = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", 1)}


def _quantities(spec: Object) -> Iterator[Finding]:
    amounts: dict[str, dict[str, float]] = {"limits": {}, "requests": {}}
    for key, quantities in amounts.items():
        for name, value in (spec.get(key) or {}).items():
            amount = _amount(value)
            if amount is None:
                yield invalid(f"spec.{key}[{name}]", value, "is not a quantity")
            elif amount < 0:
                yield invalid(f"spec.{key}[{name}]", value, "must not be negative")
            else:
                quantities[name] = amount
    for name in amounts["requests"].keys() & amounts["limits"].keys():
        if amounts["requests"][name] > amounts["limits"][name]:
            yield invalid(f"spec.requests[{name}]", spec["requests"][name], f"must not exceed the limit of {name}")


def _amount(value: object) -> float | None:
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        return None
    sign, digits, suffix = match.groups()
    factor = _SUFFIXES.get(suffix or "", _BINARY.get(suffix or "", 0.0)) if suffix else 1.0
    number = float(digits) * factor if factor else float(digits + suffix)
    return -number if sign == "-" else number


# --- what deserves a word without being wrong

IGNORED_FIELDS = {
    "imagePullSecret": "registry credentials are read from [registry] docker_config of edged's configuration file",
    "insecureSources": "see [registry] sources of edged's configuration file",
    "sourceAuthorities": "see [registry] sources of edged's configuration file",
}


def warnings(obj: Object, *, include_system: bool = False, static: bool = False) -> list[str]:
    """What edged does differently with this object, for the one who applies it."""
    spec = _spec(obj)
    texts = [f"spec.{key} has no effect: {why}" for key, why in IGNORED_FIELDS.items() if spec.get(key)]
    if spec.get("allowInsideAdmissionControllerNamespace"):
        texts.append("spec.allowInsideAdmissionControllerNamespace has no effect: edged runs in no namespace")
    if text := left_out(obj, include_system=include_system, static=static):
        texts.append(f"spec.rules: {text}")
    return texts


def left_out(obj: Object, *, include_system: bool, static: bool) -> str:
    """What a policy's rules name and it never gets to see, and why; "" if there is nothing. `static`: its webhook is
    in a manifest."""
    kind, rules = KINDS.get(obj.get("kind", "")), _spec(obj).get("rules")
    if kind is None or not isinstance(rules, list):
        return ""
    readable = [rule for rule in rules if not rule_problem(rule)]
    return exemptions.named(readable, include_system=include_system, namespaced=kind.namespaced, static=static)


def summary(findings: Iterable[Finding]) -> str:
    """Several findings in one line."""
    texts = [str(finding) for finding in findings]
    return texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
