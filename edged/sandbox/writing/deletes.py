"""DELETE, of one object or of a collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edged.sandbox.cluster import Object
from edged.sandbox.kinds.builtin_kinds import RETURNED_WHEN_DELETED
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import codec
from edged.sandbox.protocol.api_status import conflict, invalid_options, success
from edged.sandbox.protocol.negotiation import negotiate
from edged.sandbox.protocol.query_options import check_list, dry_run_causes, flag, number, propagation_causes
from edged.sandbox.protocol.request import Request, Response, Target, json_response
from edged.sandbox.reading.reads import selection, shown_list
from edged.sandbox.validation import object_validation
from edged.sandbox.writing.write_steps import WriteSteps, refused_with

_JOBS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or "
    "set propagationPolicy=Orphan to suppress this warning"
)


# Of these kinds DELETE answers with the object that was, of others with a Status: ReturnDeletedObject in pkg/registry
# of Kubernetes, and definitions, which are there until their finalizer has run.
class Deleter:
    """Checks the preconditions of a deletion, has it admitted, and hands the object to the lifecycle."""

    def __init__(self, steps: WriteSteps) -> None:
        self._steps = steps

    async def delete(self, target: Target, request: Request) -> Response:
        options, request = self._delete_options(request)
        old = self._steps.existing(target)
        resource = target.resource
        warnings = _job_warnings(resource, options)
        with refused_with(warnings):
            removed, gone = await self._delete_one(target, request, old, options, warnings)
        if gone and (resource.custom or resource.kind not in RETURNED_WHEN_DELETED):
            details = {"name": target.name, "kind": resource.plural, "uid": old["metadata"]["uid"]}
            if resource.group:
                details["group"] = resource.group
            return json_response(200, success(details=details), warnings)
        status = 202 if not gone and options.get("orphanDependents") is False else 200
        return self._steps.answer(status, resource, removed, request, warnings)

    async def delete_collection(self, target: Target, request: Request) -> Response:
        check_list(request.query, watch=False)
        options, request = self._delete_options(request)
        chosen, resource = selection(target, request.query), target.resource
        removed, warnings = [], _job_warnings(resource, options)
        found = [each for each in self._steps.cluster.storage.list(resource.bucket, target.namespace)
                 if chosen.matches(each)]  # fmt: skip
        for old in found:  # what cannot be had in this version is found before anything is gone
            self._steps.cluster.present(resource, old)
        for old in found:
            one = Target(resource, old["metadata"].get("namespace"), old["metadata"]["name"])
            await self._delete_one(one, request, old, options, warnings, collection=True)
            removed.append(old)
        cluster = self._steps.cluster
        metadata = {"resourceVersion": str(cluster.storage.version)}
        form = negotiate(request, custom=resource.custom)
        return json_response(200, shown_list(cluster, resource, removed, metadata, form), warnings)

    async def _delete_one(
        self,
        target: Target,
        request: Request,
        old: Object,
        options: Object,
        warnings: list[str],
        *,
        collection: bool = False,
    ) -> tuple[Object, bool]:
        """The last state and whether the object is gone (False: finalizers hold it)."""
        resource = target.resource
        object_validation.check_delete(resource, old)
        check_preconditions(resource, old, options)
        attributes = self._steps.attributes("DELETE", target, request, None, warnings, options)
        if collection:
            attributes.name = ""
        before = self._steps.cluster.present(resource, old)
        await self._steps.admission.mutate(attributes, None, before)
        await self._steps.admission.validate(attributes, None, before)
        current = self._steps.cluster.storage.get(resource.bucket, target.key)
        if current is None:
            return old, True
        return self._steps.lifecycle.delete(resource, current, options, dry_run=request.dry_run)

    def _delete_options(self, request: Request) -> tuple[Object, Request]:
        """DeleteOptions of the body or, without one, of the query; and the request with their dryRun. Raises 400, 415
        and 422."""
        options = codec.delete_options(self._steps.cluster, request) if request.body else _of_query(request.query)
        check_delete_options(options)
        query = {key: value for key, value in request.query.items() if key != "dryRun"}
        return options, replace(request, query=query | ({"dryRun": "All"} if options.get("dryRun") else {}))


def _job_warnings(resource: Resource, options: Object) -> list[str]:
    """Jobs alone leave behind what they own, unless the client says something about it."""
    said = options.get("propagationPolicy") is not None or options.get("orphanDependents") is not None
    return [_JOBS] if resource.bucket == "jobs.batch" and not said else []


def _of_query(query: Mapping[str, str]) -> Object:
    options: Object = {}
    if "propagationPolicy" in query:
        options["propagationPolicy"] = query["propagationPolicy"]
    if (seconds := number(query, "gracePeriodSeconds")) is not None:
        options["gracePeriodSeconds"] = seconds
    if (orphan := flag(query, "orphanDependents")) is not None:
        options["orphanDependents"] = orphan
    if "dryRun" in query:
        options["dryRun"] = [query["dryRun"]]
    return options


def check_delete_options(options: Object) -> None:
    """Raises 422."""
    causes = [
        *propagation_causes(
            options.get("propagationPolicy"), orphan_dependents=options.get("orphanDependents") is not None
        ),
        *dry_run_causes(options.get("dryRun") or []),
    ]
    if causes:
        raise invalid_options("DeleteOptions", causes)


def check_preconditions(resource: Resource, old: Object, options: Object) -> None:
    """Raises 409 where the object is not the one, or not in the version, that the options ask for."""
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
