"""Pods: what is refused, about which field. Texts and order are held by the stories beside the real API server."""

from __future__ import annotations

import time
from typing import Any

import pytest

from edged.sandbox.validation.pod_templates import pod_template
from edged.sandbox.validation.pods import pod

Object = dict[str, Any]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def made(spec: Object | None = None, container: Object | None = None, **metadata: Any) -> Object:
    """A Pod as it is after defaults."""
    one = {
        "name": "c", "image": "i", "imagePullPolicy": "Always", "terminationMessagePolicy": "File", "resources": {},
        **(container or {}),
    }  # fmt: skip
    more = {"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "terminationGracePeriodSeconds": 30}
    return {"metadata": {"name": "a", **metadata}, "spec": {"containers": [one], **more, **(spec or {})}}


def fields(obj: Object) -> list[str]:
    return [cause.field for cause in pod(obj)]


@pytest.mark.parametrize(
    ("container", "field"),
    [
        ({"ports": [{"containerPort": 0, "protocol": "TCP"}]}, "ports[0].containerPort"),
        ({"ports": [{"containerPort": 1, "protocol": "x"}]}, "ports[0].protocol"),
        ({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}, "resources.requests"),
        ({"resources": {"limits": {"hugepages-2Mi": "3Mi", "cpu": "1"}}}, "resources.limits[hugepages-2Mi]"),
        ({"resources": {"limits": {"a.b/c": "0.5"}}}, "resources.limits[a.b/c]"),
        ({"volumeMounts": [{"name": "v", "mountPath": "/p"}]}, "volumeMounts[0].name"),
        ({"env": [{"name": "a=b"}]}, "env[0].name"),
        ({"env": [{"name": "a", "valueFrom": {}}]}, "env[0].valueFrom"),
        ({"envFrom": [{}]}, "envFrom"),
        ({"livenessProbe": {"successThreshold": 1}}, "livenessProbe"),
        ({"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}}, "lifecycle.preStop.sleep"),
        ({"securityContext": {"runAsUser": -1}}, "securityContext.runAsUser"),
        ({"imagePullPolicy": "x"}, "imagePullPolicy"),
        ({"restartPolicy": "x"}, "restartPolicy"),
        ({"image": ""}, "image"),
        ({"image": " i"}, "image"),
    ],
)
def test_containers(container: Object, field: str) -> None:
    assert fields(made(container=container)) == [f"spec.containers[0].{field}"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"containers": []}, "containers"),
        ({"volumes": [{"name": "v"}]}, "volumes[0]"),
        ({"volumes": [{"name": "v", "emptyDir": {}, "secret": {"secretName": "s"}}]}, "volumes[0].secret"),
        ({"volumes": [{"name": "v", "emptyDir": {}}] * 2}, "volumes[1].name"),
        ({"dnsPolicy": "None"}, "dnsConfig"),
        ({"tolerations": [{"key": "a", "operator": "x"}]}, "tolerations[0].operator"),
        ({"affinity": {"nodeAffinity": {REQUIRED: {}}}}, f"affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms"),
        ({"schedulingGates": [{"name": "a"}] * 2}, "schedulingGates[1]"),
        ({"hostname": "a.b"}, "hostname"),
        ({"activeDeadlineSeconds": 0}, "activeDeadlineSeconds"),
        ({"securityContext": {"sysctls": [{"name": "a..b"}]}}, "securityContext.sysctls[0].name"),
        ({"os": {"name": "x"}}, "os"),
        ({"hostUsers": False, "hostNetwork": True}, "hostNetwork"),
        ({"resourceClaims": [{"name": "x", "resourceClaimName": "Y"}]}, "resourceClaims[0].resourceClaimName"),
        ({"ephemeralContainers": [], "nodeName": "n", "schedulingGates": [{"name": "g"}]}, "nodeName"),
    ],
)  # fmt: skip
def test_specifications(spec: Object, field: str) -> None:
    assert fields(made(spec)) == [f"spec.{field}"]


def test_a_pod_that_is_right() -> None:
    assert fields(made({"volumes": [{"name": "v", "emptyDir": {}}]},
                       {"volumeMounts": [{"name": "v", "mountPath": "/p"}]})) == []  # fmt: skip


def test_annotations_have_the_same_profiles_as_fields() -> None:
    key = "seccomp.security.alpha.kubernetes.io/pod"
    spec = {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}
    assert fields(made(spec, annotations={key: "unconfined"})) == []
    assert fields(made(spec, annotations={key: "runtime/default"})) == ["spec.securityContext.seccompProfile.type"]


def test_templates_say_labels_without_metadata_and_take_no_ephemeral_containers() -> None:
    template = made({"ephemeralContainers": [made()["spec"]["containers"][0] | {"name": "e"}]}, labels={"a b": ""})
    found = [cause.field for cause in pod_template(template, "spec.template")]
    assert found == ["spec.template.labels", "spec.template.spec.ephemeralContainers"]


def test_large_pods_cost_no_more_than_their_length() -> None:
    ports = [{"containerPort": 1, "hostPort": n + 1, "protocol": "TCP"} for n in range(20_000)]
    constraints = [{"maxSkew": 1, "topologyKey": f"k{n}", "whenUnsatisfiable": "DoNotSchedule"} for n in range(20_000)]
    begun = time.perf_counter()
    assert fields(made({"topologySpreadConstraints": constraints}, {"ports": ports})) == []
    assert time.perf_counter() - begun < 5
