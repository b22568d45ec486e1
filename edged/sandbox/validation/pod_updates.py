"""What may change of a Pod that is there. Pure.

Facts from kubernetes' pkg/apis/core/validation/validation.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.cluster import Object
from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import each_invalid, forbidden, invalid, part, quoted, required
from edged.sandbox.validation.containers import trimmed_image
from edged.sandbox.validation.formats import MOST_ID, within
from edged.sandbox.validation.internal_values import difference, internal_equal, invalid_value
from edged.sandbox.validation.pod_annotations import MIRROR, changed_annotations, pod_annotations
from edged.sandbox.validation.pods import metadata_and_spec
from edged.sandbox.validation.scheduling import tolerations

_MAY_CHANGE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
)
_TERMS = "requiredDuringSchedulingIgnoredDuringExecution"
_SPEC = "core.PodSpec"


def changed_pod(old: Object, new: Object) -> Iterator[Cause]:
    """Of the Pod itself, not of a subresource."""
    before, after = part(old, "spec"), part(new, "spec")
    yield from metadata_and_spec(new)
    yield from annotations_too(old, new)
    for name in ("containers", "initContainers"):
        if len(before.get(name) or ()) != len(after.get(name) or ()):
            yield forbidden(f"spec.{name}", "pod updates may not add or remove containers")
            return
        for index, container in enumerate(after.get(name) or ()):
            if not container.get("image"):
                yield required(f"spec.{name}[{index}].image")
            yield from trimmed_image(container, f"spec.{name}[{index}]")
    stop = list(_deadline(before.get("activeDeadlineSeconds"), after.get("activeDeadlineSeconds")))
    yield from stop
    if stop and after.get("activeDeadlineSeconds") is not None:
        return
    yield from _tolerations(before.get("tolerations") or [], after.get("tolerations") or [])
    yield from _gates(before.get("schedulingGates") or [], after.get("schedulingGates") or [])
    rest = _with_old_parts(before, after)
    if before.get("schedulingGates"):
        yield from _narrowed(before, rest)
    if not internal_equal(_SPEC, rest, before):
        yield forbidden("spec", _MAY_CHANGE + difference(_SPEC, before, rest))


def changed_ephemeral_containers(old: Object, new: Object) -> Iterator[Cause]:
    """Of the subresource ephemeralcontainers: they may only be added."""
    if MIRROR in part(old, "metadata", "annotations"):
        yield forbidden("", "static pods do not support ephemeral containers")
        return
    yield from metadata_and_spec(new)
    yield from annotations_too(old, new)
    after = {each.get("name") or "": each for each in part(new, "spec").get("ephemeralContainers") or ()}
    kind, field = "core.EphemeralContainer", "spec.ephemeralContainers"
    for each in part(old, "spec").get("ephemeralContainers") or ():
        name = each.get("name") or ""
        told = f"existing ephemeral containers {quoted(name)} may not be"
        if name not in after:
            yield forbidden(field, f"{told} removed\n")
        elif not internal_equal(kind, each, after[name]):
            yield forbidden(field, f"{told} changed\n{difference(kind, each, after[name])}")


def annotations_too(old: Object, new: Object) -> Iterator[Cause]:
    """Annotations are looked at twice: as those of any Pod, and as changed ones."""
    before, after = (part(each, "metadata").get("annotations") or {} for each in (old, new))
    yield from changed_annotations(before, after, "metadata.annotations")
    yield from pod_annotations(after, part(new, "spec"), "metadata.annotations")


def _deadline(before: int | None, after: int | None) -> Iterator[Cause]:
    field = "spec.activeDeadlineSeconds"
    if after is None:
        if before is not None:
            yield invalid(field, None, "must not update from a positive integer to nil value")
    elif wrong := within(after, 0, MOST_ID):
        yield from each_invalid(field, after, wrong)
    elif before is not None and before < after:
        yield invalid(field, after, "must be less than or equal to previous value")


def _tolerations(before: list[Object], after: list[Object]) -> Iterator[Cause]:
    """They may be added, and last for another time."""
    lasting = [_without_seconds(each) for each in after]
    if any(_without_seconds(each) not in lasting for each in before):
        yield forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds")
        return
    yield from tolerations(after, "spec.tolerations")


def _without_seconds(toleration: Object) -> Object:
    return {key: value for key, value in toleration.items() if key != "tolerationSeconds" and value not in (None, "")}


def _gates(before: list[Object], after: list[Object]) -> Iterator[Cause]:
    known = {gate.get("name") or "" for gate in before}
    for index, gate in enumerate(after):
        name = gate.get("name") or ""
        if name not in known:
            why = f"only deletion is allowed, but found new scheduling gate '{name}'"
            yield forbidden(f"spec.schedulingGates[{index}].name", why)


def _with_old_parts(before: Object, after: Object) -> Object:
    """The new specification with what may change as it was."""
    rest = dict(after)
    for name in ("activeDeadlineSeconds", "schedulingGates", "tolerations"):
        rest[name] = before.get(name)
    for name in ("containers", "initContainers"):
        pairs = zip(after.get(name) or (), before.get(name) or (), strict=True)
        rest[name] = [{**new, "image": old.get("image")} for new, old in pairs] or None
    grace = "terminationGracePeriodSeconds"
    if (before.get(grace) or 0) < 0 and after.get(grace) == 1:
        rest[grace] = before[grace]
    return rest


def _narrowed(before: Object, rest: Object) -> Iterator[Cause]:
    """A Pod with gates may be sent to fewer nodes. `rest` gets back what was narrowed."""
    selector, old_selector = rest.get("nodeSelector") or {}, before.get("nodeSelector") or {}
    if any(selector.get(key) != value for key, value in old_selector.items()):
        why = "only additions to spec.nodeSelector are allowed (no mutations or deletions)"
        yield invalid("spec.nodeSelector", dict(sorted(selector.items())) or None, why)
    rest["nodeSelector"] = before.get("nodeSelector")
    old_affinity, affinity = part(before, "affinity").get("nodeAffinity"), part(rest, "affinity").get("nodeAffinity")
    if old_affinity == affinity:
        return
    yield from _narrowed_terms(old_affinity or {}, affinity or {})
    others = {key: value for key, value in part(rest, "affinity").items() if key != "nodeAffinity"}
    if old_affinity is not None:
        others["nodeAffinity"] = old_affinity
    rest["affinity"] = others if others or before.get("affinity") is not None else None


def _narrowed_terms(before: Object, after: Object) -> Iterator[Cause]:
    field = f"spec.affinity.nodeAffinity.{_TERMS}.nodeSelectorTerms"
    old_terms = part(before, _TERMS).get("nodeSelectorTerms") or []
    terms = part(after, _TERMS).get("nodeSelectorTerms") or []
    if old_terms and len(old_terms) != len(terms):
        why = "no additions/deletions to non-empty NodeSelectorTerms list are allowed"
        yield invalid_value(field, "[]core.NodeSelectorTerm", terms or None, why)
        return
    for index, (old, new) in enumerate(zip(old_terms, terms, strict=False)):
        if not _only_added(old, new):
            why = "only additions are allowed (no mutations or deletions)"
            yield invalid_value(f"{field}[{index}]", "core.NodeSelectorTerm", new, why)


def _only_added(old: Object, new: Object) -> bool:
    names = ("matchExpressions", "matchFields")
    if not any(old.get(name) for name in names):
        return not any(new.get(name) for name in names)
    return all((new.get(name) or [])[: len(old.get(name) or [])] == (old.get(name) or []) for name in names)
