"""What ValidatingAdmissionPolicies say of a write: nothing, warnings, or the denial of the first that denies. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.policies.compiled import AUDIT, CONDITION, MESSAGE, Compiler, compiler_of
from edged.sandbox.admission.policies.context import Evaluation, OutOfBudget, Result, Write, conditions_hold
from edged.sandbox.admission.policies.hooks import Met, met
from edged.sandbox.admission.policies.matching import exempt
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.protocol.api_status import ApiStatus
from edged.sandbox.protocol.warning_headers import warning_headers

_CODES: Final = {"Forbidden": 403, "Unauthorized": 401, "RequestEntityTooLarge": 413, "Invalid": 422}
_LONGEST_MESSAGE: Final = 5 * 1024


@dataclass(frozen=True, slots=True)
class Denial:
    """One validation that does not hold. `always`: it denies whatever validationActions says."""

    message: str
    reason: str = ""
    always: bool = False


def validate(cluster: Cluster, attributes: Attributes, obj: Object | None, old: Object | None) -> None:
    """Adds warnings to `attributes`. Raises ApiStatus for the first denial."""
    if exempt(attributes):
        return
    denied: list[tuple[Met, Denial]] = []
    for each in met(cluster, "validatingadmissionpolicies", attributes, obj, old):
        if each.problem:
            denied += [] if each.ignores_failure else [(each, Denial(each.problem, always=True))]
            continue
        write = Write(cluster, attributes, each.resource, obj, old)
        for params in each.params:
            denied += [(each, denial) for denial in _denials(each, write, params) if _acts(each, denial, attributes)]
    if denied:
        raise _refusal(attributes, obj, *denied[0])


def _acts(each: Met, denial: Denial, attributes: Attributes) -> bool:
    """Whether it denies; a warning is told."""
    actions = (each.binding or {}).get("spec", {}).get("validationActions") or ()
    if denial.always:
        return True
    if "Warn" in actions:
        attributes.warnings.append(
            f"Validation failed for ValidatingAdmissionPolicy '{each.policy_name}' with binding "
            f"'{each.binding_name}': {denial.message}"
        )
    return "Deny" in actions


def _refusal(attributes: Attributes, obj: Object | None, each: Met, denial: Denial) -> ApiStatus:
    binding = f" with binding '{each.binding_name}'" if each.binding is not None else ""
    message = f"ValidatingAdmissionPolicy '{each.policy_name}'{binding} denied request: {denial.message}"
    refusal = attributes.forbidden(obj, message)
    reason = denial.reason or "Invalid"
    details = {**(refusal.details or {}), "causes": [{"message": message}]}
    headers = tuple(warning_headers(attributes.warnings))
    return ApiStatus(_CODES.get(reason, 422), reason, refusal.message, details, headers=headers)


def _denials(each: Met, write: Write, params: Object | None) -> Iterator[Denial]:
    spec = each.policy["spec"]
    compiler = compiler_of(spec)
    ignore = each.ignores_failure
    conditions = spec.get("matchConditions") or ()
    if conditions:
        names = write.names(params, namespace=False)
        holds, problem = conditions_hold(conditions, compiler, names, ignore=ignore)
        if problem:
            yield Denial(problem)
        if not holds:
            return
    try:
        yield from _validations(spec, write, params, compiler, ignore=ignore)
        yield from _audit_annotations(spec, write, params, compiler, ignore=ignore)
    except OutOfBudget as error:
        if not ignore:
            yield Denial(str(error))


def _validations(
    spec: Object, write: Write, params: Object | None, compiler: Compiler, *, ignore: bool
) -> list[Denial]:
    """All or none: what goes beyond the budget takes all decisions with it."""
    validations = spec.get("validations") or ()
    evaluation = Evaluation(compiler, write.names(params))
    results = [
        evaluation.of(each["expression"], compiler.program(each["expression"], CONDITION)) for each in validations
    ]
    messages = Evaluation(compiler, write.names(params, authorizer=False), evaluation.left)
    found: list[Denial] = []
    failed = ""
    for validation, result in zip(validations, results, strict=True):
        expression = validation.get("messageExpression")
        message = Result(None)
        if expression and not failed:
            try:
                message = messages.of(expression, compiler.program(expression, MESSAGE, authorizer=False))
            except OutOfBudget as error:
                failed = f"failed messageExpression: {error}"
        if result.error:
            found += [] if ignore else [Denial(result.error)]
        elif failed:
            found += [] if ignore else [Denial(failed)]
        elif result.value is not True:
            found.append(Denial(_message(validation, message), validation.get("reason") or "Invalid"))
    return found


def _message(validation: Object, result: Result) -> str:
    text = result.value.strip() if isinstance(result.value, str) else ""
    if len(text.encode()) > _LONGEST_MESSAGE or "\n" in text:
        text = ""
    return text or (validation.get("message") or "").strip() or f"failed expression: {validation['expression'].strip()}"


def _audit_annotations(
    spec: Object, write: Write, params: Object | None, compiler: Compiler, *, ignore: bool
) -> Iterator[Denial]:
    """There is no audit log; an expression that fails denies all the same."""
    evaluation = Evaluation(compiler, write.names(params, authorizer=False))
    for each in spec.get("auditAnnotations") or ():
        expression = (each.get("valueExpression") or "").strip()
        result = evaluation.of(expression, compiler.program(expression, AUDIT))
        if result.error and not ignore:
            yield Denial(result.error, always=True)
