"""PUT, and every other change of an object that exists.

While webhooks are asked, others may write. Then a change whose client named no resourceVersion is made again on the new
state.
"""

from __future__ import annotations

from collections.abc import Callable

from edged.sandbox.cluster import Object
from edged.sandbox.kinds import defaults
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import Cause, Named, conflict, invalid, modified
from edged.sandbox.protocol.request import Request, Response, Target
from edged.sandbox.protocol.write_options import check_dry_run, check_identity
from edged.sandbox.storage import KeyAbsent, VersionMismatch
from edged.sandbox.validation import object_validation
from edged.sandbox.writing.lifecycle import ends
from edged.sandbox.writing.write_steps import WriteSteps, copy_of

ATTEMPTS = 10
"""How often an update without a resourceVersion is tried on a newer state before it is a conflict."""

Change = Callable[[Object], Object]


class Updater:
    """Reads an object, changes it, has the new state admitted, and stores it where nobody else wrote meanwhile."""

    def __init__(self, steps: WriteSteps) -> None:
        self._steps = steps

    async def update(self, target: Target, request: Request) -> Response:
        check_dry_run(request)
        resource = target.resource
        body, warnings = self._steps.body(resource, request)
        body = self._steps.custom_fields(resource, body, request, warnings)
        metadata = body.setdefault("metadata", {})
        check_identity(target, metadata)
        self._require_version(resource, target, metadata)
        return await self.change(target, request, lambda _old: copy_of(body), warnings)

    def _require_version(self, resource: Resource, target: Target, metadata: Object) -> None:
        if resource.custom and not metadata.get("resourceVersion"):
            why = "Invalid value: 0: must be specified for an update"
            named = Named(resource.group, resource.plural, resource.plural)
            raise invalid(named, target.name, [Cause("metadata.resourceVersion", why)])

    async def change(
        self,
        target: Target,
        request: Request,
        change: Change,
        warnings: list[str],
        *,
        applied: Object | None = None,
    ) -> Response:
        """Reads, changes and stores one object. `change` gets the stored object and returns a new one, in which
        metadata.resourceVersion is the version that the client insists on."""
        for _attempt in range(ATTEMPTS):
            old = self._steps.existing(target)
            new = change(old)
            insisted = self._check_version(target, old, new)
            new = await self._admitted(target, request, old, new, warnings, applied)
            if request.dry_run:
                return self._steps.answer(200, target.resource, new, request, warnings)
            try:
                stored = self._store(target.resource, old, new)
            except (VersionMismatch, KeyAbsent):
                if insisted:
                    raise modified(target.resource.named, target.name) from None
                continue
            return self._steps.answer(200, target.resource, stored, request, warnings)
        raise modified(target.resource.named, target.name)

    def _check_version(self, target: Target, old: Object, new: Object) -> bool:
        """Whether the client named a version; 409 when it is not the stored one, or the uid is another."""
        named, metadata = target.resource.named, new["metadata"]
        uid = metadata.get("uid")
        if uid and uid != old["metadata"]["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {old['metadata']['uid']}"
            raise conflict(named, target.name, why)
        version = metadata.get("resourceVersion")
        if version and version != "0" and version != old["metadata"]["resourceVersion"]:
            raise modified(named, target.name)
        return bool(version)

    async def _admitted(
        self,
        target: Target,
        request: Request,
        old: Object,
        new: Object,
        warnings: list[str],
        applied: Object | None,
    ) -> Object:
        resource = target.resource
        before = self._steps.cluster.present(resource, old)
        defaults.prepare_update(resource, target.subresource, before, new)
        self._steps.manage(request, target, before, new, applied)
        attributes = self._steps.attributes("UPDATE", target, request, new, warnings)
        new = await self._steps.admission.mutate(attributes, new, before)
        defaults.apply(resource, new)
        new = self._steps.pruned(resource, new)
        defaults.set_generation(resource, before, new)
        object_validation.check_update(self._steps.cluster, resource, target.subresource, before, new, warnings)
        await self._steps.admission.validate(attributes, new, before)
        return new

    def _store(self, resource: Resource, old: Object, new: Object) -> Object:
        """Stores a finished update; one that empties the finalizers of a dying object removes it."""
        written = self._steps.lifecycle.store(resource, old, self._steps.cluster.stored(resource, new))
        if written is not old and not ends(old, written):
            self._steps.lifecycle.written(resource, written)
        return written
