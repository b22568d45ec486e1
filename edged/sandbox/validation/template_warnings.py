"""Warnings about the Pods that workloads will make. Pure.

Facts from the strategies in kubernetes' pkg/registry/{core,apps,batch}.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.kinds.disabled_fields import TEMPLATES
from edged.sandbox.validation.causes import part
from edged.sandbox.validation.formats import dns_label
from edged.sandbox.validation.pod_warnings import pod_warnings, template_warnings

_NAMED = ("deployments.apps", "replicasets.apps", "jobs.batch", "cronjobs.batch", "replicationcontrollers")
"""Kinds whose names become parts of Pods' names."""


def workload_warnings(bucket: str, new: Object, old: Object | None) -> Iterator[str]:
    """Of a new object, or of one whose specification changed (`old`: as it was), if it is a Pod or makes Pods."""
    if bucket == "pods" and old is None:
        yield from pod_warnings(new)
    path = TEMPLATES.get(bucket)
    if not path or (old is not None and not _changed(new, old)):
        return
    if old is None and bucket in _NAMED:
        wrong = dns_label(part(new, "metadata").get("name") or "")
        use = "this is used in Pod names and hostnames, which can result in surprising behavior"
        if wrong:
            yield f"metadata.name: {use}; a DNS label is recommended: [{' '.join(wrong)}]"
    yield from template_warnings(part(new, *path), ".".join(path))


def _changed(new: Object, old: Object) -> bool:
    return bool(new["metadata"].get("generation") != old["metadata"].get("generation"))
