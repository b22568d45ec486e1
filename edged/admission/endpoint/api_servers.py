"""Whether every API server of the cluster reaches the URL that the webhooks name.

An API server that dials a loopback URL reaches its own host. So such a URL is right only if there is one API server
and it runs on this host. Used by dynamic_registration.py.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from edged.kube.values.shape_checks import checked
from edged.kube.values.shapes import EndpointSliceList

ENDPOINTS_PATH = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
ENDPOINTS_QUERY = {"labelSelector": "kubernetes.io/service-name=kubernetes"}
EndpointSlices = Mapping[str, Any]


def loopback_problem(slices: EndpointSlices, server: str) -> str:
    """Why a loopback URL is wrong for a cluster with these EndpointSlices of the `kubernetes` Service; "" where it is
    right. `server`: the URL of the API server as this daemon dials it."""
    addresses = endpoint_addresses(slices)
    if not addresses:
        if is_loopback_url(server):
            return ""  # a server that publishes no endpoints, reached on this very host
        return "the cluster publishes no API server endpoint to compare with"
    if len(addresses) > 1:
        return f"the cluster has {len(addresses)} API servers ({', '.join(addresses)})"
    return "" if is_local_address(addresses[0]) else f"the API server is on another host ({addresses[0]})"


def endpoint_addresses(slices: EndpointSlices) -> list[str]:
    """Addresses of the API servers. Raises PeerError for what are no EndpointSlices."""
    checked(slices, EndpointSliceList, "the API server's endpoints")
    addresses = {
        address
        for item in slices.get("items") or ()
        for endpoint in item.get("endpoints") or ()
        for address in endpoint.get("addresses") or ()
    }
    return sorted(addresses)


def is_loopback_url(url: str) -> bool:
    """Whether a URL names the dialling host itself."""
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def is_local_address(address: str) -> bool:
    """Whether an IP address is one of this host's: then, and only then, a socket can be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))
    except OSError:
        return False
    return True
