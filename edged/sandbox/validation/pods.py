"""Pods and Pod templates. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.json_text import dumps
from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import each_invalid, forbidden, not_supported, required
from edged.sandbox.validation.containers import container
from edged.sandbox.validation.formats import dns_subdomain


def pod(obj: Object) -> Iterator[Cause]:
    yield from pod_spec(obj.get("spec") or {}, "spec")


def pod_spec(spec: Object, path: str) -> Iterator[Cause]:
    containers = spec.get("containers")
    if not containers:
        yield required(f"{path}.containers")
    names: set[str] = set()
    for field in ("initContainers", "containers"):
        for index, each in enumerate(spec.get(field) or ()):
            yield from container(each, f"{path}.{field}[{index}]", names)
    policies = ("Always", "OnFailure", "Never")
    if spec.get("restartPolicy") not in policies:
        yield not_supported(f"{path}.restartPolicy", spec.get("restartPolicy"), policies)
    node = spec.get("nodeName")
    if node:
        yield from each_invalid(f"{path}.nodeName", node, dns_subdomain(node))


def changed_pod(old: Object, new: Object) -> Iterator[Cause]:
    if _fixed_part(old["spec"]) == _fixed_part(new["spec"]) and _tolerations_grew(old["spec"], new["spec"]):
        return
    why = (
        "pod updates may not change fields other than `spec.containers[*].image`,"
        "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
        "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
    )
    yield forbidden("spec", why + _difference(_fixed_part(old["spec"]), _fixed_part(new["spec"])))


def _fixed_part(spec: Object) -> Object:
    """A Pod's spec without what may change; scheduling gates may go, and with them node selectors may tighten."""
    loose = ("activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates")
    fixed = {key: value for key, value in spec.items() if key not in loose}
    for field in ("containers", "initContainers"):
        if spec.get(field):
            fixed[field] = [{k: v for k, v in c.items() if k != "image"} for c in spec[field]]
    if spec.get("schedulingGates"):
        fixed.pop("nodeSelector", None)
        fixed.pop("affinity", None)
    return fixed


def _tolerations_grew(old: Object, new: Object) -> bool:
    after = new.get("tolerations") or []
    return all(toleration in after for toleration in old.get("tolerations") or [])


def _difference(old: Object, new: Object) -> str:
    lines = []
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            lines += [
                f"- {key}: {dumps(old.get(key)).decode()}",
                f"+ {key}: {dumps(new.get(key)).decode()}",
            ]
    return "\n".join(lines)
