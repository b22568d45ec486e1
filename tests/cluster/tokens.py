"""A stand-in for the part of kube-controller-manager that puts tokens into Secrets: no controllers run in these tests.

    with TokenController(cluster):
        ...     # a Secret of type kubernetes.io/service-account-token gets its token within a moment
"""

from __future__ import annotations

import base64
import threading
from typing import Any, Self

from tests.cluster.api import ApiFailure
from tests.cluster.cluster import Cluster

TYPE = "kubernetes.io/service-account-token"
EVERY_S = 0.1


class TokenController:
    """Looks at all Secrets again and again, in a thread of its own. The tokens expire after an hour."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        api = self._cluster.api()
        try:
            while not self._over.wait(EVERY_S):
                for secret in api.get("/api/v1/secrets")["items"]:
                    if secret.get("type") == TYPE and not (secret.get("data") or {}).get("token"):
                        self._fill(api, secret)
        finally:
            api.close()

    def _fill(self, api: Any, secret: dict[str, Any]) -> None:
        metadata = secret["metadata"]
        folder = f"/api/v1/namespaces/{metadata['namespace']}"
        account = metadata["annotations"]["kubernetes.io/service-account.name"]
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        try:
            made = api.request("POST", f"{folder}/serviceaccounts/{account}/token", body)
            token = base64.b64encode(made["status"]["token"].encode()).decode()
            api.request("PATCH", f"{folder}/secrets/{metadata['name']}", {"data": {"token": token}},
                        "application/merge-patch+json")
        except ApiFailure as error:
            if error.code != 404:  # the account is not there yet, or the Secret is gone
                raise
