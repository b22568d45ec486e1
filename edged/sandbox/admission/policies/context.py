"""What the expressions of a policy read of one write, and their evaluation within a budget. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edged.errors import EdgedError
from edged.kube.cel import programs
from edged.kube.cel.programs import Program, Variables
from edged.kube.values.names import NamespacedName
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.authorizers import authorizers
from edged.sandbox.admission.policies.compiled import CONDITION, Compiler
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds.resources import Resource

_OUT_OF_BUDGET = "validation failed due to running out of cost budget, no further validation rules will be run"
_NAMESPACE_FIELDS = ("name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp",
                     "deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations",
                     "finalizers")  # fmt: skip


class OutOfBudget(EdgedError):
    """All expressions together cost more than they may."""


@dataclass(frozen=True, slots=True)
class Result:
    """Of one expression; `error` is set where there is no value."""

    value: object
    error: str = ""


@dataclass
class Write:
    """One write in the form of the resource that a policy matched."""

    cluster: Cluster
    attributes: Attributes
    resource: Resource
    obj: Object | None
    old: Object | None

    def names(self, params: Object | None, *, namespace: bool = True, authorizer: bool = True) -> dict[str, object]:
        names: dict[str, object] = {
            "object": self._seen(self.obj), "oldObject": self._seen(self.old), "params": params,
            "request": self._request(), "namespaceObject": self._namespace() if namespace else None,
        }  # fmt: skip
        if authorizer:
            names |= authorizers(self.cluster, self.attributes)
        return names

    def _seen(self, obj: Object | None) -> Object | None:
        if obj is None or self.resource is self.attributes.resource:
            return obj
        return self.cluster.present(self.resource, obj)

    def _request(self) -> Object:
        request = self.attributes.request("", None, None)
        for field in ("uid", "object", "oldObject"):
            request.pop(field, None)
        if self.resource is not self.attributes.resource:
            group, version = self.resource.group, self.resource.version
            request["kind"] = {"group": group, "version": version, "kind": self.resource.kind}
            request["resource"] = {"group": group, "version": version, "resource": self.resource.plural}
        return request

    def _namespace(self) -> Object | None:
        name = self.attributes.namespace
        if not name or self.attributes.resource.bucket == "namespaces":
            return None
        found = self.cluster.storage.get("namespaces", NamespacedName("", name))
        if found is None:
            return None
        metadata = {key: value for key, value in found["metadata"].items() if key in _NAMESPACE_FIELDS}
        return {"metadata": metadata, "spec": found.get("spec") or {}, "status": found.get("status") or {}}


class Evaluation:
    """Evaluates expressions of a policy one after another, with a budget that they share."""

    def __init__(self, compiler: Compiler, names: dict[str, object], budget: int = programs.BUDGET) -> None:
        self.left = budget
        self._names = names
        self._variables: Variables | None = None
        if compiler.composed:
            self._variables = Variables(compiler.variables, names)
            self._names = {**names, "variables": self._variables}

    def of(self, expression: str, program: Program | str) -> Result:
        """Raises OutOfBudget."""
        if isinstance(program, str):
            return Result(None, f"compilation error: {program}")
        outcome = programs.run(program, self._names)
        spent = outcome.cost + (self._variables.take_spent() if self._variables is not None else 0)
        if spent > self.left:
            raise OutOfBudget(_OUT_OF_BUDGET)
        self.left -= spent
        if outcome.error:
            return Result(None, f"expression '{expression}' resulted in error: {outcome.error}")
        return Result(outcome.value)


def conditions_hold(
    conditions: Sequence[Object], compiler: Compiler, names: dict[str, object], *, ignore: bool
) -> tuple[bool, str]:
    """Whether all match conditions are true, and why that cannot be said. `ignore`: failures count as false."""
    evaluation = Evaluation(compiler, names, programs.MATCH_BUDGET)
    errors: list[str] = []
    try:
        for condition in conditions:
            expression = str(condition.get("expression") or "")
            result = evaluation.of(expression, compiler.program(expression, CONDITION))
            if result.error:
                errors.append(result.error)
            elif result.value is not True:
                return False, ""
    except OutOfBudget as error:
        errors = [str(error)]
    if not errors:
        return True, ""
    if ignore:
        return False, ""
    return False, errors[0] if len(errors) == 1 else f"[{', '.join(dict.fromkeys(errors))}]"
