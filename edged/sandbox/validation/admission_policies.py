"""ValidatingAdmissionPolicies, MutatingAdmissionPolicies and their bindings. Pure.

Expressions are compiled with what they may read where they stand. Facts from pkg/apis/admissionregistration/validation
of Kubernetes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from edged.kube.cel.programs import Program
from edged.sandbox.admission.policies.compiled import (
    AUDIT,
    CONDITION,
    CONFIGURATION,
    MESSAGE,
    NOT_MADE,
    PATCH,
    Compiler,
)
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import (
    duplicate,
    each_invalid,
    forbidden,
    internal,
    invalid,
    not_supported,
    required,
    too_many,
)
from edged.sandbox.validation.formats import dns_1035_label, dns_subdomain, path_segment, qualified_name
from edged.sandbox.validation.match_rules import match_resources, only_mutable
from edged.sandbox.validation.selectors import label_selector

_REASONS: Final = ("Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS: Final = ("Audit", "Deny", "Warn")
_PATCH_TYPES: Final = ("ApplyConfiguration", "JSONPatch")
_MOST_CONDITIONS, _MOST_ANNOTATIONS, _LONGEST_ANNOTATION = 64, 20, 5 * 1024
_IDENTIFIER: Final = re.compile("[_a-zA-Z][_a-zA-Z0-9]*")
_RESERVED: Final = frozenset((
    "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
    "loop", "package", "namespace", "return", "var", "void", "while",
))  # fmt: skip
_Compiled = Callable[[str], Program | str]
"""A program, or why there is none."""
_EMPTY: Final = "validations or auditAnnotations must contain at least one item"


def validating_policy(obj: Object, _old: Object | None = None) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    compiler = Compiler(bool(spec.get("paramKind")), bool(spec.get("variables")))
    yield from _head(spec)
    yield from match_conditions(spec.get("matchConditions") or [], "spec.matchConditions", params=compiler.params)
    yield from _variables(spec, compiler)
    validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not annotations:
        yield required("spec.validations", _EMPTY)
        yield required("spec.auditAnnotations", _EMPTY)
    for index, validation in enumerate(validations):
        yield from _validation(validation, compiler, f"spec.validations[{index}]")
    yield from _audit_annotations(obj["metadata"].get("name") or "", annotations, compiler)


def mutating_policy(obj: Object, _old: Object | None = None) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    compiler = Compiler(bool(spec.get("paramKind")), True)
    yield from _head(spec)
    yield from only_mutable(spec.get("matchConstraints"), "spec.matchConstraints")
    yield from match_conditions(spec.get("matchConditions") or [], "spec.matchConditions", params=compiler.params)
    yield from _variables(spec, compiler)
    mutations = spec.get("mutations") or []
    if not mutations:
        yield required("spec.mutations", "mutations must contain at least one item")
    for index, mutation in enumerate(mutations):
        yield from _mutation(mutation, compiler, f"spec.mutations[{index}]")
    policy = spec.get("reinvocationPolicy")
    if not policy:
        yield required("spec.reinvocationPolicy")
    elif policy not in ("IfNeeded", "Never"):
        yield not_supported("spec.reinvocationPolicy", policy, ("IfNeeded", "Never"))


def validating_binding(obj: Object, _old: Object | None = None) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from _binding(spec)
    actions, seen = spec.get("validationActions") or [], set[str]()
    for index, action in enumerate(actions):
        if action not in _ACTIONS:
            yield not_supported(f"spec.validationActions[{index}]", action, _ACTIONS)
        if action in seen:
            yield duplicate(f"spec.validationActions[{index}]", action)
        seen.add(action)
    if {"Deny", "Warn"} <= seen:
        why = ("must not contain both Deny and Warn (repeating the same validation failure information in the API "
               "response and headers serves no purpose)")  # fmt: skip
        yield invalid("spec.validationActions", actions, why)
    if not actions:
        yield required("spec.validationActions")


def mutating_binding(obj: Object, _old: Object | None = None) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    yield from _binding(spec)
    yield from only_mutable(spec.get("matchResources"), "spec.matchResources")


def match_conditions(conditions: list[Object], path: str, *, params: bool = False) -> Iterator[Cause]:
    """Of policies and webhooks; `params`: whether they may read parameters."""
    if len(conditions) > _MOST_CONDITIONS:
        yield too_many(path, len(conditions), _MOST_CONDITIONS)
    compiler, seen = Compiler(params, False), set[str]()
    for index, condition in enumerate(conditions):
        at, name = f"{path}[{index}]", condition.get("name") or ""
        expression = (condition.get("expression") or "").strip()
        yield from _expression(expression, f"{at}.expression", lambda text: compiler.program(text, CONDITION))
        if not name:
            yield required(f"{at}.name")
        else:
            yield from each_invalid(f"{at}.name", name, qualified_name(name))
        if name and name in seen:
            yield duplicate(f"{at}.name", name)
        seen.add(name)


def _expression(expression: str, path: str, compiled: _Compiled, missing: str = "") -> Iterator[Cause]:
    if not expression.strip():
        yield required(path, missing)
        return
    program = compiled(expression)
    if isinstance(program, str):
        yield _uncompiled(path, expression, program)


def _uncompiled(path: str, expression: str, problem: str) -> Cause:
    return internal(path, problem) if problem.startswith(NOT_MADE) else invalid(path, expression, problem)


def _head(spec: Object) -> Iterator[Cause]:
    policy = spec.get("failurePolicy")
    if policy is None:
        yield required("spec.failurePolicy")
    elif policy not in ("Fail", "Ignore"):
        yield not_supported("spec.failurePolicy", policy, ("Fail", "Ignore"))
    if spec.get("paramKind") is not None:
        yield from _param_kind(spec["paramKind"], "spec.paramKind")
    constraints = spec.get("matchConstraints")
    if constraints is None:
        yield required("spec.matchConstraints")
        return
    yield from match_resources(constraints, "spec.matchConstraints")
    if not constraints.get("resourceRules"):
        yield required("spec.matchConstraints.resourceRules")


def _param_kind(kind: Object, path: str) -> Iterator[Cause]:
    version, name = kind.get("apiVersion") or "", kind.get("kind") or ""
    if not version:
        yield required(f"{path}.apiVersion")
    elif version.count("/") > 1:
        yield invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
    else:
        group, _, short = version.rpartition("/")
        if group and (wrong := dns_subdomain(group)):
            yield invalid(f"{path}.apiVersion", group, ",".join(wrong))
        if not short:
            yield invalid(f"{path}.apiVersion", version, "version must be specified")
        elif wrong := dns_1035_label(short):
            yield invalid(f"{path}.apiVersion", short, ",".join(wrong))
    if not name:
        yield required(f"{path}.kind")
    elif wrong := dns_1035_label(name.lower()):
        yield invalid(f"{path}.kind", name, f"may have mixed case, but should otherwise match: {','.join(wrong)}")


def _variables(spec: Object, compiler: Compiler) -> Iterator[Cause]:
    for index, variable in enumerate(spec.get("variables") or ()):
        path, name = f"spec.variables[{index}]", variable.get("name") or ""
        if not name.strip():
            yield required(f"{path}.name", "name is not specified")
        elif not _IDENTIFIER.fullmatch(name) or name in _RESERVED:
            yield invalid(f"{path}.name", name, "must be a valid CEL identifier")
        expression = variable.get("expression") or ""
        compiled = partial(compiler.add_variable, name)
        yield from _expression(expression, f"{path}.expression", compiled, "expression is not specified")


def _validation(validation: Object, compiler: Compiler, path: str) -> Iterator[Cause]:
    expression = validation.get("expression") or ""
    yield from _expression(
        expression, f"{path}.expression", lambda text: compiler.program(text, CONDITION), "expression is not specified"
    )
    given = validation.get("messageExpression") or ""
    if given and not given.strip():
        yield invalid(f"{path}.messageExpression", given, "must be non-empty if specified")
    elif given:
        program = compiler.program(given, MESSAGE, authorizer=False)
        if isinstance(program, str):
            yield _uncompiled(f"{path}.messageExpression", given, program)
    message = validation.get("message") or ""
    if message and not message.strip():
        yield invalid(f"{path}.message", message, "must be non-empty if specified")
    elif re.search("[\n\r]", message.strip()):
        yield invalid(f"{path}.message", message, "must not contain line breaks")
    reason = validation.get("reason")
    if reason is not None and reason not in _REASONS:
        yield not_supported(f"{path}.reason", reason, _REASONS)


def _audit_annotations(policy: str, annotations: list[Object], compiler: Compiler) -> Iterator[Cause]:
    if len(annotations) > _MOST_ANNOTATIONS:
        why = f"must not have more than {_MOST_ANNOTATIONS} auditAnnotations"
        yield invalid("spec.auditAnnotations", annotations, why)
    seen: set[str] = set()
    for index, annotation in enumerate(annotations):
        path, key = f"spec.auditAnnotations[{index}]", annotation.get("key") or ""
        if policy:
            whole = f"{policy}/{key}"
            yield from each_invalid(f"{path}.key", whole, qualified_name(whole))
        else:
            yield invalid(f"{path}.key", key, "requires metadata.name be non-empty")
        yield from _annotation_value(annotation.get("valueExpression") or "", compiler, f"{path}.valueExpression")
        if key in seen:
            yield duplicate(f"{path}.key", key)
        seen.add(key)


def _annotation_value(given: str, compiler: Compiler, path: str) -> Iterator[Cause]:
    expression = given.strip()
    if not expression:
        yield required(path, "valueExpression is not specified")
    elif len(expression.encode()) > _LONGEST_ANNOTATION:
        yield required(path, f"must not exceed {_LONGEST_ANNOTATION} bytes in length")
    elif isinstance(program := compiler.program(expression, AUDIT), str):
        yield _uncompiled(path, given, program)


def _mutation(mutation: Object, compiler: Compiler, path: str) -> Iterator[Cause]:
    kind = mutation.get("patchType") or ""
    if not kind:
        yield required(f"{path}.patchType")
    elif kind not in _PATCH_TYPES:
        yield not_supported(f"{path}.patchType", kind, _PATCH_TYPES)
    else:
        fields = {"JSONPatch": ("jsonPatch", PATCH), "ApplyConfiguration": ("applyConfiguration", CONFIGURATION)}
        field, returns = fields.pop(kind)
        given, [(other, _)] = mutation.get(field), list(fields.values())
        if given is None:
            yield required(f"{path}.{field}", f"must be specified when patchType is {kind}")
        else:
            yield from _expression(
                (given.get("expression") or "").strip(), f"{path}.{field}.expression",
                lambda text: compiler.program(text, returns, patches=True),
            )  # fmt: skip
        if mutation.get(other) is not None:
            yield invalid(f"{path}.{other}", f"{{{other}}}", f"must not be specified when patchType is {kind}")


def _binding(spec: Object) -> Iterator[Cause]:
    policy = spec.get("policyName") or ""
    if not policy:
        yield required("spec.policyName")
    else:
        yield from each_invalid("spec.policyName", policy, dns_subdomain(policy))
    yield from _param_ref(spec.get("paramRef"), "spec.paramRef")
    yield from match_resources(spec.get("matchResources"), "spec.matchResources")


def _param_ref(reference: Object | None, path: str) -> Iterator[Cause]:
    if reference is None:
        return
    name, selector = reference.get("name") or "", reference.get("selector")
    exclusive = "name and selector are mutually exclusive"
    if name:
        yield from each_invalid(f"{path}.name", name, path_segment(name))
        if selector is not None:
            yield forbidden(f"{path}.name", exclusive)
    if selector is not None:
        yield from label_selector(selector, f"{path}.selector")
        if name:
            yield forbidden(f"{path}.selector", exclusive)
    if not name and selector is None:
        yield required(path, "one of name or selector must be specified")
    action = reference.get("parameterNotFoundAction")
    if not action:
        yield required(f"{path}.parameterNotFoundAction")
    elif action not in ("Allow", "Deny"):
        yield not_supported(f"{path}.parameterNotFoundAction", action, ("Deny", "Allow"))


CHECKS: Final = {
    "validatingadmissionpolicies.admissionregistration.k8s.io": validating_policy,
    "validatingadmissionpolicybindings.admissionregistration.k8s.io": validating_binding,
    "mutatingadmissionpolicies.admissionregistration.k8s.io": mutating_policy,
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io": mutating_binding,
}
