"""A stand-in for the part of kube-controller-manager that puts tokens into Secrets: no controllers run in these tests.

    with TokenController(cluster):
        ...     # a Secret of type kubernetes.io/service-account-token gets its token within a moment
"""

from __future__ import annotations

import base64
from typing import Any

from tests.cluster.api import ApiFailure
from tests.cluster.controllers import Controller

TYPE = "kubernetes.io/service-account-token"


class TokenController(Controller):
    """Of all Secrets. The tokens expire after an hour."""

    def look(self, api: Any) -> None:
        for secret in api.get("/api/v1/secrets")["items"]:
            if secret.get("type") == TYPE and not (secret.get("data") or {}).get("token"):
                self._fill(api, secret)

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
