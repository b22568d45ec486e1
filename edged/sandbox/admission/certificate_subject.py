"""CertificateSubjectRestriction: no certificates of the API server's clients for the group of administrators.

Pure. Imports cryptography when used.
"""

from __future__ import annotations

import base64
import binascii

from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import Plugin
from edged.sandbox.cluster import Cluster, Object

SIGNER = "kubernetes.io/kube-apiserver-client"
_GROUP = "system:masters"


def validate(_cluster: Cluster, attributes: Attributes, obj: Object, _old: Object) -> None:
    spec = obj.get("spec") or {}
    if spec.get("signerName") == SIGNER and _GROUP in organizations(spec.get("request")):
        why = f"use of {SIGNER} signer with {_GROUP} group is not allowed"
        raise attributes.forbidden(obj, why)


def organizations(request: object) -> list[str]:
    """The organizations in a certificate request (base64 of PEM); none where it is no request."""
    from cryptography import x509

    try:
        parsed = x509.load_pem_x509_csr(base64.b64decode(str(request)))
        return [str(name.value) for name in parsed.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)]
    except (ValueError, binascii.Error):
        return []


PLUGIN = Plugin("CertificateSubjectRestriction", ("certificatesigningrequests.certificates.k8s.io",), validate=validate)
