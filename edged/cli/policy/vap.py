"""A ValidatingAdmissionPolicy with its bindings as ClusterAdmissionPolicies of Kubewarden's CEL policy. Pure.

Each binding becomes a policy of its own. A field that cannot be converted is an error that names it; what is converted
but loses something is a note. vap_shapes.py looks at types and names first; vap_match.py joins what policy and binding
match, vap_expressions.py looks at the expressions. Called by scaffold.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edged.admission.resources.kinds import GROUP, VERSION
from edged.cli.policy import vap_expressions, vap_match, vap_shapes
from edged.errors import ConfigError

_POLICY_FIELDS = {"failurePolicy", "matchConstraints", "matchConditions", "validations", "variables", "paramKind"}
_BINDING_FIELDS = {"policyName", "validationActions", "matchResources", "paramRef"}
_PARAM_KIND = {"apiVersion", "kind"}
_PARAM_REF = {"name", "namespace", "selector", "parameterNotFoundAction"}
_VALIDATION = {"expression", "message", "messageExpression", "reason"}
_REASONS = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")
_WHY = {"auditAnnotations": "the CEL policy makes no audit annotations"}

_SYSTEM = (
    "edged leaves out kube-system, kube-public, kube-node-lease, nodes, leases and the like, unless [admission] "
    "include_system = true"
)


Located = tuple[object, str]
"""A document, and where it is."""


@dataclass(slots=True)
class Conversion:
    """The custom resources, and what they lose."""

    objects: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def converted(policy: Located, bindings: Sequence[Located], cel_policy: str) -> Conversion:
    """Raises ConfigError: a line for each field that cannot be converted."""
    name, spec = vap_shapes.spec_of(policy[0], vap_shapes.POLICY, policy[1])
    bound = [(where, *vap_shapes.spec_of(binding, vap_shapes.BINDING, where)) for binding, where in bindings]
    read, problems = vap_expressions.in_policy(spec)
    own_problems = _problems_of(spec)
    problems = [*own_problems, *vap_expressions.in_conditions(spec.get("matchConditions") or ()), *problems]
    made = Conversion(notes=[_SYSTEM, *_notes_of(spec, read.names)])
    for where, own_name, own in bound:
        if own["policyName"] != name:
            raise ConfigError(f"{where}: the binding is of the policy {own['policyName']!r}, not of {name!r}")
        one = _Binding(spec, own, own_name, read.names)
        found = one.problems()
        problems += found
        if own_problems or found:
            continue
        made.objects += one.objects(cel_policy)
        made.notes += one.notes()
        problems += one.found
    problems += _same_names(made.objects)
    if problems:
        raise ConfigError("\n".join(f"{name}: {problem}" for problem in dict.fromkeys(problems)))
    made.notes = list(dict.fromkeys(made.notes))
    return made


def _same_names(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    """With kubectl the last one would replace the others."""
    counts = Counter(each["metadata"]["name"] for each in objects)
    return [
        f"{count} policies would have the name {name}: give the bindings other names"
        for name, count in counts.items() if count > 1
    ]  # fmt: skip


def _left_out(where: str, given: Mapping[str, object], known: set[str]) -> list[str]:
    return [
        f"{where}.{key} cannot be converted: {_WHY.get(key, 'it is not known')}"
        for key, value in given.items() if key not in known and value not in (None, [], {}, "")
    ]  # fmt: skip


def _problems_of(spec: Mapping[str, Any]) -> list[str]:
    found = _left_out("spec", spec, _POLICY_FIELDS)
    found += vap_match.problems("spec.matchConstraints", spec.get("matchConstraints") or {})
    if spec.get("failurePolicy") not in (None, "", "Fail", "Ignore"):
        found.append(f"spec.failurePolicy: {spec['failurePolicy']!r} (Fail and Ignore are known)")
    if not spec.get("validations"):
        found.append("spec.validations is empty: there is nothing to convert")
    for index, validation in enumerate(spec.get("validations") or ()):
        found += _left_out(f"spec.validations[{index}]", validation, _VALIDATION)
        if validation.get("reason") not in (None, "", *_REASONS):
            known = ", ".join(_REASONS)
            found.append(f"spec.validations[{index}].reason: {validation['reason']!r} ({known} are known)")
    for index, variable in enumerate(spec.get("variables") or ()):
        if variable.get("name") == "params":
            found.append(f"spec.variables[{index}]: the CEL policy allows no variable with the name `params`")
    if kind := spec.get("paramKind"):
        found += _left_out("spec.paramKind", kind, _PARAM_KIND)
        found += [f"spec.paramKind.{key} is missing" for key in sorted(_PARAM_KIND) if not kind.get(key)]
    return found


def _notes_of(spec: Mapping[str, Any], names: set[str]) -> list[str]:
    notes = []
    if any((each.get("reason") or "Invalid") == "Invalid" for each in spec.get("validations") or ()):
        notes.append("reason Invalid: the CEL policy answers with code 400, natively it is 422")
    if "oldObject" in names:
        notes.append("oldObject: where there is none the CEL policy has an empty object, natively it is null")
    return notes


@dataclass(slots=True)
class _Binding:
    """One binding of a policy. `names`: what the policy's expressions read; `found`: problems of making objects."""

    spec: Mapping[str, Any]
    bound: Mapping[str, Any]
    name: str
    names: set[str]
    found: list[str] = field(default_factory=list)

    @property
    def _actions(self) -> list[str]:
        return self.bound.get("validationActions") or []

    @property
    def _has_params(self) -> bool:
        return bool(self.spec.get("paramKind")) and bool(self.bound.get("paramRef"))

    def problems(self) -> list[str]:
        found = _left_out("binding: spec", self.bound, _BINDING_FIELDS)
        found += vap_match.problems("binding: spec.matchResources", self.bound.get("matchResources") or {})
        actions = self._actions
        if not actions or not set(actions) <= {"Deny", "Warn", "Audit"}:
            found.append(f"binding: spec.validationActions: {actions} (Deny, Warn or Audit are known)")
        elif {"Deny", "Warn"} <= set(actions):
            found.append("binding: spec.validationActions: Deny and Warn exclude each other, as for the API server")
        return found + self._param_problems()

    def _param_problems(self) -> list[str]:
        reference = self.bound.get("paramRef") or {}
        if not self._has_params:
            if "params" in self.names:
                missing = "binding: spec.paramRef" if self.spec.get("paramKind") else "spec.paramKind"
                return [f"{missing} is missing, and an expression reads `params`, which is null then"]
            return []
        where = "binding: spec.paramRef"
        found = _left_out(where, reference, _PARAM_REF)
        if bool(reference.get("name")) == (reference.get("selector") is not None):
            found.append(f"{where} must have either a name or a selector")
        if reference.get("parameterNotFoundAction") not in ("Allow", "Deny"):
            found.append(f"{where}.parameterNotFoundAction must be Allow or Deny")
        return found

    def notes(self) -> list[str]:
        notes = []
        for action, lost in (("Warn", "the client is not warned"), ("Audit", "the audit log gets no annotation")):
            if action in self._actions:
                notes.append(f"binding {self.name}: {action}: {lost}; edged logs what the policy says")
        if self._has_params and self.bound["paramRef"].get("parameterNotFoundAction") == "Allow":
            notes.append(
                f"binding {self.name}: parameterNotFoundAction Allow: the CEL policy also allows where the parameters "
                "cannot be read"
            )
        if bool(self.spec.get("paramKind")) != bool(self.bound.get("paramRef")):
            notes.append(f"binding {self.name}: paramKind and paramRef are of use together only, and are left out")
        if self._has_params and self.spec["paramKind"].get("kind") == "Secret":
            notes.append(f"binding {self.name}: the parameters are Secrets: edged reads them with allow_secrets = true")
        return notes

    def objects(self, cel_policy: str) -> list[dict[str, Any]]:
        """A policy; one for each validation where each is to be skipped alone when it fails."""
        validations = self.spec.get("validations") or []
        if self.spec.get("failurePolicy") != "Ignore" or "Deny" not in self._actions:
            return [self._object(self.name, cel_policy, validations, [])]
        made = []
        for index, validation in enumerate(validations):
            guard, problem = vap_expressions.guard(self.spec, index)
            if problem:
                self.found.append(problem)
            name = self.name if len(validations) == 1 else f"{self.name}-{index + 1}"
            made.append(self._object(name, cel_policy, [validation], [guard] if guard else []))
        return made

    def _object(
        self, name: str, cel_policy: str, validations: list[dict[str, Any]], guards: list[dict[str, str]]
    ) -> dict[str, Any]:
        match, found = vap_match.joined(self.spec.get("matchConstraints") or {}, self.bound.get("matchResources") or {})
        self.found += found
        spec: dict[str, Any] = {
            "module": cel_policy,
            "mode": "protect" if "Deny" in self._actions else "monitor",
            "mutating": False,
            "settings": self._settings(validations),
            **match,
            "failurePolicy": self.spec.get("failurePolicy") or "Fail",
            "backgroundAudit": True,
        }
        if conditions := [*(self.spec.get("matchConditions") or ()), *guards]:
            spec["matchConditions"] = conditions
            if len(conditions) > vap_expressions.MAX_CONDITIONS:
                self.found.append(f"{len(conditions)} match conditions: a webhook has {vap_expressions.MAX_CONDITIONS}")
        if reads := self._reads():
            spec["contextAwareResources"] = reads
        return {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "ClusterAdmissionPolicy",
            "metadata": {"name": name},
            "spec": spec,
        }

    def _reads(self) -> list[dict[str, str]]:
        """What the CEL policy asks the cluster for."""
        kinds = [("v1", "Namespace")] if "namespaceObject" in self.names else []
        if self._has_params:
            kind = self.spec["paramKind"]
            kinds.append((str(kind.get("apiVersion")), str(kind.get("kind"))))
        return [{"apiVersion": version, "kind": kind} for version, kind in dict.fromkeys(kinds)]

    def _settings(self, validations: list[dict[str, Any]]) -> dict[str, Any]:
        made: dict[str, Any] = {}
        if self.spec.get("failurePolicy") == "Ignore":  # which decides what missing parameters mean
            made["failurePolicy"] = "Ignore"
        if self._has_params:
            made |= {"paramKind": dict(self.spec["paramKind"]), "paramRef": dict(self.bound["paramRef"])}
        if variables := self.spec.get("variables"):
            made["variables"] = [{key: each.get(key) for key in ("name", "expression")} for each in variables]
        made["validations"] = [
            {key: each[key] for key in ("expression", "message", "messageExpression", "reason") if each.get(key)}
            for each in validations
        ]
        return made
