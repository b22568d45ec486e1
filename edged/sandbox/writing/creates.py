"""POST: an object is created."""

from __future__ import annotations

from edged.kube.values.names import key_of
from edged.sandbox.cluster import Object
from edged.sandbox.kinds import app_armor, defaults, signing_requests
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import ApiStatus, already_exists, method_not_allowed
from edged.sandbox.protocol.request import Request, Response, Target
from edged.sandbox.protocol.write_options import check_options, set_namespace
from edged.sandbox.storage import KeyExists
from edged.sandbox.validation import object_validation
from edged.sandbox.writing.write_steps import WriteSteps, refused_with

_SYSTEM_FIELDS = (
    "uid", "creationTimestamp", "resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
)  # fmt: skip

_LONGEST_PREFIX = 58
"""So much of generateName is used: names that are labels have room for 5 more."""


class Creator:
    """Gives a new object its identity, has it admitted, and stores it."""

    def __init__(self, steps: WriteSteps) -> None:
        self._steps = steps

    async def create(self, target: Target, request: Request) -> Response:
        if target.name:
            raise method_not_allowed()
        check_options(request)
        obj, warnings = self._steps.body(target.resource, request)
        return await self.create_object(target, request, obj, warnings)

    async def create_object(
        self,
        target: Target,
        request: Request,
        obj: Object,
        warnings: list[str],
        *,
        applied: Object | None = None,
    ) -> Response:
        """`applied`: the body, where a server-side apply creates the object; its fields are the manager's."""
        with refused_with(warnings):
            return await self._create(target, request, obj, warnings, applied)

    async def _create(
        self, target: Target, request: Request, obj: Object, warnings: list[str], applied: Object | None
    ) -> Response:
        resource = target.resource
        self._clear_identity(target, obj, applied=applied is not None)
        obj = self._steps.custom_fields(resource, obj, request, warnings)
        self._steps.check_definition(resource, obj)
        had_labels = bool(obj["metadata"].get("labels"))
        defaults.prepare_create(self._steps.cluster, resource, obj)
        self._steps.manage(request, target, None, obj, applied)
        attributes = self._steps.attributes("CREATE", target, request, obj, warnings)
        obj = await self._steps.admission.mutate(attributes, obj, None)
        self._new_identity(target, obj)
        attributes.name = obj["metadata"]["name"]
        if resource.bucket == signing_requests.BUCKET:
            signing_requests.prepare_create(obj, request.user)
        obj = self._steps.pruned(resource, obj)
        if resource.bucket == "pods":
            warnings += app_armor.to_fields(obj)
        defaults.finish_create(self._steps.cluster, resource, obj, had_labels)
        object_validation.check_create(self._steps.cluster, resource, obj, warnings, dry_run=request.dry_run)
        await self._steps.admission.validate(attributes, obj, None)
        new = await self._steps.converter.storable(resource, obj)
        if request.dry_run:
            if self._steps.cluster.storage.get(resource.bucket, key_of(obj)) is not None:
                raise self._exists(resource, obj)
            return self._steps.answer(201, resource, new, request, warnings)
        try:
            stored = self._steps.cluster.storage.create(resource.bucket, new)
        except KeyExists:
            raise self._exists(resource, obj) from None
        self._steps.lifecycle.written(resource, stored)
        return self._steps.answer(201, resource, stored, request, warnings)

    def _exists(self, resource: Resource, obj: Object) -> ApiStatus:
        refusal = already_exists(resource.named, obj["metadata"]["name"])
        old = self._steps.cluster.storage.get(resource.bucket, key_of(obj))
        if old is not None and old["metadata"].get("deletionTimestamp"):
            refusal.message = f"object is being deleted: {refusal.message}"
        return refusal

    def _clear_identity(self, target: Target, obj: Object, *, applied: bool) -> None:
        """Before admission: takes out what clients cannot set, and sets the namespace of the URL."""
        metadata = obj.setdefault("metadata", {}) or {}
        obj["metadata"] = metadata
        if metadata.get("resourceVersion") and not applied:
            raise ApiStatus(500, "", "resourceVersion should not be set on objects to be created")
        set_namespace(target, metadata)
        for field in _SYSTEM_FIELDS:
            metadata.pop(field, None)

    def _new_identity(self, target: Target, obj: Object) -> None:
        """Fills metadata as the registry does after admission."""
        metadata = obj["metadata"]
        for field in _SYSTEM_FIELDS:
            metadata.pop(field, None)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"][:_LONGEST_PREFIX] + self._steps.cluster.name_suffix()
        metadata["uid"] = self._steps.cluster.new_uid()
        metadata["creationTimestamp"] = self._steps.cluster.timestamp()
        if target.resource.generation:
            metadata["generation"] = 1
        metadata["name"] = metadata.get("name") or ""  # validation refuses "" among what else is wrong
