"""Which fields the objects of a resource can be selected by, and what values they have. Pure.

Every kind has metadata.name; most have metadata.namespace, a custom resource only where it is namespaced. A version of
a CustomResourceDefinition names more (`selectableFields`), and a few built-in kinds have more. Source:
apiextensions-apiserver's pkg/registry/customresource/strategy.go; of built-in kinds the functions that Kubernetes'
pkg/apis/*/*/conversion.go gives to AddFieldLabelConversionFunc, and the `ToSelectableFields` of pkg/registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from edged.kube.values.field_selectors import FieldSelector
from edged.kube.values.go_texts import printed, quoted
from edged.kube.values.names import GroupVersionResource
from edged.kube.values.selectors import BadSelector

Object = Mapping[str, Any]
Reader = Callable[[Object], str]
"""The value of a field as a text; "" where the object lacks it."""


class FieldFilter(NamedTuple):
    """A selector that the API server takes for a kind: matches objects as they are served."""

    terms: tuple[tuple[Reader, str, bool], ...]

    def matches(self, obj: Object) -> bool:
        return all((read(obj) == value) is equal for read, value, equal in self.terms)


class SelectableFields(NamedTuple):
    """Of one resource in one version. `refusal` says of a field that it is none, which stands for `{}`."""

    readers: Mapping[str, Reader]
    refusal: Callable[[str], str]

    def filter(self, selector: FieldSelector) -> FieldFilter:
        """Raises BadSelector where the API server refuses a field, in its words."""
        for term in selector.terms:
            if term.field not in self.readers:
                raise BadSelector(self.refusal(term.field))
        return FieldFilter(tuple((self.readers[term.field], term.value, term.equal) for term in selector.terms))


def of_custom(json_paths: Iterable[str], *, namespaced: bool) -> SelectableFields:
    """`json_paths`: `.spec.color` of each of the version's selectableFields."""
    readers = {"metadata.name": _NAME} | ({"metadata.namespace": _NAMESPACE} if namespaced else {})
    for path in json_paths:
        readers.setdefault(path.removeprefix("."), _at(path.removeprefix(".")))
    return SelectableFields(readers, _not_supported)


def of_unknown() -> SelectableFields:
    """What is certain of every kind. Whether it has the namespace depends on it, so a selector with that is refused."""
    return _CERTAIN


def of_builtin(resource: GroupVersionResource) -> SelectableFields:
    """Of a kind that Kubernetes brings along, CustomResourceDefinitions and APIServices included."""
    fields = _BUILTIN.get((resource.group, resource.resource), _PLAIN)
    if fields is not _RESOURCE_SLICE:
        return fields
    kind = f"{resource.group}/{resource.version}, Kind=ResourceSlice"
    return fields._replace(refusal=lambda field: f"field label not supported for {kind}: {field}")


def _at(path: str) -> Reader:
    """The value below names that are joined by dots. Only whole objects lie on the way."""
    names = tuple(name.replace("\\", "") for name in path.split("."))

    def read(obj: Object) -> str:
        value: object = obj
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return "" if value is None else value if isinstance(value, str) else printed(value)

    return read


def _or(read: Reader, otherwise: str) -> Reader:
    """Of a field of a type that has no empty value."""
    return lambda obj: read(obj) or otherwise


def _first(*readers: Reader) -> Reader:
    return lambda obj: next((value for read in readers if (value := read(obj))), "")


def _pod_ip(obj: Object) -> str:
    """The first of status.podIPs, of which status.podIP is a copy."""
    status = obj.get("status")
    ips = status.get("podIPs") if isinstance(status, Mapping) else None
    if isinstance(ips, list) and ips:
        return _at("ip")(ips[0]) if isinstance(ips[0], Mapping) else ""
    return _at("status.podIP")(obj)


def _not_supported(field: str) -> str:
    return f"field label not supported: {field}"


def _unknown(field: str) -> str:
    return f'{quoted(field)} is not a known field selector: only "metadata.name", "metadata.namespace"'


_NAME: Final = _at("metadata.name")
_NAMESPACE: Final = _at("metadata.namespace")
_META: Final = {"metadata.name": _NAME, "metadata.namespace": _NAMESPACE}
_PLAIN: Final = SelectableFields(_META, _unknown)
_CERTAIN: Final = SelectableFields({"metadata.name": _NAME}, _not_supported)


def _fields(*paths: str, namespaced: bool = True, **more: Reader) -> SelectableFields:
    """`more`: with `__` for dots."""
    readers = dict(_META) if namespaced else {"metadata.name": _NAME}
    readers |= {path: _at(path) for path in paths}
    return SelectableFields(readers | {name.replace("__", "."): read for name, read in more.items()}, _not_supported)


_INVOLVED: Final = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_COMPONENT: Final = _first(_at("reportingComponent"), _at("reportingController"))


def _involved(name: str) -> dict[str, Reader]:
    """An Event has its object under another name in each of its groups."""
    return {f"{name}.{field}": _first(_at(f"involvedObject.{field}"), _at(f"regarding.{field}")) for field in _INVOLVED}


_EVENT: Final = {**_META, "reason": _at("reason"), "type": _at("type")}
_CORE_EVENT: Final = SelectableFields(
    {
        **_EVENT, **_involved("involvedObject"), "reportingComponent": _COMPONENT,
        "source": _first(_at("source.component"), _at("deprecatedSource.component"), _COMPONENT),
    },
    _not_supported,
)  # fmt: skip
_EVENTS_EVENT: Final = SelectableFields(
    {**_EVENT, **_involved("regarding"), "reportingController": _COMPONENT}, _not_supported
)
_RESOURCE_SLICE: Final = _fields("spec.nodeName", "spec.driver", "spec.pool.name", namespaced=False)
_BUILTIN: Final[Mapping[tuple[str, str], SelectableFields]] = {
    ("", "pods"): _fields(
        "spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase",
        "status.nominatedNodeName", spec__host=_at("spec.nodeName"),
        spec__hostNetwork=_or(_at("spec.hostNetwork"), "false"), status__podIP=_pod_ip,
        status__podIPs=lambda _: "",  # the server takes the name and never has a value
    ),
    ("", "nodes"): _fields(spec__unschedulable=_or(_at("spec.unschedulable"), "false"), namespaced=False),
    ("", "namespaces"): _fields("status.phase", namespaced=False),
    ("", "secrets"): _fields("type"),
    ("", "services"): _fields("spec.clusterIP", "spec.type"),
    ("", "replicationcontrollers"): _fields(status__replicas=_or(_at("status.replicas"), "0")),
    ("", "events"): _CORE_EVENT,
    ("events.k8s.io", "events"): _EVENTS_EVENT,
    ("batch", "jobs"): _fields(status__successful=_or(_at("status.succeeded"), "0"))._replace(
        refusal=lambda field: f"field label {quoted(field)} not supported for Job"
    ),
    ("certificates.k8s.io", "certificatesigningrequests"): _fields("spec.signerName", namespaced=False),
    ("certificates.k8s.io", "clustertrustbundles"): _fields("spec.signerName", namespaced=False),
    ("certificates.k8s.io", "podcertificaterequests"): _fields(
        "spec.signerName", "spec.podName", "spec.nodeName", namespaced=False
    ),
    ("resource.k8s.io", "resourceslices"): _RESOURCE_SLICE,
}  # fmt: skip
