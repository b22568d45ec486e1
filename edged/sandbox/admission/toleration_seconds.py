"""DefaultTolerationSeconds: Pods stay five minutes on a node that is lost, unless they say otherwise. Pure."""

from __future__ import annotations

from edged.kube.defaults.pod_admission import tolerate_lost_nodes
from edged.sandbox.admission.attributes import Attributes
from edged.sandbox.admission.plugin import CREATE, UPDATE, Plugin
from edged.sandbox.cluster import Cluster, Object


def admit(_cluster: Cluster, _attributes: Attributes, pod: Object, _old: Object) -> None:
    tolerate_lost_nodes(pod["spec"])


PLUGIN = Plugin("DefaultTolerationSeconds", ("pods",), (CREATE, UPDATE), admit=admit)
