"""Pods with sidecars, for the states of states.py: what they request, and which ports of the host are theirs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

Object = dict[str, Any]

SMALL = {"requests": {"cpu": "50m", "memory": "32Mi"}}
"""So little that the requests of a Pod as a whole are never less than the sum."""


def give_sidecars(random: Random, spec: Object, made: Sequence[Object], ports: Sequence[int]) -> None:
    """`made`: the init containers. A host port is given to one container of a Pod, as the API server demands; where
    the Pod has the host's network, the API server fills it in."""
    spec["initContainers"] = list(made)
    for container in made:
        if random.random() < 0.75:
            container["restartPolicy"] = "Always"
        if "resources" in spec:
            container["resources"] = dict(SMALL)
    if random.random() < 0.3:
        spec["hostNetwork"] = True
    containers = [*made, *spec["containers"]]
    for container in containers:
        container.pop("ports", None)
    for port in ports:
        if random.random() < 0.4:
            entry: Object = {"containerPort": port, "protocol": random.choice(("TCP", "TCP", "UDP"))}
            if "hostNetwork" not in spec or random.random() < 0.5:
                entry["hostPort"] = port
            random.choice(containers).setdefault("ports", []).append(entry)


def asks_by_sidecars_alone(spec: Object) -> bool:
    """All host ports that count are those of sidecars."""
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    return any(_ports(c) for c in sidecars) and not any(_ports(c) for c in spec["containers"])


def _ports(container: Object) -> list[int]:
    return [port["hostPort"] for port in container.get("ports") or () if port.get("hostPort")]
