"""Which policies the custom resources of one PolicyServer ask for, and which of them the API server may be told of.

Pure: objects in, plans out. admission/resources/custom_resources.py loads, registers and reports what is planned here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from edged.admission.resources.conversion import Converted, Limits, convert
from edged.admission.resources.kinds import DEFAULT_SERVER, KINDS, is_deleting, server_of
from edged.records import dataclass

Object = Mapping[str, Any]
Convert = Callable[[Object, Object | None, Limits], Converted]
KEPT_ANNOTATIONS = ("edged.dev/", "io.kubewarden.policy.", "io.artifacthub.")


@dataclass(frozen=True, slots=True)
class Planned:
    """One policy. `blocked`: another policy has its name, so that it cannot even answer with an error."""

    obj: Object
    converted: Converted
    blocked: str = ""

    @property
    def name(self) -> str:
        return self.converted.name

    @property
    def is_deleting(self) -> bool:
        return is_deleting(self.obj)


@dataclass(frozen=True, slots=True)
class Plan:
    """`server`: the PolicyServer, None while there is none. `policies`: in the order in which they were created."""

    server: Object | None
    policies: tuple[Planned, ...]

    @property
    def has_server(self) -> bool:
        """Whether policies may be registered: there is a PolicyServer, and it is to stay."""
        return self.server is not None and not is_deleting(self.server)

    @property
    def served(self) -> dict[str, Planned]:
        """By unique name, those that can have a route of their own."""
        return {planned.name: planned for planned in self.policies if not planned.blocked}


def make_plan(
    objects: Iterable[Object], server_name: str, limits: Limits, taken: Collection[str], convert: Convert = convert
) -> Plan:
    """`taken`: names of policies of the configuration file, which go first."""
    mine = [obj for obj in objects if belongs(obj, server_name)]
    server = next((obj for obj in mine if not KINDS[obj["kind"]].is_policy), None)
    owners: dict[str, str] = dict.fromkeys(taken, "a policy of the configuration file")
    policies = []
    for obj in sorted((obj for obj in mine if KINDS[obj["kind"]].is_policy), key=_age):
        converted = convert(obj, server, limits)
        owner = owners.get(converted.name, "")
        policies.append(Planned(obj, converted, f"{owner} has the name {converted.name} already" if owner else ""))
        owners.setdefault(converted.name, describe(obj))
    return Plan(server, tuple(policies))


def belongs(obj: Object, server_name: str) -> bool:
    """Whether edged looks after this object: the PolicyServer of that name, its policies, and, where it is the default
    one, policies that name none."""
    if not KINDS[obj["kind"]].is_policy:
        return bool(obj["metadata"]["name"] == server_name)
    return server_of(obj) == server_name or (not server_of(obj) and server_name == DEFAULT_SERVER)


def describe(obj: Object) -> str:
    """`AdmissionPolicy ns/name`."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace") or ""
    return f"{obj['kind']} {namespace}/{metadata['name']}" if namespace else f"{obj['kind']} {metadata['name']}"


def _age(obj: Object) -> tuple[str, str, str]:
    metadata = obj["metadata"]
    return (metadata.get("creationTimestamp") or "", metadata.get("namespace") or "", metadata["name"])


def trimmed(obj: Object) -> dict[str, Any]:
    """What is remembered across restarts: enough to serve the policy, nothing that changes without it."""
    metadata = obj["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "uid", "creationTimestamp") if metadata.get(key)}
    annotations = metadata.get("annotations") or {}
    kept_annotations = {key: value for key, value in annotations.items() if key.startswith(KEPT_ANNOTATIONS)}
    if kept_annotations:
        kept["annotations"] = kept_annotations
    shell = {"apiVersion": obj.get("apiVersion", ""), "kind": obj["kind"], "metadata": kept}
    return {**shell, "spec": obj["spec"]} if isinstance(obj.get("spec"), Mapping) else shell
