"""DELETE, of one object or of a collection."""

from __future__ import annotations

from typing import Any

from edged.sandbox.cluster import Object
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import codec
from edged.sandbox.protocol.api_status import bad_request, conflict, success
from edged.sandbox.protocol.request import Request, Response, Target, json_response
from edged.sandbox.protocol.write_options import check_dry_run
from edged.sandbox.reading.reads import negotiate, selection, shown_list
from edged.sandbox.validation import object_validation
from edged.sandbox.writing.write_steps import WriteSteps

# Of these kinds DELETE answers with the object that was, of others with a Status: ReturnDeletedObject in pkg/registry
# of Kubernetes, and definitions, which are there until their finalizer has run.
_RETURNED = frozenset((
    "CSIDriver", "CSINode", "CustomResourceDefinition", "DeviceClass", "Namespace", "PersistentVolume",
    "PersistentVolumeClaim", "Pod", "PodTemplate", "ResourceClaim", "ResourceClaimTemplate", "ResourceQuota",
    "ResourceSlice", "Service", "ServiceAccount", "StorageClass", "VolumeAttachment", "VolumeAttributesClass",
))  # fmt: skip


class Deleter:
    """Checks the preconditions of a deletion, has it admitted, and hands the object to the lifecycle."""

    def __init__(self, steps: WriteSteps) -> None:
        self._steps = steps

    async def delete(self, target: Target, request: Request) -> Response:
        check_dry_run(request)
        options = self._delete_options(request)
        old = self._steps.existing(target)
        removed, gone = await self._delete_one(target, request, old, options)
        resource = target.resource
        if gone and (resource.custom or resource.kind not in _RETURNED):
            details = {"name": target.name, "kind": resource.plural, "uid": old["metadata"]["uid"]}
            if resource.group:
                details["group"] = resource.group
            return json_response(200, success(details=details))
        return self._steps.answer(200, resource, removed, request, [])

    async def delete_collection(self, target: Target, request: Request) -> Response:
        check_dry_run(request)
        options = self._delete_options(request)
        chosen, resource = selection(target, request.query), target.resource
        removed = []
        for old in self._steps.cluster.storage.list(resource.bucket, target.namespace):
            if not chosen.matches(old):
                continue
            one = Target(resource, old["metadata"].get("namespace"), old["metadata"]["name"])
            await self._delete_one(one, request, old, options, collection=True)
            removed.append(old)
        cluster = self._steps.cluster
        metadata = {"resourceVersion": str(cluster.storage.version)}
        return json_response(200, shown_list(cluster, resource, removed, metadata, negotiate(request)))

    async def _delete_one(
        self, target: Target, request: Request, old: Object, options: Object, *, collection: bool = False
    ) -> tuple[Object, bool]:
        """The last state and whether the object is gone (False: finalizers hold it)."""
        resource = target.resource
        object_validation.check_delete(resource, old)
        self._preconditions(resource, old, options)
        attributes = self._steps.attributes("DELETE", target, request, None, [], options)
        if collection:
            attributes.name = ""
        before = self._steps.cluster.present(resource, old)
        await self._steps.admission.mutate(attributes, None, before)
        await self._steps.admission.validate(attributes, None, before)
        current = self._steps.cluster.storage.get(resource.bucket, target.key)
        if current is None:
            return old, True
        return self._steps.lifecycle.delete(resource, current, options, dry_run=request.dry_run)

    def _delete_options(self, request: Request) -> Object:
        body = codec.decode(self._steps.cluster, request, "DeleteOptions") if request.body.strip() else {}
        for field in ("propagationPolicy", "gracePeriodSeconds"):
            if field in request.query:
                body[field] = request.query[field]
        if "gracePeriodSeconds" in body:
            body["gracePeriodSeconds"] = _seconds(body["gracePeriodSeconds"])
        return body

    def _preconditions(self, resource: Resource, old: Object, options: Object) -> None:
        metadata, name = old["metadata"], old["metadata"]["name"]
        preconditions = options.get("preconditions") or {}
        uid, version = preconditions.get("uid"), preconditions.get("resourceVersion")
        if uid and uid != metadata["uid"]:
            why = (
                f"the UID in the precondition ({uid}) does not match the UID in record ({metadata['uid']}). "
                "The object might have been deleted and then recreated"
            )
            raise conflict(resource.named, name, why, by_kind=True)
        if version and version != metadata["resourceVersion"]:
            why = (
                f"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record "
                f"({metadata['resourceVersion']}). The object might have been modified"
            )
            raise conflict(resource.named, name, why, by_kind=True)


def _seconds(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise bad_request(f"gracePeriodSeconds: {value!r} is not a number") from None
