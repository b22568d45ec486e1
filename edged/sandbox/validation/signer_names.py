"""Names of signers of certificates, and of the ClusterTrustBundles that belong to them. Pure.

Facts from kubernetes' pkg/apis/core/validation/names.go.
"""

from __future__ import annotations

from collections.abc import Iterator

from edged.sandbox.protocol.api_status import Cause
from edged.sandbox.validation.causes import invalid, quoted, required, too_long
from edged.sandbox.validation.formats import dns_label, dns_subdomain, size

_MOST_DOMAIN = 253
_MOST_NAME = 253 + 253 + 63 + 1 + 1


def is_kubernetes(signer: str) -> bool:
    """Whether a signer is one of Kubernetes itself."""
    domain = signer.partition("/")[0]
    return domain == "kubernetes.io" or domain.endswith(".kubernetes.io")


def signer_name(name: str, field: str) -> Iterator[Cause]:
    """`example.com/signer-name`."""
    if not name:
        yield required(field)
        return
    if name.count("/") != 1:
        why = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield invalid(field, name, why)
        return
    domain, _, path = name.partition("/")
    if size(domain) > _MOST_DOMAIN:
        yield too_long(field, _MOST_DOMAIN)
    for label in domain.split("."):
        if wrong := dns_label(label):
            yield from (invalid(field, domain, f"validating label {quoted(label)}: {why}") for why in wrong)
            break
    if "." not in domain:
        yield invalid(field, domain, "should be a domain with at least two segments separated by dots")
    for label in path.split("."):
        if wrong := dns_subdomain(label):
            yield from (invalid(field, path, f"validating label {quoted(label)}: {why}") for why in wrong)
            break
    if size(name) > _MOST_NAME:
        yield too_long(field, _MOST_NAME)


def bundle_name(name: str, signer: str | None = None) -> list[str]:
    """Of a ClusterTrustBundle: a subdomain, behind the signer's name (`example.com:signer:name`) if it has one.
    `signer` None: the one that the name has."""
    if signer is None:
        signer = name.rpartition(":")[0].replace(":", "/")
    if not signer:
        if ":" in name:
            return ['ClusterTrustBundle without signer name must not have ":" in its name']
        return dns_subdomain(name)
    prefix = signer.replace("/", ":") + ":"
    if not name.startswith(prefix):
        return [f"ClusterTrustBundle for signerName {signer} must be named with prefix {prefix}"]
    return dns_subdomain(name.removeprefix(prefix))
