"""Whom the clientConfig of a webhook names, and one question to it. For admission and for conversion."""

from __future__ import annotations

from typing import Any

from edged.json_text import dumps
from edged.kube.values.names import NamespacedName
from edged.sandbox.admission.webhookcall import WebhookClient
from edged.sandbox.cluster import Cluster, Object


async def ask(cluster: Cluster, client: WebhookClient, config: Object, review: Object, timeout_s: int) -> Any:
    """The decoded reply to a review. `config`: a clientConfig with defaults. Raises CallFailed, also for a service
    that is not there."""
    service, missing = config.get("service"), None
    if service and cluster.storage.get("services", NamespacedName(service["namespace"], service["name"])) is None:
        missing = f'service "{service["name"]}" not found'
    return await client.post(
        url_of(config), dumps(review), ca_bundle=config.get("caBundle") or "", timeout=timeout_s, refused=missing
    )


def url_of(config: Object) -> str:
    """Of a service it has the name under which its certificate is checked."""
    service = config.get("service")
    if not service:
        return str(config["url"])
    path = (service.get("path") or "").lstrip("/")
    return f"https://{service['name']}.{service['namespace']}.svc:{service.get('port') or 443}/{path}"
