"""What LimitRanges forbid; the texts are those of the API server, see tests/cluster/test_pod_defaults.py."""

from __future__ import annotations

import pytest

from edged.kube.defaults.limit_checks import refused_claim, refused_pod
from tests.kube.defaults.pods import Object, asking


def of(kind: str, **item: Object) -> list[Object]:
    return [{"spec": {"limits": [{"type": kind, **item}]}}]


REFUSED: dict[str, tuple[list[Object], Object, str]] = {
    "too little": (
        of("Container", min={"cpu": "100m"}), {"containers": [asking(requests={"cpu": "0.05"})]},
        "minimum cpu usage per Container is 100m, but request is 50m"),
    "nothing asked for": (
        of("Pod", min={"memory": "1Mi"}), {"containers": [asking()]},
        "minimum memory usage per Pod is 1Mi.  No request is specified"),
    "enough for the whole Pod": (
        of("Pod", min={"memory": "1Gi"}),
        {"containers": [asking(requests={"memory": "1Gi"}), asking("d")],
         "resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}}},
        ""),
    "too much": (
        of("Container", max={"memory": "1Gi"}), {"containers": [asking(limits={"memory": "1536Mi"})]},
        "maximum memory usage per Container is 1Gi, but limit is 1536Mi"),
    "too much at once": (
        of("Pod", max={"cpu": "3"}),
        {"initContainers": [{**asking("i", limits={"cpu": "1"}), "restartPolicy": "Always"}],
         "containers": [asking(limits={"cpu": "1"}), asking("d", limits={"cpu": "1500m"})]},
        "maximum cpu usage per Pod is 3, but limit is 3500m"),
    "no limit": (
        of("Pod", max={"cpu": "3"}), {"containers": [asking(requests={"cpu": "1"})]},
        "maximum cpu usage per Pod is 3.  No limit is specified"),
    "too far apart": (
        of("Container", maxLimitRequestRatio={"cpu": "2"}),
        {"containers": [asking(limits={"cpu": "1"}, requests={"cpu": "400m"})]},
        "cpu max limit to request ratio per Container is 2, but provided ratio is 2.500000"),
    "no ratio": (
        of("Container", maxLimitRequestRatio={"memory": "2"}), {"containers": [asking()]},
        "memory max limit to request ratio per Container is 2, but no request is specified or request is 0"),
    "just right": (
        of("Container", min={"cpu": "1"}, max={"cpu": "1"}, maxLimitRequestRatio={"cpu": "1"}),
        {"containers": [asking(limits={"cpu": "1"}, requests={"cpu": "1000m"})]}, ""),
}  # fmt: skip
"""What is wrong -> limits, the spec of a Pod, what is said of it."""


@pytest.mark.parametrize("name", REFUSED)
def test_pods(name: str) -> None:
    limits, spec, said = REFUSED[name]
    assert "".join(refused_pod({"spec": spec}, limits)) == said


def test_claims() -> None:
    limits = of("PersistentVolumeClaim", min={"storage": "1Gi"}, max={"storage": "4Gi"})
    said = {
        storage: "".join(refused_claim({"spec": {"resources": {"requests": {"storage": storage}}}}, limits))
        for storage in ("512Mi", "2Gi", "5Gi")
    }
    assert said == {
        "512Mi": "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi",
        "2Gi": "",
        "5Gi": "maximum storage usage per PersistentVolumeClaim is 4Gi, but request is 5Gi",
    }
