"""The status of ResourceQuotas: their limits, and what is used of them. Pure.

Source: pkg/controller/resourcequota of Kubernetes 1.37. Creations are counted by admission (admission/quota), the rest
is counted anew here.
"""

from __future__ import annotations

from typing import Final

from edged.kube.defaults.pod_spec import object_at
from edged.sandbox.admission.quota import scopes
from edged.sandbox.admission.quota.amounts import Amount, Amounts, plus, read, texts
from edged.sandbox.admission.quota.evaluators import IGNORED, evaluator
from edged.sandbox.admission.quota.plugin import BUCKET
from edged.sandbox.cluster import Object
from edged.sandbox.controllers.writing import Hands
from edged.sandbox.storage import Event

_CHANGING: Final = ("pods", "services", "persistentvolumeclaims")
"""Kinds whose objects may count for more or less after an update."""


class Quotas:
    def __init__(self, hands: Hands) -> None:
        self._hands = hands
        self._changed: dict[str, None] = {}

    def handle(self, event: Event) -> None:
        """After any write: remembers namespaces in which something is used otherwise."""
        if event.bucket == BUCKET or (event.bucket not in IGNORED and self._matters(event)):
            self._changed[event.key.namespace] = None

    def _matters(self, event: Event) -> bool:
        if event.type != "MODIFIED" or event.old is None:
            return event.type == "DELETED"
        if event.bucket not in _CHANGING:
            return False
        counts, now = evaluator(event.bucket), self._hands.cluster.now()
        same_scope = scopes.is_terminating(event.old) == scopes.is_terminating(event.object)
        return not same_scope or counts.usage(event.old, now) != counts.usage(event.object, now)

    def settle(self) -> bool:
        """When all other events are done: counts in one namespace. False: there was none."""
        if not self._changed:
            return False
        namespace = next(iter(self._changed))
        del self._changed[namespace]
        for quota in self._hands.cluster.storage.list(BUCKET, namespace) if namespace else ():
            self._count(namespace, quota)
        return True

    def _count(self, namespace: str, quota: Object) -> None:
        hard = read(object_at(object_at(quota, "spec"), "hard"))
        used: Amounts = {}
        for resource in self._counted():
            counts = evaluator(resource)
            names = counts.matching(hard)
            if not names:
                continue
            total: Amounts = {}
            for obj in self._hands.cluster.storage.list(resource, namespace):
                if all(counts.in_scope(each, obj) for each in scopes.selectors(quota)):
                    total = plus(total, counts.usage(obj, self._hands.cluster.now()))
            used |= {name: total.get(name, Amount(0)) for name in names}
        status = {"hard": texts(hard)} | ({"used": texts(used)} if used else {})
        if status != quota.get("status"):
            new = {**quota, "metadata": dict(quota["metadata"]), "status": status}
            self._hands.update(BUCKET, quota, new, "status")

    def _counted(self) -> list[str]:
        """Buckets of all namespaced resources that can be counted, with objects or without."""
        registry = self._hands.cluster.registry
        return list({each.bucket: None for each in registry
                     if each.namespaced and "create" in each.verbs and each.bucket not in IGNORED})  # fmt: skip
