"""Which features of a node a Pod needs that nodes must declare. Pure; of Kubernetes 1.37; used by pods.py.

Of the features that nodes can declare, these are the ones that placing a Pod asks for; the others concern
updates of running Pods, which the API server checks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

RESTART_ALL: Final = "RestartAllContainersOnContainerExits"
HOST_NETWORK_USERS: Final = "UserNamespacesHostNetworkSupport"
MOUNT_OPTIONS: Final = "VolumeBindMountOptions"


def required_features(spec: Mapping[str, Any]) -> tuple[str, ...]:
    found = []
    if any(_restarts_all(c) for field in ("containers", "initContainers") for c in spec.get(field) or ()):
        found.append(RESTART_ALL)
    if spec.get("hostNetwork") and spec.get("hostUsers") is False:
        found.append(HOST_NETWORK_USERS)
    fields = ("containers", "initContainers", "ephemeralContainers")
    if any(_binds_with_options(c) for field in fields for c in spec.get(field) or ()):
        found.append(MOUNT_OPTIONS)
    return tuple(found)


def _restarts_all(container: Mapping[str, Any]) -> bool:
    return any(rule.get("action") == "RestartAllContainers" for rule in container.get("restartPolicyRules") or ())


def _binds_with_options(container: Mapping[str, Any]) -> bool:
    return any(mount.get("bindMountOptions") for mount in container.get("volumeMounts") or ())
