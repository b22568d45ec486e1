"""create, update, patch, delete: the order of decoding, defaulting, admission, validation and storing.

Called by api.py. Waits only for admission webhooks; between reading and storing others may write, so an update
without a resourceVersion is tried again on the new state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from edged.kube.values.names import NamespacedName
from edged.sandbox import codec, defaults, fieldsets, patches, schemas, validation
from edged.sandbox.admission import Admission, Attributes
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.lifecycle import Lifecycle
from edged.sandbox.reads import negotiate, selection, shown
from edged.sandbox.request import Request, Response, Target, json_response
from edged.sandbox.resources import Resource
from edged.sandbox.status import (
    ApiStatus,
    Cause,
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    invalid_options,
    method_not_allowed,
    modified,
    not_found,
    success,
    unsupported_media_type,
)
from edged.sandbox.storage import KeyAbsent, KeyExists, VersionMismatch

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
# How often an update without a resourceVersion is tried on a newer state before it is a conflict.
ATTEMPTS = 10

Change = Callable[[Object], Object]


def copy_of(obj: Object) -> Object:
    """A deep copy; stored objects must not be changed in place."""
    result: Object = orjson.loads(orjson.dumps(obj))
    return result


class Writer:
    """The write half of the API."""

    def __init__(self, cluster: Cluster, admission: Admission, lifecycle: Lifecycle) -> None:
        self.cluster = cluster
        self.admission = admission
        self.lifecycle = lifecycle

    # --- create

    async def create(self, target: Target, request: Request) -> Response:
        if target.name:
            raise method_not_allowed()
        check_dry_run(request)
        resource, warnings = target.resource, list[str]()
        obj = codec.decode(self.cluster, request, resource.kind)
        codec.check_kind(resource, obj)
        obj, found = codec.check_fields(resource, obj, field_validation(request))
        warnings += found
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
        """`applied`: the body of a server-side apply that found nothing, for its field set."""
        resource = target.resource
        self._new_identity(target, obj)
        obj = self._custom_fields(resource, obj, request, warnings)
        self._check_namespace(resource, obj)
        defaults.prepare_create(self.cluster, resource, obj)
        self._manage(request, target, None, obj, applied)
        attributes = self._attributes("CREATE", target, request, obj, warnings)
        obj = await self.admission.mutate(attributes, obj, None)
        defaults.apply(resource, obj)
        obj = self._pruned(resource, obj)
        validation.check_create(self.cluster, resource, obj)
        await self.admission.validate(attributes, obj, None)
        self._check_namespace(resource, obj)
        if request.dry_run:
            if self.cluster.storage.get(resource.bucket, _key(obj)) is not None:
                raise already_exists(resource.named, obj["metadata"]["name"])
            return self._answer(201, resource, obj, request, warnings)
        try:
            stored = self.cluster.storage.create(resource.bucket, self.cluster.stored(resource, obj))
        except KeyExists:
            raise already_exists(resource.named, obj["metadata"]["name"]) from None
        self.lifecycle.written(resource, stored)
        return self._answer(201, resource, stored, request, warnings)

    def _new_identity(self, target: Target, obj: Object) -> None:
        """Fills metadata as the registry does before admission. Raises the errors of BeforeCreate."""
        metadata = obj.setdefault("metadata", {}) or {}
        obj["metadata"] = metadata
        if metadata.get("resourceVersion"):
            raise ApiStatus(500, "", "resourceVersion should not be set on objects to be created")
        set_namespace(target, metadata)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = metadata["generateName"] + self.cluster.name_suffix()
        for field in ("resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
            metadata.pop(field, None)
        metadata["uid"] = self.cluster.new_uid()
        metadata["creationTimestamp"] = self.cluster.timestamp()
        metadata.pop("generation", None)
        if target.resource.generation:
            metadata["generation"] = 1
        if not metadata.get("name"):
            cause = Cause("metadata.name", "Required value: name or generateName is required", "FieldValueRequired")
            raise invalid(target.resource.named, "", [cause])

    def _check_namespace(self, resource: Resource, obj: Object) -> None:
        if not resource.namespaced:
            return
        name = obj["metadata"]["namespace"]
        namespaces = self.cluster.registry.find("", "v1", "namespaces")
        assert namespaces is not None
        namespace = self.cluster.storage.get("namespaces", NamespacedName("", name))
        if namespace is None:
            raise not_found(namespaces.named, name)
        if namespace["metadata"].get("deletionTimestamp"):
            why = f"unable to create new content in namespace {name} because it is being terminated"
            cause = Cause("metadata.namespace", f"namespace {name} is being terminated", "NamespaceTerminating")
            raise forbidden(resource.named, obj["metadata"]["name"], why, [cause])

    # --- update and patch

    async def update(self, target: Target, request: Request) -> Response:
        check_dry_run(request)
        resource, warnings = target.resource, list[str]()
        body = codec.decode(self.cluster, request, resource.kind)
        codec.check_kind(resource, body)
        body, found = codec.check_fields(resource, body, field_validation(request))
        warnings += found
        body = self._custom_fields(resource, body, request, warnings)
        metadata = body.setdefault("metadata", {})
        check_identity(target, metadata)
        self._require_version(resource, target, metadata)
        return await self.change(target, request, lambda _old: copy_of(body), warnings)

    def _require_version(self, resource: Resource, target: Target, metadata: Object) -> None:
        if resource.custom and not metadata.get("resourceVersion"):
            why = "Invalid value: 0: must be specified for an update"
            raise invalid(resource.named, target.name, [Cause("metadata.resourceVersion", why)])

    async def patch(self, target: Target, request: Request) -> Response:
        check_dry_run(request)
        if not target.name:
            raise method_not_allowed()
        media_type, warnings = request.media_type, list[str]()
        if media_type == APPLY:
            return await self._apply(target, request)
        change = self._patch_function(target, request, media_type, warnings)
        return await self.change(target, request, change, warnings)

    def _patch_function(self, target: Target, request: Request, media_type: str, warnings: list[str]) -> Change:
        resource = target.resource
        accepted = [JSON_PATCH, MERGE, APPLY] if resource.custom else [JSON_PATCH, MERGE, STRATEGIC, APPLY]
        if media_type not in accepted:
            raise unsupported_media_type(accepted)
        try:
            patch = orjson.loads(request.body)
        except ValueError as error:
            raise bad_request(f"error decoding patch: {error}") from error

        def change(old: Object) -> Object:
            current = self.cluster.present(resource, copy_of(old))
            new = _patched(current, patch, media_type, resource)
            if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
                raise bad_request("the patch leaves no object")
            check_identity(target, new["metadata"], patched=True)
            self._check_patched_uid(target, current, new)
            if new["metadata"].get("resourceVersion") == current["metadata"]["resourceVersion"] and not (
                _names_version(patch)
            ):
                del new["metadata"]["resourceVersion"]
            codec.check_kind(resource, new)
            warnings.clear()
            new, found = codec.check_fields(resource, new, field_validation(request))
            warnings.extend(found)
            return self._custom_fields(resource, new, request, warnings, patched=True)

        return change

    def _check_patched_uid(self, target: Target, current: Object, new: Object) -> None:
        uid = new["metadata"].get("uid")
        if uid and uid != current["metadata"]["uid"]:
            why = f'Invalid value: "{uid}": field is immutable'
            raise invalid(target.resource.named, target.name, [Cause("metadata.uid", why)])

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
            old = self._existing(target)
            new = change(old)
            insisted = self._check_version(target, old, new)
            new = await self._admitted(target, request, old, new, warnings, applied)
            if request.dry_run:
                return self._answer(200, target.resource, new, request, warnings)
            try:
                stored = self.store(target.resource, old, new)
            except (VersionMismatch, KeyAbsent):
                if insisted:
                    raise modified(target.resource.named, target.name) from None
                continue
            return self._answer(200, target.resource, stored, request, warnings)
        raise modified(target.resource.named, target.name)

    def _existing(self, target: Target) -> Object:
        old = self.cluster.storage.get(target.resource.bucket, target.key)
        if old is None:
            raise not_found(target.resource.named, target.name)
        return old

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
        before = self.cluster.present(resource, old)
        defaults.prepare_update(resource, target.subresource, before, new)
        self._manage(request, target, before, new, applied)
        attributes = self._attributes("UPDATE", target, request, new, warnings)
        new = await self.admission.mutate(attributes, new, before)
        defaults.apply(resource, new)
        new = self._pruned(resource, new)
        defaults.set_generation(resource, before, new)
        validation.check_update(self.cluster, resource, target.subresource, before, new)
        await self.admission.validate(attributes, new, before)
        return new

    def store(self, resource: Resource, old: Object, new: Object) -> Object:
        """Stores a finished update; one that empties the finalizers of a dying object removes it."""
        stored = self.cluster.stored(resource, new)
        metadata = stored["metadata"]
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers") and not _terminating(stored):
            written = self.cluster.storage.update(resource.bucket, stored, expected=old)
            self.lifecycle.remove(resource, _key(written))
            return written
        written = self.cluster.storage.update(resource.bucket, stored, expected=old)
        if written is not old:
            self.lifecycle.written(resource, written)
        return written

    async def _apply(self, target: Target, request: Request) -> Response:
        resource, warnings = target.resource, list[str]()
        manager = request.query.get("fieldManager", "")
        if not manager:
            why = "Required value: is required for apply patch"
            raise invalid_options("PatchOptions", [Cause("fieldManager", why, "FieldValueRequired")])
        body = codec.parse_text(request.body, resource.kind, yaml=True)
        if not body.get("kind") or not body.get("apiVersion"):
            raise bad_request(f"invalid object type: {body.get('apiVersion', '')}/, Kind={body.get('kind', '')}")
        codec.check_kind(resource, body)
        if (body.get("metadata") or {}).get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        body, found = codec.check_fields(resource, body, field_validation(request))
        warnings += found
        body = self._custom_fields(resource, body, request, warnings, complete=False)
        metadata = body.setdefault("metadata", {})
        check_identity(target, metadata)
        if self.cluster.storage.get(resource.bucket, target.key) is None:
            if target.subresource:
                raise not_found(resource.named, target.name)
            return await self.create_object(target, request, copy_of(body), warnings, applied=body)
        force = request.query.get("force") == "true"

        def change(old: Object) -> Object:
            return fieldsets.apply(
                self.cluster.present(resource, copy_of(old)), copy_of(body), resource.shape, manager,
                api_version=resource.api_version, subresource=target.subresource, force=force,
            )  # fmt: skip

        return await self.change(target, request, change, warnings, applied=body)

    # --- delete

    async def delete(self, target: Target, request: Request) -> Response:
        check_dry_run(request)
        options = self._delete_options(request)
        old = self._existing(target)
        removed, gone = await self._delete_one(target, request, old, options)
        resource = target.resource
        if gone and resource.kind not in ("Pod", "Namespace", "CustomResourceDefinition"):
            details = {"name": target.name, "kind": resource.plural, "uid": old["metadata"]["uid"]}
            if resource.group:
                details["group"] = resource.group
            return json_response(200, success(details=details))
        return self._answer(200, resource, removed, request, [])

    async def delete_collection(self, target: Target, request: Request) -> Response:
        check_dry_run(request)
        options = self._delete_options(request)
        chosen, resource = selection(target, request.query), target.resource
        removed = []
        for old in self.cluster.storage.list(resource.bucket, target.namespace):
            if not chosen.matches(old):
                continue
            one = Target(resource, old["metadata"].get("namespace"), old["metadata"]["name"])
            last, _gone = await self._delete_one(one, request, old, options, collection=True)
            removed.append(self.cluster.present(resource, last))
        metadata = {"resourceVersion": str(self.cluster.storage.version)}
        body = {
            "kind": resource.list_kind, "apiVersion": resource.api_version, "metadata": metadata, "items": removed,
        }  # fmt: skip
        return json_response(200, body)

    async def _delete_one(
        self, target: Target, request: Request, old: Object, options: Object, *, collection: bool = False
    ) -> tuple[Object, bool]:
        """The last state and whether the object is gone (False: finalizers hold it)."""
        resource = target.resource
        validation.check_delete(resource, old)
        self._preconditions(resource, old, options)
        attributes = self._attributes("DELETE", target, request, None, [], options)
        if collection:
            attributes.name = ""
        before = self.cluster.present(resource, old)
        await self.admission.mutate(attributes, None, before)
        await self.admission.validate(attributes, None, before)
        if request.dry_run:
            return old, not old["metadata"].get("finalizers")
        current = self.cluster.storage.get(resource.bucket, target.key)
        if current is None:
            return old, True
        return self.lifecycle.delete(resource, current, options.get("propagationPolicy") or "Background")

    def _delete_options(self, request: Request) -> Object:
        body = codec.decode(self.cluster, request, "DeleteOptions") if request.body.strip() else {}
        for field in ("propagationPolicy", "gracePeriodSeconds"):
            if field in request.query:
                body[field] = request.query[field]
        if "gracePeriodSeconds" in body:
            body["gracePeriodSeconds"] = _seconds(body["gracePeriodSeconds"])
        return body

    def _preconditions(self, resource: Resource, old: Object, options: Object) -> None:
        wanted, metadata, name = options.get("preconditions") or {}, old["metadata"], old["metadata"]["name"]
        uid, version = wanted.get("uid"), wanted.get("resourceVersion")
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

    # --- shared

    def _custom_fields(
        self,
        resource: Resource,
        obj: Object,
        request: Request,
        warnings: list[str],
        *,
        patched: bool = False,
        complete: bool = True,
    ) -> Object:
        """Pruning and defaults of custom resources. `complete` False: an applied fragment gets no defaults."""
        if not resource.custom:
            return obj
        obj, unknown = schemas.prune(obj, resource.schema or {})
        findings = [f'unknown field "{path}"' for path in unknown]
        mode = field_validation(request)
        if findings and mode == "Strict" and patched:
            why = "strict decoding error: " + ", ".join(findings)
            text = orjson.dumps(obj).decode()
            raise invalid_patch(f"Invalid value: {orjson.dumps(text).decode()}: {why}")
        warnings += codec.strictness(resource, findings, mode)
        full: Object = schemas.with_defaults(obj, resource.schema or {}) if complete else obj
        return full

    def _pruned(self, resource: Resource, obj: Object) -> Object:
        """What a mutating webhook left: unknown fields go, defaults come back."""
        if resource.custom:
            schema = resource.schema or {}
            full: Object = schemas.with_defaults(schemas.prune(obj, schema)[0], schema)
            return full
        return codec.check_fields(resource, obj, "Ignore")[0]

    def _attributes(
        self,
        operation: str,
        target: Target,
        request: Request,
        obj: Object | None,
        warnings: list[str],
        options: Object | None = None,
    ) -> Attributes:
        resource = target.resource
        name = obj["metadata"]["name"] if obj is not None else target.name
        namespace = (obj["metadata"].get("namespace") if obj is not None else target.namespace) or ""
        if resource.bucket == "namespaces":
            namespace = name
        return Attributes(
            operation=operation, resource=resource, subresource=target.subresource, namespace=namespace, name=name,
            user=request.user, dry_run=request.dry_run, options=request_options(operation, request, options),
            warnings=warnings,
        )  # fmt: skip

    def _manage(
        self, request: Request, target: Target, old: Object | None, new: Object, applied: Object | None
    ) -> None:
        agent = request.headers.get("user-agent", "").partition("/")[0] or "unknown"
        fieldsets.track(
            old, new, target.resource.shape, manager=request.query.get("fieldManager") or agent,
            api_version=target.resource.api_version, subresource=target.subresource, applied=applied,
            time=self.cluster.timestamp(),
        )  # fmt: skip

    def _answer(self, code: int, resource: Resource, obj: Object, request: Request, warnings: list[str]) -> Response:
        return json_response(code, shown(self.cluster, resource, obj, negotiate(request)), warnings)


def request_options(operation: str, request: Request, options: Object | None = None) -> Object:
    """CreateOptions, UpdateOptions or DeleteOptions as webhooks see them."""
    kind = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}[operation]
    result: Object = {"kind": kind, "apiVersion": "meta.k8s.io/v1"}
    result |= {key: value for key, value in (options or {}).items() if key not in ("kind", "apiVersion")}
    if request.dry_run:
        result["dryRun"] = ["All"]
    if operation != "DELETE":
        result |= {k: request.query[k] for k in ("fieldManager", "fieldValidation") if request.query.get(k)}
    return result


def field_validation(request: Request) -> str:
    """Strict, Warn (the default) or Ignore. Raises 422."""
    mode = request.query.get("fieldValidation") or "Warn"
    if mode not in ("Strict", "Warn", "Ignore"):
        why = f'Unsupported value: "{mode}": supported values: "Ignore", "Strict", "Warn"'
        raise invalid_options("CreateOptions", [Cause("fieldValidation", why, "FieldValueNotSupported")])
    return mode


def check_dry_run(request: Request) -> None:
    value = request.query.get("dryRun")
    if value and value != "All":
        kinds = {
            "POST": "CreateOptions",
            "PUT": "UpdateOptions",
            "PATCH": "PatchOptions",
            "DELETE": "DeleteOptions",
        }
        why = f'Unsupported value: ["{value}"]: supported values: "All"'
        raise invalid_options(
            kinds.get(request.method, "CreateOptions"), [Cause("dryRun", why, "FieldValueNotSupported")]
        )


def set_namespace(target: Target, metadata: Object) -> None:
    """The namespace of the URL; a body may repeat it, not contradict it."""
    stated = metadata.get("namespace") or ""
    if stated != (target.namespace or "") and stated:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if target.namespace:
        metadata["namespace"] = target.namespace
    else:
        metadata.pop("namespace", None)
    if target.resource.namespaced and not target.namespace:
        raise bad_request("an empty namespace may not be set during creation")


def check_identity(target: Target, metadata: Object, *, patched: bool = False) -> None:
    """Name and namespace of a body that updates are those of the URL; absent ones are filled in."""
    name = metadata.get("name") or ("" if patched else target.name)
    if name != target.name:
        raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({target.name})")
    metadata["name"] = name
    set_namespace(target, metadata)


def invalid_patch(why: str) -> ApiStatus:
    details = {"causes": [{"reason": "FieldValueInvalid", "message": why, "field": "patch"}]}
    return ApiStatus(422, "Invalid", f' "" is invalid: patch: {why}', details)


def _patched(current: Object, patch: Any, media_type: str, resource: Resource) -> Any:
    if media_type == JSON_PATCH:
        return patches.json_patch(current, patch)
    if not isinstance(patch, dict):
        raise bad_request("error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}")
    if media_type == MERGE:
        return patches.merge_patch(current, patch)
    return patches.strategic_patch(current, patch, resource.shape)


def _names_version(patch: Any) -> bool:
    if isinstance(patch, dict):
        return bool((patch.get("metadata") or {}).get("resourceVersion"))
    return any(op.get("path") == "/metadata/resourceVersion" and op.get("op") != "test" for op in patch)


def _terminating(obj: Object) -> bool:
    """Namespaces are held by spec.finalizers, not by metadata."""
    return obj["kind"] == "Namespace" and bool(obj["spec"].get("finalizers"))


def _key(obj: Object) -> NamespacedName:
    return NamespacedName(obj["metadata"].get("namespace") or "", obj["metadata"]["name"])


def _seconds(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise bad_request(f"gracePeriodSeconds: {value!r} is not a number") from None
