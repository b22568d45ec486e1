"""PUT, and every other change of an object that exists.

While webhooks are asked, others may write. Then a change whose client named no resourceVersion is made again on the new
state.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from edged.kube.values.go_texts import quoted
from edged.sandbox.cluster import Object
from edged.sandbox.kinds import defaults, signing_requests
from edged.sandbox.kinds.builtin_kinds import CREATED_BY_PUT, NEEDS_VERSION
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol.api_status import ApiStatus, Cause, Named, invalid, modified, uid_differs
from edged.sandbox.protocol.request import Request, Response, Target
from edged.sandbox.protocol.write_options import check_identity, check_options
from edged.sandbox.storage import KeyAbsent, VersionMismatch
from edged.sandbox.validation import object_validation
from edged.sandbox.writing.creates import Creator
from edged.sandbox.writing.lifecycle import ends
from edged.sandbox.writing.write_steps import WriteSteps, copy_of, refused_with

ATTEMPTS = 10
"""How often an update without a resourceVersion is tried on a newer state before it is a conflict."""

Change = Callable[[Object], Object]


@dataclass(frozen=True, slots=True)
class View:
    """The object of a subresource such as Scale: `of` an object, and `into` it when admission has changed it."""

    kind: tuple[str, str, str]
    of: Callable[[Object], Object]
    into: Callable[[Object, Object], None]


class Updater:
    """Reads an object, changes it, has the new state admitted, and stores it where nobody else wrote meanwhile."""

    def __init__(self, steps: WriteSteps, creator: Creator) -> None:
        self._steps = steps
        self._creator = creator

    async def update(self, target: Target, request: Request) -> Response:
        check_options(request)
        resource = target.resource
        body, warnings = self._steps.body(resource, request)
        body = self._steps.custom_fields(resource, body, request, warnings)
        metadata = body.setdefault("metadata", {})
        check_identity(target, metadata)
        if resource.kind in CREATED_BY_PUT and not target.subresource and self._absent(target):
            return await self._create(target, request, body, warnings)
        return await self.change(target, request, lambda _old: copy_of(body), warnings, replaces=True)

    def _absent(self, target: Target) -> bool:
        return self._steps.cluster.storage.get(target.resource.bucket, target.key) is None

    async def _create(self, target: Target, request: Request, body: Object, warnings: list[str]) -> Response:
        metadata = body["metadata"]
        if uid := metadata.get("uid"):
            raise uid_differs(target.resource.named, target.name, target.namespace or "", wanted=uid, found="")
        metadata.pop("resourceVersion", None)
        return await self._creator.create_object(target, request, body, warnings)

    async def change(
        self,
        target: Target,
        request: Request,
        change: Change,
        warnings: list[str],
        *,
        applied: Object | None = None,
        replaces: bool = False,
        view: View | None = None,
    ) -> Response:
        """Reads, changes and stores one object. `change` gets the stored object and returns a new one, in which
        metadata.resourceVersion is the version that the client insists on. `replaces`: a PUT, which some kinds only
        allow with a version. `view`: what admission sees in place of the object."""
        for _attempt in range(ATTEMPTS):
            old = self._steps.existing(target)
            before = self._steps.cluster.present(target.resource, old)
            new = change(old)
            insisted = self._check_version(target, old, new, replaces)
            with refused_with(warnings):
                new = await self._admitted(target, request, before, new, warnings, applied, view)
            stored = await self._steps.converter.storable(target.resource, new)
            if request.dry_run:
                return self._steps.answer(200, target.resource, stored, request, warnings)
            try:
                written = self._store(target.resource, old, stored)
            except (VersionMismatch, KeyAbsent):
                if insisted:
                    raise modified(target.resource.named, target.name) from None
                continue
            # What was the end of an object has not been stored.
            last = new if written is stored else written
            return self._steps.answer(200, target.resource, last, request, warnings)
        raise modified(target.resource.named, target.name)

    def _check_version(self, target: Target, old: Object, new: Object, replaces: bool) -> bool:
        """Whether the client named a version; 409 when it is not the stored one, or the uid is another."""
        resource, metadata = target.resource, new["metadata"]
        uid, current = metadata.get("uid"), old["metadata"]
        if replaces and uid and uid != current["uid"]:
            namespace = target.namespace or ""
            raise uid_differs(resource.named, target.name, namespace, wanted=uid, found=current["uid"])
        version = metadata.get("resourceVersion") or "0"
        if not re.fullmatch("[0-9]+", version):
            raise ApiStatus(500, "", f"strconv.ParseUint: parsing {quoted(version)}: invalid syntax")
        if version != "0" and version != current["resourceVersion"]:
            raise modified(resource.named, target.name)
        if version == "0" and replaces and (resource.custom or resource.kind in NEEDS_VERSION):
            why = "Invalid value: 0: must be specified for an update"
            named = Named(resource.group, resource.plural, resource.plural)
            raise invalid(named, target.name, [Cause("metadata.resourceVersion", why)])
        return version != "0"

    async def _admitted(
        self,
        target: Target,
        request: Request,
        before: Object,
        new: Object,
        warnings: list[str],
        applied: Object | None,
        view: View | None,
    ) -> Object:
        resource = target.resource
        kept = {}
        if resource.bucket == signing_requests.BUCKET:
            kept = signing_requests.kept_parts(target.subresource, before, new, self._steps.cluster.timestamp())
        defaults.prepare_update(self._steps.cluster, resource, target.subresource, before, new)
        new |= kept
        self._steps.manage(request, target, before, new, applied)
        attributes = self._steps.attributes("UPDATE", target, request, new, warnings)
        if view is None:
            new = await self._steps.admission.mutate(attributes, new, before)
        else:
            attributes.kind = view.kind
            view.into(new, await self._steps.admission.mutate(attributes, view.of(new), view.of(before)))
        new = self._steps.pruned(resource, new)
        defaults.finish_update(self._steps.cluster, resource, target.subresource, before, new)
        object_validation.check_update(
            self._steps.cluster, resource, target.subresource, before, new, warnings, dry_run=request.dry_run
        )
        shown = (new, before) if view is None else (view.of(new), view.of(before))
        await self._steps.admission.validate(attributes, *shown)
        return new

    def _store(self, resource: Resource, old: Object, new: Object) -> Object:
        """Stores a finished update; one that empties the finalizers of a dying object removes it."""
        written = self._steps.lifecycle.store(resource, old, new)
        if written is not old and not ends(old, written):
            self._steps.lifecycle.written(resource, written)
        return written
