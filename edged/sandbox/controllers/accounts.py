"""Every namespace has the ServiceAccount `default`. Pure."""

from __future__ import annotations

from typing import Final

from edged.kube.values.names import NamespacedName
from edged.sandbox.controllers.writing import Hands
from edged.sandbox.storage import Event

NAME: Final = "default"


class Accounts:
    def __init__(self, hands: Hands) -> None:
        self._hands = hands

    def handle(self, event: Event) -> None:
        """After any write."""
        if event.bucket == "namespaces" and event.type != "DELETED":
            self.ensure(event.key.name)
        elif event.bucket == "serviceaccounts" and event.type == "DELETED" and event.key.name == NAME:
            self.ensure(event.key.namespace)

    def ensure(self, namespace: str) -> None:
        storage = self._hands.cluster.storage
        obj = storage.get("namespaces", NamespacedName("", namespace))
        if obj is None or (obj.get("status") or {}).get("phase") != "Active":
            return
        if storage.get("serviceaccounts", NamespacedName(namespace, NAME)) is None:
            self._hands.create("serviceaccounts", {"metadata": {"name": NAME, "namespace": namespace}})
