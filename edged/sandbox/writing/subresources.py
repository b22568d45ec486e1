"""status, scale, binding, eviction, finalize and approval; the others are sent on.

Called by api.py. Everything that changes a stored object goes through writer.Writer.
"""

from __future__ import annotations

import re
from typing import Any

from edged.json_text import dumps, loads
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.authorization.service_accounts import request_token
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.protocol import codec
from edged.sandbox.protocol.api_status import (
    ApiStatus,
    Cause,
    Named,
    bad_request,
    conflict,
    invalid,
    method_not_allowed,
    not_found,
    success,
    unsupported_media_type,
)
from edged.sandbox.protocol.negotiation import check_route, negotiate
from edged.sandbox.protocol.request import Request, Response, Target, json_response
from edged.sandbox.protocol.write_options import check_options, request_options
from edged.sandbox.reading.cells.values import dig, labels_text, selector_text
from edged.sandbox.reading.reads import shown_scale
from edged.sandbox.validation.causes import not_negative
from edged.sandbox.writing import node_subresources
from edged.sandbox.writing.deletes import check_delete_options, check_preconditions
from edged.sandbox.writing.patch_requests import JSON_PATCH, MERGE, STRATEGIC
from edged.sandbox.writing.patches import json_patch, merge_patch
from edged.sandbox.writing.updates import View
from edged.sandbox.writing.write_steps import copy_of, invalid_patch
from edged.sandbox.writing.writer import Writer


async def handle(cluster: Cluster, writer: Writer, target: Target, request: Request) -> Response:
    """One request on a subresource."""
    if target.subresource != "proxy" and not target.resource.custom:
        check_route(request, streams=False)
    if request.method not in ("GET", "HEAD") and target.subresource not in node_subresources.METHODS:
        negotiate(request, custom=target.resource.custom)  # before anything is stored
    match target.subresource:
        case "scale":
            return await _scale(cluster, writer, target, request)
        case "binding" if request.method == "POST":
            return await _bind(cluster, writer, target, request)
        case "eviction" if request.method == "POST":
            return await _evict(cluster, writer, target, request)
        case name if name in node_subresources.METHODS:
            return node_subresources.answer(cluster, target, request)
        case "token":
            return request_token(cluster, target, request)
        case "finalize" if request.method == "PUT":
            return _finalize(cluster, writer, target, request)
        case "status" | "approval" | "ephemeralcontainers" | "resize":
            return await _part(cluster, writer, target, request)
    raise _no_such_method(target, request)


def _no_such_method(target: Target, request: Request) -> ApiStatus:
    """Of custom resources one handler serves all, with words of its own."""
    refusal, verb = method_not_allowed(), {"POST": "create"}.get(request.method, request.method.lower())
    if target.resource.custom:
        refusal.message = f'{verb} is not supported on resources of kind "{target.resource.named.resource}"'
        refusal.details = {"group": target.resource.group, "kind": target.resource.plural}
    return refusal


async def _part(cluster: Cluster, writer: Writer, target: Target, request: Request) -> Response:
    from edged.sandbox.reading import reads

    match request.method:
        case "GET":
            return reads.get(cluster, target, request)
        case "PUT":
            return await writer.update(target, request)
        case "PATCH":
            return await writer.patch(target, request)
    raise _no_such_method(target, request)


def _existing(cluster: Cluster, target: Target) -> Object:
    obj = cluster.storage.get(target.resource.bucket, target.key)
    if obj is None:
        raise not_found(target.resource.named, target.name)
    return obj


# --- scale


def _scale_paths(target: Target) -> tuple[str, str, str]:
    """Paths of spec.replicas, status.replicas and of the selector in the scaled object."""
    custom = target.resource.scale
    if custom is None:
        return "spec.replicas", "status.replicas", "spec.selector"
    return (
        custom.get("specReplicasPath", "").lstrip("."),
        custom.get("statusReplicasPath", "").lstrip("."),
        custom.get("labelSelectorPath", "").lstrip("."),
    )


def _scale_of(target: Target, obj: Object) -> Object:
    spec_path, status_path, selector_path = _scale_paths(target)
    metadata = {
        key: obj["metadata"][key]
        for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp") if key in obj["metadata"]
    }  # fmt: skip
    status: Object = {"replicas": dig(obj, status_path) or 0}
    selector = dig(obj, selector_path) if selector_path else None
    if isinstance(selector, dict) and target.resource.kind == "ReplicationController":
        selector = labels_text(selector)
    if selector:
        status["selector"] = selector_text(selector) if isinstance(selector, dict) else selector
    replicas = dig(obj, spec_path)
    spec = {"replicas": replicas} if replicas else {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": spec,
        "status": status,
    }


async def _scale(cluster: Cluster, writer: Writer, target: Target, request: Request) -> Response:
    if request.method == "GET":
        scale = _scale_of(target, cluster.present(target.resource, _existing(cluster, target)))
        return json_response(200, shown_scale(cluster, target.resource, scale, negotiate(request)))
    if request.method not in ("PUT", "PATCH"):
        raise _no_such_method(target, request)
    check_options(request)

    def change(old: Object) -> Object:
        scale = _changed_scale(cluster, target, request, old)
        replicas = dig(scale, "spec.replicas") or 0
        _check_replicas(target, request, scale, replicas)
        new = cluster.present(target.resource, copy_of(old))
        _set_replicas(target, new, replicas)
        version = dig(scale, "metadata.resourceVersion")
        if version == old["metadata"]["resourceVersion"]:
            version = None
        new["metadata"].pop("resourceVersion", None)
        if version:
            new["metadata"]["resourceVersion"] = version
        return new

    plain = Request(
        request.method, request.path, request.query, {**request.headers, "accept": "*/*"}, b"", request.user
    )
    view = View(
        ("autoscaling", "v1", "Scale"),
        lambda obj: _scale_of(target, obj),
        lambda obj, scale: _set_replicas(target, obj, dig(scale, "spec.replicas") or 0),
    )
    response = await writer.change(target, plain, change, [], view=view)
    scale = _scale_of(target, loads(response.body))
    response.body = dumps(shown_scale(cluster, target.resource, scale, negotiate(request)))
    return response


def _check_replicas(target: Target, request: Request, scale: Object, replicas: object) -> None:
    if isinstance(replicas, int) and not isinstance(replicas, bool):
        if replicas >= 0:
            return
        if target.resource.custom:
            found = [Cause(".spec.replicas", f"Invalid value: {replicas}: should be a non-negative integer")]
            raise invalid(target.resource.named, target.name, found)
        raise invalid(Named("autoscaling", "Scale", "scales"), target.name, not_negative("spec.replicas", replicas))
    name = codec.JSON_NAMES.get(type(replicas), "number")
    name = f"number {replicas}" if isinstance(replicas, float) else name
    why = f"json: cannot unmarshal {name} into Go struct field ScaleSpec.spec.replicas of type int32"
    if request.method == "PATCH":
        raise invalid_patch(dumps({key: scale[key] for key in sorted(scale)}).decode(), why)
    raise bad_request(why)


def _set_replicas(target: Target, obj: Object, replicas: object) -> None:
    path = _scale_paths(target)[0].split(".")
    for part in path[:-1]:
        obj = obj.setdefault(part, {})
    obj[path[-1]] = replicas


def _changed_scale(cluster: Cluster, target: Target, request: Request, old: Object) -> Object:
    if request.method == "PUT":
        return codec.decode(cluster, request, "Scale")
    current = _scale_of(target, old)
    try:
        patch = loads(request.body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from error
    if request.media_type == JSON_PATCH:
        changed: Any = json_patch(current, patch)
    elif request.media_type in (MERGE, STRATEGIC):
        changed = merge_patch(current, patch)
    else:
        raise unsupported_media_type([JSON_PATCH, MERGE])
    if not isinstance(changed, dict):
        raise bad_request("the patch leaves no object")
    return changed


# --- binding and eviction


def _pod_target(target: Target, name: str) -> Target:
    return Target(target.resource, target.namespace, name, target.subresource)


async def _bind(cluster: Cluster, writer: Writer, target: Target, request: Request) -> Response:
    check_options(request)
    binding = codec.decode(cluster, request, "Binding")
    metadata = binding.setdefault("metadata", {})
    name = metadata.get("name") or target.name
    if target.name and name != target.name:
        raise bad_request("name in URL does not match name in Binding object")
    stated = metadata.get("namespace")
    if stated and stated != target.namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    metadata |= {"name": name, "namespace": target.namespace}
    binding = {"kind": "Binding", "apiVersion": "v1", **binding}
    target = _pod_target(target, name)
    attributes = _attributes(target, request, ("", "v1", "Binding"))
    binding = await writer.admission.mutate(attributes, binding, None)
    _check_target(binding)
    await writer.admission.validate(attributes, binding, None)
    pod = _existing(cluster, target)
    _check_bindable(target, pod, binding)
    if not request.dry_run:
        cluster.storage.update("pods", _bound(cluster, pod, binding), expected=pod)
    return json_response(201, success(201), attributes.warnings)


def _attributes(target: Target, request: Request, kind: tuple[str, str, str]) -> Attributes:
    options = request_options("CREATE", request)
    return Attributes(
        operation="CREATE", resource=target.resource, subresource=target.subresource,
        namespace=target.namespace or "", name=target.name, user=request.user, dry_run=request.dry_run,
        options=options, kind=kind,
    )  # fmt: skip


_NODE_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"


def _check_target(binding: Object) -> None:
    node = dig(binding, "target.name")
    if not node:
        raise ApiStatus(500, "", "target.name: Required value")
    if not re.fullmatch(_NODE_NAME, str(node)):
        why = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'"
        raise ApiStatus(500, "", f'target.name: Invalid value: "{node}": {why}')
    kind = dig(binding, "target.kind")
    if kind and kind != "Node":
        raise ApiStatus(500, "", f'target.kind: Unsupported value: "{kind}": supported values: "Node", "<empty>"')


def _check_bindable(target: Target, pod: Object, binding: Object) -> None:
    named, name = target.resource.named, target.name

    def refused(why: str) -> ApiStatus:
        failure = conflict(named, name, why)
        failure.message = failure.message.replace(f'on pods "{name}"', f'on pods/binding "{name}"')
        return failure

    uid = dig(binding, "metadata.uid")
    if uid and uid != pod["metadata"]["uid"]:
        raise refused(f"Precondition failed: UID in precondition: {uid}, UID in object meta: {pod['metadata']['uid']}")
    if pod["metadata"].get("deletionTimestamp"):
        raise refused(f"pod {name} is being deleted, cannot be assigned to a host")
    node = dig(pod, "spec.nodeName")
    if node:
        raise refused(f'pod {name} is already assigned to node "{node}"')
    if dig(pod, "spec.schedulingGates"):
        raise refused(f"pod {name} has non-empty .spec.schedulingGates")


def _bound(cluster: Cluster, pod: Object, binding: Object) -> Object:
    new = copy_of(pod)
    new["spec"]["nodeName"] = binding["target"]["name"]
    annotations = dig(binding, "metadata.annotations")
    if annotations:
        new["metadata"]["annotations"] = {**(new["metadata"].get("annotations") or {}), **annotations}
    status = new.setdefault("status", {})
    others = [c for c in status.get("conditions") or [] if c.get("type") != "PodScheduled"]
    condition = {
        "type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": cluster.timestamp(),
    }  # fmt: skip
    status["conditions"] = [*others, condition]
    return new


async def _evict(cluster: Cluster, writer: Writer, target: Target, request: Request) -> Response:
    check_options(request)
    eviction = codec.decode(cluster, request, "Eviction")
    metadata = eviction.setdefault("metadata", {})
    if (metadata.get("name") or target.name) != target.name:
        raise bad_request("name in URL does not match name in Eviction object")
    metadata |= {"name": target.name, "namespace": target.namespace}
    attributes = _attributes(target, request, ("policy", "v1", "Eviction"))
    eviction = await writer.admission.mutate(attributes, eviction, None)
    await writer.admission.validate(attributes, eviction, None)
    options = dig(eviction, "deleteOptions") or {}
    check_delete_options(options)
    pod = _existing(cluster, target)
    _check_budget(cluster, pod)
    check_preconditions(target.resource, pod, options)
    if not (request.dry_run or options.get("dryRun")):
        writer.lifecycle.delete(target.resource, pod, options)
    return json_response(201, success(201), attributes.warnings)


def _check_budget(cluster: Cluster, pod: Object) -> None:
    """A PodDisruptionBudget whose status allows no disruption keeps the Pod. No controller computes that status here,
    so a budget without one allows the eviction."""
    from edged.sandbox.reading import list_selectors

    for budget in cluster.storage.list("poddisruptionbudgets.policy", pod["metadata"]["namespace"]):
        requirements = list_selectors.from_object(dig(budget, "spec.selector"))
        allowed = dig(budget, "status.disruptionsAllowed")
        if list_selectors.matches(requirements, pod["metadata"].get("labels")) and allowed == 0:
            message = "Cannot evict pod as it would violate the pod's disruption budget."
            cause = {
                "reason": "DisruptionBudget",
                "message": f"The disruption budget {budget['metadata']['name']} needs more healthy pods",
            }
            raise ApiStatus(429, "TooManyRequests", message, {"causes": [cause]})


# --- finalize


def _finalize(cluster: Cluster, writer: Writer, target: Target, request: Request) -> Response:
    """Sets spec.finalizers; a namespace that ends and has none left goes."""
    body = codec.decode(cluster, request, "Namespace")
    obj = _existing(cluster, target)
    spec = {**(obj.get("spec") or {}), "finalizers": dig(body, "spec.finalizers") or []}
    stored = writer.lifecycle.store(target.resource, obj, {**obj, "spec": spec})
    return json_response(200, cluster.present(target.resource, stored))
