"""The resources that are served: built-in kinds and, at run time, those of CustomResourceDefinitions.

Pure. `Registry` answers "which resource is this URL about"; api_discovery.py and openapi.py list it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from edged.kube.values.names import GroupVersionResource
from edged.sandbox.custom.versions import Versions, deprecation_warning, priority
from edged.sandbox.kinds.builtin_kinds import DEPRECATED, ROWS
from edged.sandbox.kinds.go_types import ANY, GoTypes, Shape, schema_shape
from edged.sandbox.protocol.api_status import Named

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource in one API version. `bucket` is where its objects are stored, whatever the version."""

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    bucket: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    generation: bool = False  # metadata.generation counts changes of spec
    go_type: str = ""  # "" for custom resources
    list_kind: str = ""
    shape: Shape = ANY
    schema: dict[str, Any] | None = None  # custom resources: the structural schema
    columns: tuple[dict[str, Any], ...] = ()  # custom resources: additionalPrinterColumns
    scale: dict[str, str] | None = None  # custom resources: subresources.scale
    versions: Versions | None = None  # custom resources: all versions of the definition
    selectable: tuple[str, ...] = ()  # custom resources: selectableFields, `spec.color`
    deprecation: str = ""  # what requests in a deprecated version are told
    definition: Any = None  # custom resources: what of the definition decides how they are served

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def named(self) -> Named:
        return Named(self.group, self.kind, self.plural)

    @property
    def gvr(self) -> GroupVersionResource:
        return GroupVersionResource(self.group, self.version, self.plural)

    @property
    def custom(self) -> bool:
        return not self.go_type

    @property
    def has_status(self) -> bool:
        return "status" in self.subresources


@dataclass(slots=True)
class Registry:
    """Resources by group, version and plural. `revision` rises with every change. `made` are documents about custom
    resources, until the next change."""

    types: GoTypes
    revision: int = 0
    made: dict[str, bytes] = field(default_factory=dict)
    _resources: dict[GroupVersionResource, Resource] = field(default_factory=dict)

    def add(self, resource: Resource) -> None:
        self._resources[resource.gvr] = resource
        self._changed()

    def remove(self, resource: Resource) -> None:
        if self._resources.pop(resource.gvr, None) is not None:
            self._changed()

    def _changed(self) -> None:
        self.revision += 1
        self.made.clear()

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        return self._resources.get(GroupVersionResource(group, version, plural))

    def by_kind(self, api_version: str, kind: str) -> Resource | None:
        return next((r for r in self if r.api_version == api_version and r.kind == kind), None)

    def has_version(self, group: str, version: str) -> bool:
        return any(r.group == group and r.version == version for r in self)

    def is_custom(self, group: str) -> bool:
        """Whether definitions have made the group: what is not served of it gets a plain page."""
        return any(r.group == group and r.custom for r in self)

    def has_group(self, group: str) -> bool:
        return any(r.group == group for r in self)

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._resources.values()))

    def group_versions(self) -> list[tuple[str, str]]:
        """(group, version) in a stable order, core first; the first version of a group is the preferred one."""
        return sorted({(r.group, r.version) for r in self}, key=lambda gv: (gv[0] != "", gv[0], priority(gv[1])))

    def in_version(self, group: str, version: str) -> list[Resource]:
        return sorted((r for r in self if (r.group, r.version) == (group, version)), key=lambda r: r.plural)


# Kinds that are only ever POSTed and answered at once: authorization and authentication reviews.
_REVIEWS = (
    ("authentication.k8s.io", "v1", "authentication/v1", (
        ("TokenReview", "tokenreviews", False),
        ("SelfSubjectReview", "selfsubjectreviews", False),
    )),
    ("authorization.k8s.io", "v1", "authorization/v1", (
        ("LocalSubjectAccessReview", "localsubjectaccessreviews", True),
        ("SelfSubjectAccessReview", "selfsubjectaccessreviews", False),
        ("SelfSubjectRulesReview", "selfsubjectrulesreviews", False),
        ("SubjectAccessReview", "subjectaccessreviews", False),
    )),
)  # fmt: skip


def builtin_registry(types: GoTypes) -> Registry:
    """A registry of every built-in kind."""
    registry = Registry(types)
    for group, version, package, rows in ROWS:
        for row in rows:
            registry.add(_builtin(types, group, version, package, row))
    for group, version, package, reviews in _REVIEWS:
        for kind, plural, namespaced in reviews:
            registry.add(_review(types, group, version, f"{package}.{kind}", plural, namespaced))
    return registry


def _builtin(types: GoTypes, group: str, version: str, package: str, row: tuple[str, str, str, str, str]) -> Resource:
    kind, plural, short, flags, subresources = row
    bucket = "events" if kind == "Event" else f"{plural}.{group}" if group else plural
    categories = (["all"] if "a" in flags else []) + (["api-extensions"] if "x" in flags else [])
    return Resource(
        group, version, kind, plural, kind.lower(), bucket, "n" in flags,
        short_names=tuple(short.split()), categories=tuple(categories), subresources=tuple(subresources.split()),
        generation="g" in flags, go_type=f"{package}.{kind}", list_kind=f"{kind}List",
        verbs=tuple(verb for verb in ALL_VERBS if verb != "deletecollection" or kind != "Namespace"),
        shape=_rooted(types, f"{package}.{kind}"), deprecation=DEPRECATED.get((group, version, plural), ""),
    )  # fmt: skip


def _review(types: GoTypes, group: str, version: str, go_type: str, plural: str, namespaced: bool) -> Resource:
    kind = go_type.rpartition(".")[2]
    return Resource(
        group, version, kind, plural, kind.lower(), "", namespaced, verbs=("create",), go_type=go_type,
        shape=_rooted(types, go_type),
    )  # fmt: skip


def _rooted(types: GoTypes, go_type: str) -> Shape:
    """Adds the fields of TypeMeta, which types.json leaves out because every root has them."""
    shape = types.shape(go_type)
    children = types.children_of(go_type)
    text = types.shape("string")
    children.setdefault("apiVersion", text)
    children.setdefault("kind", text)
    return shape


_CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
_TERMINATING_VERBS = ("delete", "deletecollection", "get", "list", "watch")


def custom_resources(crd: dict[str, Any], types: GoTypes, *, terminating: bool = False) -> list[Resource]:
    """One Resource per served version of a CustomResourceDefinition as stored, by its accepted names."""
    spec, names = crd["spec"], (crd.get("status") or {}).get("acceptedNames") or crd["spec"]["names"]
    metadata, versions = types.shape("meta/v1.ObjectMeta"), _versions(spec)
    resources = []
    for version in spec["versions"]:
        if not version.get("served"):
            continue
        schema, subresources = versions.schemas[version["name"]], version.get("subresources") or {}
        resources.append(Resource(
            spec["group"], version["name"], names["kind"], spec["names"]["plural"], names.get("singular") or "",
            f"{spec['names']['plural']}.{spec['group']}", spec["scope"] == "Namespaced",
            short_names=tuple(names.get("shortNames") or ()), categories=tuple(names.get("categories") or ()),
            subresources=tuple(s for s in ("status", "scale") if subresources.get(s) is not None), generation=True,
            verbs=_TERMINATING_VERBS if terminating else _CUSTOM_VERBS,
            list_kind=names.get("listKind") or "", shape=schema_shape(schema, metadata), schema=schema,
            columns=tuple(version.get("additionalPrinterColumns") or ()), scale=subresources.get("scale"),
            versions=versions, deprecation=deprecation_warning(spec, version), definition=(spec, names),
            selectable=tuple(f["jsonPath"].removeprefix(".") for f in version.get("selectableFields") or ()),
        ))  # fmt: skip
    return resources


def _versions(spec: dict[str, Any]) -> Versions:
    conversion = spec.get("conversion") or {}
    return Versions(
        spec["group"], next((each["name"] for each in spec["versions"] if each.get("storage")), ""),
        {each["name"]: (each.get("schema") or {}).get("openAPIV3Schema") or {} for each in spec["versions"]},
        conversion.get("webhook") if conversion.get("strategy") == "Webhook" else None,
    )  # fmt: skip
