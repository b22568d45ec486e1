"""What MutatingAdmissionPolicies make of a write, and which of them are asked again after later changes. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from edged.json_text import dumps, loads
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.policies import patches
from edged.sandbox.admission.policies.compiled import CONFIGURATION, PATCH, Compiler, compiler_of
from edged.sandbox.admission.policies.context import Evaluation, OutOfBudget, Write, conditions_hold
from edged.sandbox.admission.policies.hooks import Met, met
from edged.sandbox.admission.policies.matching import exempt
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.kinds import defaults
from edged.sandbox.protocol import codec
from edged.sandbox.protocol.api_status import ApiStatus, internal_error
from edged.sandbox.protocol.warning_headers import warning_headers

_MUTABLE: Final = ("CREATE", "UPDATE", "CONNECT")
_Key = tuple[str, str, str, str]


@dataclass
class Mutation:
    """All policies on one write, in a first pass and perhaps a second. `changed`: whether a policy has changed the
    object; `pending`: those of the first pass that are asked again in the second."""

    cluster: Cluster
    attributes: Attributes
    old: Object | None
    changed: bool = False
    _invoked: set[_Key] = field(default_factory=set)
    pending: set[_Key] = field(default_factory=set)
    _last: Object | None = None

    def first(self, obj: Object | None) -> Object | None:
        """The object after all policies. Raises ApiStatus."""
        if obj is None or exempt(self.attributes) or self.attributes.operation not in _MUTABLE:
            return obj
        self._last = self._pass(obj, again=False)
        return self._last

    def second(self, obj: Object | None) -> Object | None:
        """After webhooks: asks those again that want it where something has changed since. Raises ApiStatus."""
        if obj is None or self._last is None:
            return obj
        if obj != self._last:
            self._require()
        return self._pass(obj, again=True) if self.pending else obj

    def _require(self) -> None:
        self.pending |= self._invoked
        self._invoked = set()

    def _pass(self, obj: Object, *, again: bool) -> Object:
        errors: list[tuple[Met, str, str]] = []
        start = obj
        for each in met(self.cluster, "mutatingadmissionpolicies", self.attributes, obj, self.old):
            if each.problem:
                errors.append((each, each.problem, "Forbidden"))
                continue
            for params in each.params:
                obj = self._invoke(each, params, obj, errors, again=again)
        refused = [(each, text, reason) for each, text, reason in errors if not each.ignores_failure]
        if refused:
            raise _refusal(self.attributes, obj, refused)
        if obj != start:
            self.changed = True
            self._require()
        return obj

    def _invoke(self, each: Met, params: Object | None, obj: Object, errors: list[tuple[Met, str, str]],
                *, again: bool) -> Object:  # fmt: skip
        spec = each.policy["spec"]
        compiler = compiler_of(spec, always_composed=True)
        names = Write(self.cluster, self.attributes, each.resource, obj, self.old).names(params, namespace=False)
        holds, problem = conditions_hold(
            spec.get("matchConditions") or (), compiler, names, ignore=each.ignores_failure
        )
        if problem:
            errors.append((each, problem, "Invalid"))
        key = _key(each, params)
        if not holds or (again and key not in self.pending):
            return obj
        before = obj
        for mutation in spec.get("mutations") or ():
            try:
                obj = self._mutated(each, mutation, compiler, params, obj)
            except (patches.Failed, OutOfBudget) as error:
                errors.append((each, str(error), "Invalid"))
        if obj != before:
            self._require()
        if spec.get("reinvocationPolicy") == "IfNeeded":
            self._invoked.add(key)
        return obj

    def _mutated(
        self, each: Met, mutation: Object, compiler: Compiler, params: Object | None, obj: Object
    ) -> Object:
        configuration = mutation.get("patchType") == "ApplyConfiguration"
        text = (mutation.get("applyConfiguration" if configuration else "jsonPatch") or {}).get("expression") or ""
        program = compiler.program(text.strip(), CONFIGURATION if configuration else PATCH, patches=True)
        if isinstance(program, str):
            raise patches.Failed(program)
        write = Write(self.cluster, self.attributes, each.resource, obj, self.old)
        result = Evaluation(compiler, write.names(params)).of(text, program)
        if result.error:
            raise patches.Failed(result.error)
        resource = self.attributes.resource
        live = loads(dumps(obj))
        if configuration:
            made = patches.configured(result.value, live, resource.shape)
        else:
            made = self._decoded(patches.patched(result.value, live))
        if self.attributes.kind is None:  # of a Scale there are none
            defaults.apply(self.cluster.types, resource, made)
        return made

    def _decoded(self, made: Object) -> Object:
        """A patched object of a built-in kind, read strictly. Raises 500 for one that is none."""
        resource, found = self.attributes.resource, list[str]()
        if resource.custom:
            return made
        try:
            made = codec.check_fields(resource, made, found)
        except ApiStatus as error:
            raise internal_error(error.message.partition(f" as a {resource.kind}: ")[2] or error.message) from None
        if found:
            raise internal_error(f"strict decoding error: {', '.join(found)}")
        return made


def _key(each: Met, params: Object | None) -> _Key:
    metadata = (params or {}).get("metadata") or {}
    return each.policy_name, each.binding_name, metadata.get("namespace") or "", metadata.get("name") or ""


def _refusal(attributes: Attributes, obj: Object, errors: list[tuple[Met, str, str]]) -> ApiStatus:
    texts = [_text(each, problem) for each, problem, _ in errors]
    refusal = attributes.forbidden(obj, "")
    details = {**(refusal.details or {}), "causes": [{"message": text} for text in texts]}
    return ApiStatus(403, errors[0][2], texts[0], details, headers=tuple(warning_headers(attributes.warnings)))


def _text(each: Met, problem: str) -> str:
    if each.binding is None:
        return f'policy "{each.policy_name}" denied request: {problem}'
    return f"policy '{each.policy_name}' with binding '{each.binding_name}' denied request: {problem}"
