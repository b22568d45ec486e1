"""The Pods that controllers would make of a workload: as they are sent to the API server. Pure.

    for pod in pods_of(obj, kind, state, where): ...

Beside Pods a workload brings what others look for: the ReplicaSet of a Deployment (spreading by default goes by it),
the claims of a StatefulSet. What comes later or not at all is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from typing import Final, NamedTuple

from edged.errors import ConfigError
from edged.json_text import dumps
from edged.kube.defaults import workload_checks
from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.kube.values.names import NamespacedName
from edged.scheduling.simulation.claims import claims_of_set, put_claim
from edged.scheduling.simulation.cluster_state import ClusterState, check
from edged.scheduling.simulation.completion import REFUSED
from edged.scheduling.simulation.daemons import nodes_for, of_node
from edged.scheduling.simulation.pod_objects import Object

MOST_ADDED: Final = 10_000
_SELECTING: Final = ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet", "DaemonSet")


class Work(NamedTuple):
    """A workload. `owner`: what controls its Pods; `labels`: what the controller adds to theirs."""

    kind: str
    name: str
    namespace: str
    spec: Object
    where: str
    owner: Object
    labels: Mapping[str, str]

    @property
    def called(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    def count(self, field: str, usual: int = 1) -> int:
        """A number of Pods in a field of spec."""
        value = self.spec.get(field)
        value = usual if value is None else value
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST_ADDED:
            raise ConfigError(f"{self.where}: {self.kind} {self.name}: {value!r} Pods: not a number up to {MOST_ADDED}")
        return value

    def pod(self, suffix: object, labels: Mapping[str, str] | None = None) -> Object:
        """A Pod of the template."""
        template = template_of(self.spec, self)
        metadata = dict(object_at(template, "metadata"))
        metadata.pop("generateName", None)
        metadata["labels"] = {**object_at(metadata, "labels"), **self.labels, **(labels or {})}
        metadata |= {"namespace": self.namespace, "name": f"{self.name}-{suffix}", "ownerReferences": [self.owner]}
        return {"metadata": metadata, "spec": dict(object_at(template, "spec"))}


def pods_of(obj: Object, kind: str, state: ClusterState, where: str) -> Iterator[Object]:
    """Of an object of one of MAKERS; its claims and the like are put into the state. Raises ConfigError."""
    spec = obj.get("spec")
    metadata = obj["metadata"]
    namespace, name = metadata["namespace"], metadata["name"]
    if kind == "PodTemplate":
        spec = {"template": obj.get("template")}
    spec = {} if spec is None else spec
    if not isinstance(spec, dict):
        raise ConfigError(f"{where}: {kind} {name}: spec: must be an object")
    if kind in _SELECTING:
        shape = "ReplicationController" if kind == "ReplicationController" else "ReplicaSet"
        check(
            {"metadata": {"name": name}, "spec": {"selector": spec.get("selector")}}, shape, f"{where}: {kind} {name}"
        )
    owner = {"apiVersion": obj.get("apiVersion"), "kind": kind, "name": name, "controller": True}
    owner["uid"] = metadata.get("uid") or f"simulated-{kind.lower()}-{namespace}-{name}"
    work = Work(kind, name, namespace, spec, where, owner, {})
    job = object_at(object_at(spec, "jobTemplate"), "spec")
    for reason in workload_checks.refused(kind, job if kind == "CronJob" else spec):
        state.notes.add(REFUSED.format(reason), work.called)
    yield from MAKERS[kind](work, state)


def template_of(spec: Object, work: Work) -> Object:
    """Raises ConfigError for one of which no Pods can be made."""
    template = spec.get("template")
    if not isinstance(template, dict) or not isinstance(template.get("metadata"), dict | None):
        raise ConfigError(
            f"{work.where}: {work.kind} {work.name}: spec.template: must be an object with metadata and spec"
        )
    metadata = {**object_at(template, "metadata"), "name": work.name, "namespace": work.namespace}
    check({**template, "metadata": metadata}, "Pod", f"{work.where}: {work.kind} {work.name}: spec.template")
    return template


def _fingerprint(value: object) -> str:
    """Ten letters that look like those of a ReplicaSet."""
    letters = "bcdfghjklmnpqrstvwxz2456789"
    return "".join(letters[byte % len(letters)] for byte in sha256(dumps(value)).digest()[:10])


# --- one function for each kind


def _deployment(work: Work, state: ClusterState) -> Iterator[Object]:
    """Its Pods belong to a ReplicaSet with a label of its own."""
    mark = {"pod-template-hash": _fingerprint(template_of(work.spec, work))}
    name = f"{work.name}-{mark['pod-template-hash']}"
    selector = object_at(work.spec, "selector")
    selector = {**selector, "matchLabels": {**object_at(selector, "matchLabels"), **mark}}
    _put_selecting(state, "ReplicaSet", work, name, selector)
    owner = {**work.owner, "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": f"simulated-{name}"}
    yield from _replicas(work._replace(owner=owner, labels=mark), state)


def _replica_set(work: Work, state: ClusterState) -> Iterator[Object]:
    selector = object_at(work.spec, "selector")
    if work.kind == "ReplicationController" and not selector:
        selector = dict(object_at(object_at(template_of(work.spec, work), "metadata"), "labels"))
    _put_selecting(state, work.kind, work, work.name, selector)
    yield from _replicas(work, state)


def _replicas(work: Work, state: ClusterState) -> Iterator[Object]:
    return (work.pod(number) for number in range(work.count("replicas")))


def _put_selecting(state: ClusterState, kind: str, work: Work, name: str, selector: Object) -> None:
    obj = {"metadata": {"namespace": work.namespace, "name": name}, "spec": {"selector": selector}}
    check(obj, kind, work.where)
    state.put(kind, obj)


def _stateful_set(work: Work, state: ClusterState) -> Iterator[Object]:
    selector = object_at(work.spec, "selector")
    _put_selecting(state, "StatefulSet", work, work.name, selector)
    first = object_at(work.spec, "ordinals").get("start") or 0
    if not isinstance(first, int) or first < 0:
        raise ConfigError(f"{work.where}: {work.kind} {work.name}: spec.ordinals.start: {first!r} is not a number")
    revision = {"controller-revision-hash": f"{work.name}-{_fingerprint(template_of(work.spec, work))}"}
    for number in range(first, first + work.count("replicas")):
        name = f"{work.name}-{number}"
        own = {"statefulset.kubernetes.io/pod-name": name, "apps.kubernetes.io/pod-index": str(number), **revision}
        pod = work.pod(number, own)
        _mount_claims(pod, NamespacedName(work.namespace, name), work, state)
        yield pod


def _mount_claims(pod: Object, key: NamespacedName, work: Work, state: ClusterState) -> None:
    labels = object_at(object_at(work.spec, "selector"), "matchLabels")
    claims = dict(claims_of_set(work.spec.get("volumeClaimTemplates"), key, labels))
    volumes = [each for each in objects_in(pod["spec"].get("volumes")) if each.get("name") not in claims]
    for volume, claim in claims.items():
        name = claim["metadata"]["name"]
        volumes.append({"name": volume, "persistentVolumeClaim": {"claimName": name}})
        if NamespacedName(work.namespace, name) not in state.of("PersistentVolumeClaim"):
            put_claim(state, claim, f"{work.where}: {work.called}")
    if volumes:
        pod["spec"]["volumes"] = volumes


def _daemon_set(work: Work, state: ClusterState) -> Iterator[Object]:
    """One for each node that its selectors and tolerations allow."""
    template = template_of(work.spec, work)
    revision = {"controller-revision-hash": _fingerprint(template)}
    for node in nodes_for(object_at(template, "spec"), state):
        yield of_node(work.pod(node, revision), node)


def _job(work: Work, state: ClusterState) -> Iterator[Object]:
    """Those that run at the same time in the beginning."""
    if work.spec.get("suspend") is True:
        state.notes.add("is suspended: no Pods are made of it", work.called)
        return
    wanted = work.spec.get("completions")
    at_once = work.count("parallelism")
    if wanted is not None and (left := work.count("completions") - at_once) > 0:
        state.notes.add("makes further Pods as these end; they are not simulated", f"{work.called} ({left})")
    uid = work.owner["uid"]
    labels = {
        "batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": work.name,
        "controller-uid": uid, "job-name": work.name,
    }  # fmt: skip
    work = work._replace(labels=labels)
    for number in range(at_once if wanted is None else min(at_once, work.count("completions"))):
        index = {"batch.kubernetes.io/job-completion-index": str(number)}
        pod = work.pod(number, index if work.spec.get("completionMode") == "Indexed" else None)
        if index.keys() <= pod["metadata"]["labels"].keys():
            pod["metadata"]["annotations"] = {**object_at(pod["metadata"], "annotations"), **index}
        yield pod


def _cron_job(work: Work, state: ClusterState) -> Iterator[Object]:
    """One run of it."""
    if work.spec.get("suspend") is True:
        state.notes.add("is suspended: no Pods are made of it", work.called)
        return
    state.notes.add("runs once: at which time, and what else runs then, is not simulated", work.called)
    job = object_at(object_at(work.spec, "jobTemplate"), "spec")
    name = f"{work.name}-run"
    owner = {**work.owner, "apiVersion": "batch/v1", "kind": "Job", "name": name}
    yield from _job(work._replace(kind="Job", name=name, spec=job, owner=owner), state)


def _pod_template(work: Work, state: ClusterState) -> Iterator[Object]:
    state.notes.add("makes no Pod by itself; one is made of it here", work.called)
    pod = work.pod(0)
    del pod["metadata"]["ownerReferences"]
    yield pod


MAKERS: Final[Mapping[str, Callable[[Work, ClusterState], Iterator[Object]]]] = {
    "Deployment": _deployment, "ReplicaSet": _replica_set, "ReplicationController": _replica_set,
    "StatefulSet": _stateful_set, "DaemonSet": _daemon_set, "Job": _job, "CronJob": _cron_job,
    "PodTemplate": _pod_template,
}  # fmt: skip
