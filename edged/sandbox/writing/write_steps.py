"""What the writes have in common on their way from a request to the storage.

Called by creates.py, updates.py, patch_requests.py and deletes.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edged.json_text import dumps, loads
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.webhook_admission import Admission
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.custom import custom_definitions, whole_objects
from edged.sandbox.custom.converter import Converter
from edged.sandbox.kinds import disabled_fields
from edged.sandbox.kinds.resources import Resource
from edged.sandbox.protocol import codec
from edged.sandbox.protocol.api_status import ApiStatus, forbidden, not_found
from edged.sandbox.protocol.negotiation import negotiate
from edged.sandbox.protocol.request import Request, Response, Target, json_response
from edged.sandbox.protocol.warning_headers import warning_headers
from edged.sandbox.protocol.write_options import field_validation, request_options
from edged.sandbox.reading.reads import shown
from edged.sandbox.writing import fieldsets
from edged.sandbox.writing.lifecycle import Lifecycle


class WriteSteps:
    """The steps that more than one verb takes, and what they work on."""

    def __init__(self, cluster: Cluster, admission: Admission, lifecycle: Lifecycle, converter: Converter) -> None:
        self.cluster = cluster
        self.admission = admission
        self.lifecycle = lifecycle
        self.converter = converter

    def body(self, resource: Resource, request: Request) -> tuple[Object, list[str]]:
        """The object of a request, with the fields of its kind, and warnings; of custom resources see custom_fields."""
        body = codec.read(self.cluster, request, resource.kind)
        codec.check_has_kind(resource, body.value, request.body)
        codec.check_kind(self.cluster, resource, body.value)
        found = [*body.found]
        obj = codec.check_fields(resource, body.value, found)
        return obj, found if resource.custom else codec.strictness(resource, found, field_validation(request))

    def check_definition(self, resource: Resource, obj: Object) -> None:
        """No custom resource is created while its definition is being deleted."""
        crd = custom_definitions.definition_of(self.cluster, resource)
        if crd is not None and crd["metadata"].get("deletionTimestamp"):
            why = "create not allowed while custom resource definition is terminating"
            raise forbidden(resource.named, obj["metadata"].get("name") or "", why)

    def custom_fields(
        self,
        resource: Resource,
        obj: Object,
        request: Request,
        warnings: list[str],
        *,
        patched: bool = False,
        complete: bool = True,
    ) -> Object:
        """Pruning and defaults of custom resources. `warnings` has what was found so far, and is judged with what is
        found here. `complete` False: an applied fragment gets no defaults."""
        if not resource.custom:
            return obj
        obj, unknown = whole_objects.pruned(obj, resource.schema or {})
        found = [*warnings, *(f'unknown field "{path}"' for path in unknown)]
        warnings.clear()  # what is an error is no warning besides
        mode = field_validation(request)
        if patched:
            check_patched(found, mode, lambda: dumps(obj).decode())
        warnings[:] = codec.strictness(resource, found, mode)
        return whole_objects.completed(obj, resource.schema or {}) if complete else obj

    def pruned(self, resource: Resource, obj: Object) -> Object:
        """What a mutating webhook left: unknown fields and those of disabled features go, defaults come back."""
        if resource.custom:
            schema = resource.schema or {}
            return whole_objects.completed(whole_objects.pruned(obj, schema)[0], schema)
        obj = codec.check_fields(resource, obj, [])
        disabled_fields.drop(resource.bucket, obj)
        return obj

    def attributes(
        self,
        operation: str,
        target: Target,
        request: Request,
        obj: Object | None,
        warnings: list[str],
        options: Object | None = None,
    ) -> Attributes:
        resource = target.resource
        name = str(obj["metadata"].get("name") or "") if obj is not None else target.name
        namespace = (obj["metadata"].get("namespace") if obj is not None else target.namespace) or ""
        if resource.bucket == "namespaces":
            namespace = name
        return Attributes(
            operation=operation, resource=resource, subresource=target.subresource, namespace=namespace, name=name,
            user=request.user, dry_run=request.dry_run, options=request_options(operation, request, options),
            warnings=warnings,
        )  # fmt: skip

    def manage(self, request: Request, target: Target, old: Object | None, new: Object, applied: Object | None) -> None:
        """managedFields; those of a server-side apply are there already."""
        if applied is None:
            fieldsets.track(old, new, self.writing(request, target), self.cluster.types)

    def writing(self, request: Request, target: Target) -> fieldsets.Writing:
        """Who writes: the client names itself, or its User-Agent does."""
        agent = "".join(c for c in request.headers.get("user-agent", "").partition("/")[0] if c.isprintable())[:128]
        manager = request.query.get("fieldManager") or agent or "unknown"
        return fieldsets.Writing(target.resource, target.subresource, manager, self.cluster.timestamp())

    def answer(self, code: int, resource: Resource, obj: Object, request: Request, warnings: list[str]) -> Response:
        form = negotiate(request, custom=resource.custom)
        return json_response(code, shown(self.cluster, resource, obj, form), warnings)

    def existing(self, target: Target) -> Object:
        old = self.cluster.storage.get(target.resource.bucket, target.key)
        if old is None:
            raise not_found(target.resource.named, target.name)
        return old


@contextmanager
def refused_with(warnings: list[str]) -> Iterator[None]:
    """A refusal within carries the warnings that there are by then."""
    try:
        yield
    except ApiStatus as refusal:
        if not any(name == "Warning" for name, _ in refusal.headers):
            refusal.headers += tuple(warning_headers(warnings))
        raise


def copy_of(obj: Object) -> Object:
    """A deep copy; stored objects must not be changed in place."""
    result: Object = loads(dumps(obj))
    return result


def check_patched(found: list[str], mode: str, shown: Callable[[], str]) -> None:
    """Raises 422 if what was found in a patch and its result may not be; `shown` is what the error shows."""
    if found and mode == "Strict":
        raise invalid_patch(shown(), codec.strict_problem(found))


def invalid_patch(shown: str, problem: str) -> ApiStatus:
    """422 for a patch whose result is no object of the kind; `shown` is the patch or that result."""
    why = f"Invalid value: {dumps(shown).decode()}: {problem}"
    details = {"causes": [{"reason": "FieldValueInvalid", "message": why, "field": "patch"}]}
    return ApiStatus(422, "Invalid", f' "" is invalid: patch: {why}', details)
