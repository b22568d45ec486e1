"""Templates of Pods in workloads. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import forbidden, part
from edged.sandbox.validation.metadata import annotation_map
from edged.sandbox.validation.pod_annotations import annotated_profiles, pod_annotations
from edged.sandbox.validation.pods import pod_spec
from edged.sandbox.validation.selectors import labels


def pod_template(template: Object, field: str) -> Iterator[Cause]:
    """A PodTemplateSpec. Findings about its metadata have no `metadata` in their path."""
    metadata, spec = part(template, "metadata"), part(template, "spec")
    yield from labels(metadata.get("labels"), f"{field}.labels")
    yield from annotation_map(metadata.get("annotations"), f"{field}.annotations")
    yield from pod_annotations(metadata.get("annotations") or {}, spec, f"{field}.annotations")
    yield from pod_spec(spec, f"{field}.spec")
    yield from annotated_profiles(metadata, spec, f"{field}.spec")
    if spec.get("ephemeralContainers"):
        yield forbidden(f"{field}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template")
