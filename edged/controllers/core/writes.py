"""What a guest writes: the request of the import `write`, and the HTTP request that it becomes.

A write never lands on another object than was meant: what the guest knows of it (uid, resourceVersion) goes with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from edged.controllers.core.codes import invalid
from edged.controllers.core.declarations import MOST_NAME, api_version_of
from edged.controllers.core.fields import Fields
from edged.controllers.core.requests import read_request
from edged.records import dataclass

Verb = Literal["create", "update", "patch", "apply", "delete"]
VERBS: tuple[Verb, ...] = ("create", "update", "patch", "apply", "delete")
_METHODS = {"create": "POST", "update": "PUT", "patch": "PATCH", "apply": "PATCH", "delete": "DELETE"}
_JSON, _MERGE = "application/json", "application/merge-patch+json"
_JSON_PATCH, _APPLY = "application/json-patch+json", "application/apply-patch+yaml"  # JSON is YAML
_PROPAGATIONS = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True, slots=True)
class Owner:
    """The object that a written one belongs to. `api_version` "": to be found by the kind. `blocks`: its deletion in
    the foreground waits for this one, which needs a right on the owner's finalizers."""

    api_version: str
    kind: str
    name: str
    uid: str
    blocks: bool = False


@dataclass(slots=True)
class WriteRequest:
    """`namespace` "": a cluster-scoped object. `name` "": generated at create. `patch`: an object for merge, a list for
    json. `return_existing`: a create that finds the name taken shows who has it. `settle` False: what was written need
    not be seen before the next reconcile."""

    verb: Verb
    api_version: str
    kind: str
    namespace: str
    name: str
    subresource: str = ""
    object: dict[str, Any] | None = None
    patch_type: Literal["merge", "json"] = "merge"
    patch: dict[str, Any] | list[Any] | None = None
    force: bool = False
    uid: str = ""
    resource_version: str = ""
    propagation: str = ""
    dry_run: bool = False
    return_existing: bool = False
    owned_by: Owner | None = None
    settle: bool = True

    @property
    def method(self) -> str:
        return _METHODS[self.verb]

    @property
    def right(self) -> str:
        """The verb as RBAC knows it."""
        return "patch" if self.verb == "apply" else self.verb

    @property
    def content_type(self) -> str:
        if self.verb == "patch":
            return _MERGE if self.patch_type == "merge" else _JSON_PATCH
        return _APPLY if self.verb == "apply" else _JSON

    @property
    def is_conditional(self) -> bool:
        """An update that names the resourceVersion that it replaces."""
        return bool(self.resource_version or _metadata(self.object).get("resourceVersion"))

    def query(self, field_manager: str) -> dict[str, str]:
        """Of the URL. `field_manager`: `edged/` and the name of the module."""
        if self.verb == "delete":
            return {}  # its options are in the body
        query = {"fieldManager": field_manager}
        if self.verb == "apply" and self.force:
            query["force"] = "true"
        return query | ({"dryRun": "All"} if self.dry_run else {})

    def body(self, owner_api_version: str = "") -> dict[str, Any] | list[Any]:
        """What is sent. `owner_api_version`: of `owned_by`, where the guest did not say it. Raises Refused (INVALID)
        where nobody did."""
        if self.verb == "delete":
            return self._delete_options()
        if isinstance(self.patch, list):
            return [*self._expectations(), *self.patch]
        if self.patch is not None:
            return self._with_identity(dict(self.patch), named=False)
        return self._with_owner(self._with_identity(dict(self.object or {}), named=True), owner_api_version)

    def _with_identity(self, body: dict[str, Any], *, named: bool) -> dict[str, Any]:
        metadata = dict(_metadata(body))
        if named:
            body["apiVersion"], body["kind"] = self.api_version, self.kind
            metadata |= {key: value for key, value in (("name", self.name), ("namespace", self.namespace)) if value}
        if self.verb != "create":
            metadata |= self._expected()
        if metadata:
            body["metadata"] = metadata
        return body

    def _expected(self) -> dict[str, str]:
        given = {"uid": self.uid, "resourceVersion": self.resource_version}
        return {name: value for name, value in given.items() if value}

    def _expectations(self) -> list[dict[str, str]]:
        """Replacing what may not change fails where it is something else; a failed `test` would be told as an invalid
        request, not as a conflict."""
        return [{"op": "replace", "path": f"/metadata/{name}", "value": v} for name, v in self._expected().items()]

    def _with_owner(self, body: dict[str, Any], api_version: str) -> dict[str, Any]:
        """A reference that is there already, of the same uid, is replaced."""
        owner = self.owned_by
        if owner is None:
            return body
        version = owner.api_version or api_version
        if not version:
            raise invalid(f"write.ownedBy: needs an apiVersion, since the module does not watch {owner.kind}")
        reference = {
            "apiVersion": version, "kind": owner.kind, "name": owner.name, "uid": owner.uid, "controller": True,
        }  # fmt: skip
        if owner.blocks:
            reference["blockOwnerDeletion"] = True
        given = _metadata(body).get("ownerReferences")
        others = [each for each in given if _uid(each) != owner.uid] if isinstance(given, list) else []
        body["metadata"] = {**_metadata(body), "ownerReferences": [*others, reference]}
        return body

    def _delete_options(self) -> dict[str, Any]:
        body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if expected := self._expected():
            body["preconditions"] = expected
        if self.propagation:
            body["propagationPolicy"] = self.propagation
        if self.dry_run:
            body["dryRun"] = ["All"]
        return body


def _metadata(obj: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = (obj or {}).get("metadata")
    return found if isinstance(found, dict) else {}


def _uid(reference: object) -> object:
    return reference.get("uid") if isinstance(reference, dict) else None


def write_request(data: bytes) -> WriteRequest:
    """Raises Refused (INVALID) naming the field. Whether an update may leave out the resourceVersion is the caller's
    to ask (`is_conditional`)."""
    fields = read_request(data, "write")
    verb = next(each for each in VERBS if each == fields.choice("verb", VERBS))
    conditions = fields.inner("preconditions") if fields.has("preconditions") else Fields({}, "", invalid)
    obj = fields.dictionary("object") if fields.has("object") else None
    request = WriteRequest(
        verb,
        api_version_of(fields),
        fields.text("kind", most=MOST_NAME),
        _named(fields, obj, "namespace"),
        _named(fields, obj, "name"),
        fields.choice("subresource", ("status",), "") if fields.has("subresource") else "",
        obj,
        "json" if fields.choice("patchType", ("merge", "json"), "merge") == "json" else "merge",
        _patch(fields) if verb == "patch" else None,
        fields.flag("force"),
        conditions.text("uid", "", most=MOST_NAME),
        conditions.text("resourceVersion", "", most=MOST_NAME),
        fields.choice("propagation", _PROPAGATIONS) if fields.has("propagation") else "",
        fields.flag("dryRun"),
        fields.choice("onExists", ("return",)) == "return" if fields.has("onExists") else False,
        _owner(fields),
        fields.flag("settle", True),
    )
    _check(request, fields)
    return request


def _named(fields: Fields, obj: dict[str, Any] | None, name: str) -> str:
    """The object may say it itself; both must not say different things."""
    inside = _metadata(obj).get(name)
    given = fields.text(name, "", most=MOST_NAME)
    if given and inside and given != inside:
        raise fields.wrong(name, f"is not that of the object, {inside}")
    if inside is not None and not isinstance(inside, str):
        raise fields.wrong(f"object.metadata.{name}", "must be a string")
    return given or inside or ""


def _patch(fields: Fields) -> dict[str, Any] | list[Any]:
    if fields.value("patchType") == "json":
        return [dict(fields.dictionary_of(each, "patch")) for each in fields.items("patch", most=4096)]
    return fields.dictionary("patch")


def _owner(fields: Fields) -> Owner | None:
    if not fields.has("ownedBy"):
        return None
    given = fields.inner("ownedBy")
    return Owner(
        given.text("apiVersion", "", most=MOST_NAME),
        given.text("kind", most=MOST_NAME),
        given.text("name", most=MOST_NAME),
        given.text("uid", most=MOST_NAME),
        given.flag("blockOwnerDeletion"),
    )


def _check(request: WriteRequest, fields: Fields) -> None:
    """What does not go together."""
    if request.verb in ("create", "update", "apply") and request.object is None:
        raise fields.wrong("object", f"is missing: {request.verb} needs one")
    generates = request.verb == "create" and bool(_metadata(request.object).get("generateName"))
    if not request.name and not generates:
        raise fields.wrong("name", "is missing")
    if request.subresource and request.verb in ("create", "delete"):
        raise fields.wrong("subresource", f"{request.verb} writes whole objects")
    if request.owned_by and request.verb not in ("create", "update", "apply"):
        raise fields.wrong("ownedBy", f"{request.verb} sends no object")
    if request.verb == "create" and (request.uid or request.resource_version):
        raise fields.wrong("preconditions", "what is created has no uid and no resourceVersion yet")
    if request.return_existing and request.verb != "create":
        raise fields.wrong("onExists", "only a create finds that an object exists")
