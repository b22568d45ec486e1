"""The built-in admission plugins in the order of kube-apiserver (source: kubeapiserver/options/plugins.go, 1.37).

Called by webhook_admission.py, which asks webhooks in between. Not here, because they are off by default or have
nothing to decide where everybody is the administrator: NodeRestriction, CertificateApproval, CertificateSigning,
ClusterTrustBundleAttest, OwnerReferencesPermissionEnforcement, DenyServiceExternalIPs, ExtendedResourceToleration.
"""

from __future__ import annotations

from edged.sandbox.admission import (
    certificate_subject,
    claim_resize,
    ingress_class,
    limit_ranger,
    namespace_lifecycle,
    node_taint,
    priority,
    runtime_class,
    service_account,
    storage_class,
    storage_protection,
    toleration_seconds,
)
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.pod_security import plugin as pod_security
from edged.sandbox.admission.quota import plugin as quota
from edged.sandbox.cluster import Cluster, Object

PLUGINS = (
    namespace_lifecycle.PLUGIN,
    limit_ranger.PLUGIN,
    service_account.PLUGIN,
    node_taint.PLUGIN,
    pod_security.PLUGIN,
    priority.PODS,
    priority.CLASSES,
    toleration_seconds.PLUGIN,
    storage_class.PLUGIN,
    storage_protection.PLUGIN,
    claim_resize.PLUGIN,
    runtime_class.PLUGIN,
    certificate_subject.PLUGIN,
    ingress_class.PLUGIN,
)


def admit(cluster: Cluster, attributes: Attributes, obj: Object | None, old: Object | None) -> None:
    """Changes `obj` in place. Raises ApiStatus."""
    for plugin in PLUGINS:
        if plugin.admit is not None and plugin.handles(attributes):
            plugin.admit(cluster, attributes, obj or {}, old or {})


def validate(cluster: Cluster, attributes: Attributes, obj: Object | None, old: Object | None) -> None:
    """What the plugins refuse of an object that is otherwise valid. Raises ApiStatus."""
    for plugin in PLUGINS:
        if plugin.validate is not None and plugin.handles(attributes):
            plugin.validate(cluster, attributes, obj or {}, old or {})


def validate_last(cluster: Cluster, attributes: Attributes, obj: Object | None, old: Object | None) -> None:
    """What comes after validating webhooks. Raises ApiStatus."""
    quota.validate(cluster, attributes, obj or {}, old or {})
