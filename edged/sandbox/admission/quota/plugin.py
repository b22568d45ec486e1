"""The plugin: refuses what goes beyond a quota, and adds the rest to what is used. Pure.

It comes after everything else that may refuse a write, and nothing waits between it and the storage: writes at the same
time do not pass a limit together.
"""

from __future__ import annotations

from collections.abc import Iterable

from edged.kube.defaults.pod_spec import object_at
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.quota import scopes
from edged.sandbox.admission.quota.amounts import Amounts, minus, only, plus, read, shown, texts
from edged.sandbox.admission.quota.evaluators import IGNORED, Evaluator, evaluator
from edged.sandbox.cluster import Cluster, Object
from edged.sandbox.writing import fieldsets

BUCKET = "resourcequotas"


def validate(cluster: Cluster, attributes: Attributes, obj: Object, old: Object) -> None:
    """Raises 403. Writes the quotas' status."""
    bucket = attributes.resource.bucket
    if not attributes.namespace or bucket == "namespaces" or bucket in IGNORED or attributes.kind is not None:
        return
    counts = evaluator(bucket)
    if not obj or attributes.operation not in counts.operations.get(attributes.subresource, ()):
        return
    if bucket == "pods" and _is_plain_update(attributes, obj, old):
        return
    concerned = [each for each in cluster.storage.list(BUCKET, attributes.namespace) if matches(each, counts, obj)]
    for quota in concerned:
        _check_constraints(attributes, counts, quota, obj)
    used = counts.usage(obj, cluster.now())
    if negative := sorted(name for name, amount in used.items() if amount.nanos < 0):
        raise attributes.forbidden(obj, f"quota usage is negative for resource(s): {','.join(negative)}")
    changed = [new for each in concerned if (new := _charged(cluster, attributes, counts, each, obj, old, used))]
    if not attributes.dry_run:
        for quota, amounts in changed:
            _write(cluster, attributes, quota, amounts)


def _is_plain_update(attributes: Attributes, obj: Object, old: Object) -> bool:
    """Of updates of Pods only those count that change whether a deadline ends them."""
    if attributes.operation != "UPDATE" or attributes.subresource:
        return False
    return scopes.is_terminating(obj) == scopes.is_terminating(old)


def matches(quota: Object, counts: Evaluator, obj: Object) -> bool:
    """Whether a quota is about an object."""
    hard = object_at(object_at(quota, "status"), "hard")
    return bool(counts.matching(hard)) and all(counts.in_scope(each, obj) for each in scopes.selectors(quota))


def _check_constraints(attributes: Attributes, counts: Evaluator, quota: Object, obj: Object) -> None:
    name, status = quota["metadata"]["name"], object_at(quota, "status")
    restricted = counts.matching(object_at(status, "hard"))
    if problem := counts.constraint(restricted, obj):
        raise attributes.forbidden(obj, f"failed quota: {name}: {problem}")
    if any(each not in object_at(status, "used") for each in restricted):
        unknown = ",".join(sorted(restricted))
        raise attributes.forbidden(obj, f"status unknown for quota: {name}, resources: {unknown}")


def _charged(
    cluster: Cluster, attributes: Attributes, counts: Evaluator, quota: Object, obj: Object, old: Object, used: Amounts
) -> tuple[Object, Amounts] | None:
    """The quota and what is used with this object; None if it makes no difference."""
    more = used
    if attributes.operation == "UPDATE" and matches(quota, counts, old):
        more = minus(used, counts.usage(old, cluster.now()))
    status = object_at(quota, "status")
    hard, before = read(object_at(status, "hard")), read(object_at(status, "used"))
    more = only({name: amount for name, amount in more.items() if amount.nanos}, hard)
    if not more:
        return None
    after = plus(before, more)
    over = [name for name in more if after[name].nanos > hard[name].nanos]
    if over and attributes.subresource != "status":
        raise attributes.forbidden(obj, _exceeded(quota, over, more, before, hard))
    return quota, after


def _exceeded(quota: Object, over: Iterable[str], more: Amounts, before: Amounts, hard: Amounts) -> str:
    parts = (("requested", more), ("used", before), ("limited", hard))
    said = ", ".join(f"{what}: {shown(only(amounts, over))}" for what, amounts in parts)
    return f"exceeded quota: {quota['metadata']['name']}, {said}"


def _write(cluster: Cluster, attributes: Attributes, quota: Object, used: Amounts) -> None:
    resource = cluster.registry.find("", "v1", BUCKET)
    assert resource is not None
    new: Object = {
        **quota, "metadata": dict(quota["metadata"]), "status": {**object_at(quota, "status"), "used": texts(used)},
    }  # fmt: skip
    writing = fieldsets.Writing(resource, "status", "kube-apiserver", cluster.timestamp())
    fieldsets.track(quota, new, writing, cluster.types)
    cluster.storage.update(BUCKET, new)
