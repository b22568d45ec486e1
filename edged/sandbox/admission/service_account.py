"""ServiceAccount: a Pod that names no account gets `default`. Pure.

Tokens are not mounted, and the account need not exist: nothing runs here that would use it.
"""

from __future__ import annotations

from edged.kube.defaults.pod_spec import set_missing
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import Plugin
from edged.sandbox.cluster import Cluster, Object


def admit(_cluster: Cluster, _attributes: Attributes, pod: Object, _old: Object) -> None:
    name = pod["spec"].get("serviceAccountName") or "default"
    pod["spec"]["serviceAccountName"] = name
    set_missing(pod["spec"], {"serviceAccount": name})


PLUGIN = Plugin("ServiceAccount", ("pods",), admit=admit)
