"""Admission webhooks: which ones are called, in which order, and what their answers mean.

The HTTPS call itself is in webhookcall.py. Called by the verbs of writer.py and by subresources.py. Order and texts are
those of kube-apiserver; where it is free to pick one of several denials, the first in configuration order is taken.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import trio

from edged.json_text import dumps, loads
from edged.kube.values.names import NamespacedName
from edged.sandbox.admission import plugins
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.policies import validating
from edged.sandbox.admission.policies.compiled import Compiler
from edged.sandbox.admission.policies.context import Write, conditions_hold
from edged.sandbox.admission.policies.mutating import Mutation
from edged.sandbox.admission.webhook_targets import ask
from edged.sandbox.admission.webhookcall import CallFailed, WebhookClient
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.protocol.api_status import ApiStatus, forbidden, internal_error
from edged.sandbox.protocol.warning_headers import warning_headers
from edged.sandbox.reading import list_selectors

if TYPE_CHECKING:
    from edged.kube.values.shapes import LabelSelector

__all__ = ["Admission", "WebhookClient"]

_GROUP = "admissionregistration.k8s.io"
MUTATING = f"mutatingwebhookconfigurations.{_GROUP}"
VALIDATING = f"validatingwebhookconfigurations.{_GROUP}"


@dataclass(frozen=True, slots=True)
class _Hook:
    """One webhook of one configuration."""

    config: str
    body: Object
    mutating: bool

    @property
    def name(self) -> str:
        return str(self.body["name"])

    @property
    def ignores_failure(self) -> bool:
        return self.body.get("failurePolicy") == "Ignore"


@dataclass(frozen=True, slots=True)
class _Answer:
    """A usable response; `patch` is a decoded JSON patch or None."""

    warnings: list[str]
    patch: list[Object] | None
    denial: ApiStatus | None


class Admission:
    """Calls the webhooks that the stored configurations name."""

    def __init__(self, cluster: Cluster, client: WebhookClient) -> None:
        self._cluster = cluster
        self._client = client

    async def mutate(self, attributes: Attributes, obj: Object | None, old: Object | None) -> Any:
        """The object after built-in admission, which changes it in place, mutating policies and all mutating webhooks
        (None for deletions). Raises ApiStatus for a denial."""
        plugins.admit(self._cluster, attributes, obj, old)
        policies = Mutation(self._cluster, attributes, old)
        obj = policies.first(obj)
        called: list[_Hook] = []
        changed_after: dict[int, bool] = {}
        for hook in self._hooks(MUTATING, attributes):
            if not self._wanted(hook, attributes, obj, old):
                continue
            before = obj
            obj = await self._mutate_once(hook, attributes, obj, old)
            if obj != before:
                changed_after |= {index: True for index in range(len(called))}
            called.append(hook)
        before = obj
        obj = policies.second(obj)
        if obj != before:
            changed_after |= {index: True for index in range(len(called))}
        for index, hook in enumerate(called):
            again = changed_after.get(index) and hook.body.get("reinvocationPolicy") == "IfNeeded"
            if again and self._wanted(hook, attributes, obj, old):
                obj = await self._mutate_once(hook, attributes, obj, old)
        return obj

    async def _mutate_once(
        self, hook: _Hook, attributes: Attributes, obj: Object | None, old: Object | None
    ) -> Object | None:
        answer = await self._ask(hook, attributes, obj, old)
        if answer is None:
            return obj
        attributes.warnings += answer.warnings
        if answer.denial is not None:
            raise answer.denial
        return obj if answer.patch is None or obj is None else _apply(answer.patch, obj)

    async def validate(self, attributes: Attributes, obj: Object | None, old: Object | None) -> None:
        """Built-in admission, validating policies, then all validating webhooks at once, then quotas. Raises the first
        refusal, that of webhooks in configuration order."""
        plugins.validate(self._cluster, attributes, obj, old)
        validating.validate(self._cluster, attributes, obj, old)
        await self._ask_validating(attributes, obj, old)
        plugins.validate_last(self._cluster, attributes, obj, old)

    async def _ask_validating(self, attributes: Attributes, obj: Object | None, old: Object | None) -> None:
        hooks = [h for h in self._hooks(VALIDATING, attributes) if self._wanted(h, attributes, obj, old)]
        if not hooks:
            return
        answers: list[_Answer | ApiStatus | None] = [None] * len(hooks)

        async def ask_one(index: int, hook: _Hook) -> None:
            try:
                answers[index] = await self._ask(hook, attributes, obj, old)
            except ApiStatus as failure:
                answers[index] = failure

        async with trio.open_nursery() as nursery:
            for index, hook in enumerate(hooks):
                nursery.start_soon(ask_one, index, hook)
        for answer in answers:
            if isinstance(answer, _Answer):
                attributes.warnings += answer.warnings
        for answer in answers:
            refusal = answer.denial if isinstance(answer, _Answer) else answer
            if refusal is not None:
                refusal.headers += tuple(warning_headers(attributes.warnings))
                raise refusal

    # --- which

    def _hooks(self, bucket: str, attributes: Attributes) -> Iterator[_Hook]:
        """In calling order. Webhook configurations and policies are never subject to webhooks themselves."""
        if attributes.resource.group == _GROUP:
            return
        for config in self._cluster.storage.list(bucket):
            for body in config.get("webhooks") or ():
                yield _Hook(config["metadata"]["name"], body, bucket == MUTATING)

    def _wanted(self, hook: _Hook, attributes: Attributes, obj: Object | None, old: Object | None) -> bool:
        body = hook.body
        if not any(_rule_matches(rule, attributes) for rule in body.get("rules") or ()):
            return False
        return (
            self._namespace_matches(body.get("namespaceSelector"), attributes, obj)
            and _object_matches(body.get("objectSelector"), obj, old)
            and self._conditions_hold(hook, attributes, obj, old)
        )

    def _namespace_matches(self, selector: LabelSelector | None, attributes: Attributes, obj: Object | None) -> bool:
        requirements = list_selectors.from_object(selector)
        if not requirements:
            return True
        if attributes.resource.bucket == "namespaces":
            namespace = obj or self._namespace(attributes.name)
        elif attributes.resource.namespaced:
            namespace = self._namespace(attributes.namespace)
        else:
            return True
        labels = namespace["metadata"].get("labels") if namespace else None
        return list_selectors.matches(requirements, labels)

    def _namespace(self, name: str) -> Object | None:
        return self._cluster.storage.get("namespaces", NamespacedName("", name))

    def _conditions_hold(self, hook: _Hook, attributes: Attributes, obj: Object | None, old: Object | None) -> bool:
        conditions = hook.body.get("matchConditions") or ()
        if not conditions:
            return True
        names = Write(self._cluster, attributes, attributes.resource, obj, old).names(None, namespace=False)
        holds, failure = conditions_hold(conditions, Compiler(False, False), names, ignore=hook.ignores_failure)
        if failure:
            raise forbidden(attributes.resource.named, attributes.name, failure)
        return holds

    # --- one call

    async def _ask(self, hook: _Hook, attributes: Attributes, obj: Object | None, old: Object | None) -> _Answer | None:
        """None: the call failed and failurePolicy is Ignore."""
        uid = self._cluster.new_uid()
        review = {
            "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
            "request": attributes.request(uid, obj, old),
        }  # fmt: skip
        try:
            reply = await self._call(hook, review)
            return _read(reply, uid, hook)
        except CallFailed as error:
            if hook.ignores_failure:
                return None
            raise internal_error(f'failed calling webhook "{hook.name}": {error}') from error

    async def _call(self, hook: _Hook, review: Object) -> Any:
        config, timeout = hook.body.get("clientConfig") or {}, int(hook.body.get("timeoutSeconds") or 10)
        return await ask(self._cluster, self._client, config, review, timeout)


def _rule_matches(rule: Object, attributes: Attributes) -> bool:
    resource = attributes.resource
    operations, scope = rule.get("operations") or (), rule.get("scope") or "*"
    if "*" not in operations and attributes.operation not in operations:
        return False
    for field_name, value in (("apiGroups", resource.group), ("apiVersions", resource.version)):
        allowed = rule.get(field_name) or ()
        if "*" not in allowed and value not in allowed:
            return False
    namespaced = resource.namespaced
    if scope != "*" and (scope == "Namespaced") is not namespaced:
        return False
    return any(_resource_matches(pattern, attributes) for pattern in rule.get("resources") or ())


def _resource_matches(pattern: str, attributes: Attributes) -> bool:
    plural, slash, subresource = pattern.partition("/")
    if plural not in ("*", attributes.resource.plural):
        return False
    if not slash:
        return attributes.subresource == ""
    return subresource == "*" or subresource == attributes.subresource


def _object_matches(selector: LabelSelector | None, obj: Object | None, old: Object | None) -> bool:
    requirements = list_selectors.from_object(selector)
    if not requirements:
        return True
    present = [o for o in (obj, old) if o is not None]
    return any(list_selectors.matches(requirements, (o.get("metadata") or {}).get("labels")) for o in present)


# --- answers


def _read(reply: object, uid: str, hook: _Hook) -> _Answer:
    """A decoded body -> an answer. Raises CallFailed for a response that breaks the protocol."""
    response = _checked_response(reply, uid)
    patch, patch_type = response.get("patch"), response.get("patchType")
    if patch and not hook.mutating:
        raise CallFailed("received invalid webhook response: validating webhook may not return response.patch")
    if bool(patch) != bool(patch_type):
        first, second = ("patch", "patchType") if patch else ("patchType", "patch")
        why = f"webhook returned response.{first} but not response.{second}"
        raise CallFailed(f"received invalid webhook response: {why}")
    if patch_type and patch_type != "JSONPatch":
        raise CallFailed(
            f'received invalid webhook response: invalid value of webhook response.patchType "{patch_type}"'
        )
    warnings = [str(text) for text in response.get("warnings") or () if text]
    if not response.get("allowed"):
        return _Answer(warnings, None, _denial(hook.name, response.get("status") or {}, warnings))
    return _Answer(warnings, _decode_patch(patch) if patch else None, None)


def _checked_response(reply: object, uid: str) -> Object:
    start = "received invalid webhook response: "
    review = reply if isinstance(reply, dict) else {}
    api_version, kind = review.get("apiVersion") or "", review.get("kind") or ""
    if (api_version, kind) != ("admission.k8s.io/v1", "AdmissionReview"):
        group, _, version = api_version.rpartition("/")
        wanted = "admission.k8s.io/v1, Kind=AdmissionReview"
        raise CallFailed(f"{start}expected webhook response of {wanted}, got {group}/{version}, Kind={kind}")
    response = review.get("response")
    if not isinstance(response, dict):
        raise CallFailed(f"{start}webhook response was absent")
    if response.get("uid") != uid:
        raise CallFailed(f'{start}expected response.uid="{uid}", got "{response.get("uid", "")}"')
    return response


def _decode_patch(patch: str) -> list[Object]:
    try:
        operations = loads(base64.b64decode(patch, validate=True))
    except (ValueError, binascii.Error) as error:
        raise CallFailed(f"received undecodable patch in webhook response: {error}") from error
    if not isinstance(operations, list):
        why = "json: cannot unmarshal object into Go value of type jsonpatch.Patch"
        raise CallFailed(f"received undecodable patch in webhook response: {why}")
    return operations


def _denial(name: str, status: Object, warnings: list[str]) -> ApiStatus:
    code = status.get("code")
    code = code if isinstance(code, int) and code >= 400 else 400
    reason, why = str(status.get("reason") or ""), status.get("message") or status.get("reason")
    message = f'admission webhook "{name}" denied the request'
    message += f": {why}" if why else " without explanation"
    return ApiStatus(code, reason, message, status.get("details"), headers=warning_headers(warnings))


def _apply(patch: list[Object], obj: Object) -> Object:
    """Applies one operation after the other, so that the text can name the one that failed."""
    import jsonpatch
    import jsonpointer

    result: Any = loads(dumps(obj))
    for operation in patch:
        try:
            result = jsonpatch.apply_patch(result, [operation])
        except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError) as error:
            raise _patch_failed(operation, error) from error
    if not isinstance(result, dict) or not isinstance(result.get("metadata"), dict):
        raise internal_error("the patched object has no metadata")
    return result


def _patch_failed(operation: object, error: Exception) -> ApiStatus:
    if not isinstance(operation, dict):
        return internal_error(f"invalid patch operation {operation!r}")
    name, path = operation.get("op", ""), operation.get("path", "")
    if name == "remove":
        key = str(path).rpartition("/")[2]
        return internal_error(
            f"error in remove for path: '{path}': Unable to remove nonexistent key: {key}: missing value"
        )
    return internal_error(f"error in {name} for path: '{path}': {error}")
