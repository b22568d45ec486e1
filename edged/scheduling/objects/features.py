"""Which features of a node a Pod needs that nodes must declare. Pure; of Kubernetes 1.37; used by pods.py.

Of the features that nodes can declare, these are the ones that placing a Pod asks for; the others concern
updates of running Pods, which the API server checks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edged.kube.values.shapes import Container, PodSpec

RESTART_ALL: Final = "RestartAllContainersOnContainerExits"
HOST_NETWORK_USERS: Final = "UserNamespacesHostNetworkSupport"
MOUNT_OPTIONS: Final = "VolumeBindMountOptions"


def required_features(spec: PodSpec) -> tuple[str, ...]:
    features = []
    containers = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    if any(_restarts_all(container) for container in containers):
        features.append(RESTART_ALL)
    if spec.get("hostNetwork") and spec.get("hostUsers") is False:
        features.append(HOST_NETWORK_USERS)
    if any(_binds_with_options(container) for container in (*containers, *(spec.get("ephemeralContainers") or ()))):
        features.append(MOUNT_OPTIONS)
    return tuple(features)


def _restarts_all(container: Container) -> bool:
    return any(rule.get("action") == "RestartAllContainers" for rule in container.get("restartPolicyRules") or ())


def _binds_with_options(container: Container) -> bool:
    return any(mount.get("bindMountOptions") for mount in container.get("volumeMounts") or ())
