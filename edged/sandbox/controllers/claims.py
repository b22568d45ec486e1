"""Claims that Pods bring with them: of ephemeral volumes, and of templates of ResourceClaims. Pure.

Source: pkg/controller/volume/ephemeral and pkg/controller/resourceclaim of Kubernetes 1.37.
"""

from __future__ import annotations

from typing import Final

from edged.kube.defaults.pod_spec import object_at, objects_in
from edged.kube.values.names import NamespacedName
from edged.sandbox.cluster import Object
from edged.sandbox.controllers.writing import Hands
from edged.sandbox.storage import Event

CLAIMS: Final = "persistentvolumeclaims"
TEMPLATES: Final = "resourceclaimtemplates.resource.k8s.io"
RESOURCE_CLAIMS: Final = "resourceclaims.resource.k8s.io"
_ANNOTATION: Final = "resource.kubernetes.io/pod-claim-name"
_LONGEST: Final = 63 - 5 - 1
"""Of what comes before the random end of a name."""


class Claims:
    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def handle(self, event: Event) -> None:
        """After any write."""
        if event.bucket == "pods" and event.type != "DELETED":
            self._settle(event.key, event.object["metadata"].get("uid"))
        elif event.bucket == TEMPLATES and event.type == "ADDED":
            for pod in self._hands.cluster.storage.list("pods", event.key.namespace):
                self._settle(NamespacedName(event.key.namespace, pod["metadata"]["name"]), pod["metadata"].get("uid"))

    def _settle(self, key: NamespacedName, uid: object) -> None:
        pod = self._hands.get("pods", key, uid)
        if pod is None or pod["metadata"].get("deletionTimestamp"):
            return
        if object_at(pod, "status").get("phase") in ("Succeeded", "Failed"):
            return
        for volume in objects_in(object_at(pod, "spec").get("volumes")):
            template = object_at(object_at(volume, "ephemeral"), "volumeClaimTemplate")
            if template:
                self._volume_claim(pod, str(volume.get("name")), template)
        self._resource_claims(pod)

    def _volume_claim(self, pod: Object, volume: str, template: Object) -> None:
        name = f"{pod['metadata']['name']}-{volume}"
        key = NamespacedName(pod["metadata"]["namespace"], name)
        if self._hands.cluster.storage.get(CLAIMS, key) is None:
            metadata = _metadata(pod, template, {"name": name})
            metadata["ownerReferences"][0]["blockOwnerDeletion"] = True
            self._hands.create(CLAIMS, {"metadata": metadata, "spec": dict(object_at(template, "spec"))})

    def _resource_claims(self, pod: Object) -> None:
        status = object_at(pod, "status")
        made = {each.get("name"): each for each in objects_in(status.get("resourceClaimStatuses"))}
        before = len(made)
        for claim in objects_in(object_at(pod, "spec").get("resourceClaims")):
            name = claim.get("name")
            if name not in made and (claim_name := self._resource_claim(pod, claim)):
                made[name] = {"name": name, "resourceClaimName": claim_name}
        if len(made) > before:
            status = {**status, "resourceClaimStatuses": list(made.values())}
            new: Object = {**pod, "metadata": dict(pod["metadata"]), "status": status}
            self._hands.update("pods", pod, new, "status")

    def _resource_claim(self, pod: Object, claim: Object) -> str:
        """The name of a new one; "" where there is no template."""
        namespace = pod["metadata"]["namespace"]
        key = NamespacedName(namespace, str(claim.get("resourceClaimTemplateName") or ""))
        template = self._hands.cluster.storage.get(TEMPLATES, key)
        if template is None:
            return ""
        given = object_at(template, "spec")
        start = _start(pod["metadata"]["name"], str(claim.get("name")))
        metadata = _metadata(pod, given, {"generateName": start})
        metadata["annotations"] = {**metadata.get("annotations", {}), _ANNOTATION: claim.get("name")}
        made = self._hands.create(RESOURCE_CLAIMS, {"metadata": metadata, "spec": dict(object_at(given, "spec"))})
        return str(made["metadata"]["name"]) if made is not None else ""


def _start(pod: str, claim: str) -> str:
    """What comes before the random end of a name; of long names a part each."""
    start = f"{pod}-{claim}-"
    if len(start) > _LONGEST:
        start = "-".join(name[: len(name) * _LONGEST // len(start)] for name in (pod, claim))
    return start


def _metadata(pod: Object, template: Object, name: Object) -> Object:
    given = object_at(template, "metadata")
    owner = {
        "apiVersion": "v1", "kind": "Pod", "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"],
        "controller": True,
    }  # fmt: skip
    kept = {field: dict(given[field]) for field in ("labels", "annotations") if given.get(field)}
    return {**name, "namespace": pod["metadata"]["namespace"], **kept, "ownerReferences": [owner]}
