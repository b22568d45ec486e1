"""Selectors that take values of the Pod's labels, and requests of the Pod as a whole."""

from __future__ import annotations

import copy
from typing import Any

from edged.kube.defaults.pod_creation import prepare
from tests.kube.defaults.pods import SPECS, Object, asking, pod, term

REV = {"key": "rev", "operator": "In", "values": ["2"]}


def prepared(spec: Object) -> Object:
    wanted = pod("p", copy.deepcopy(spec))
    prepare(wanted)
    return wanted["spec"]


def test_label_keys_become_requirements_once() -> None:
    spec = prepared(SPECS["label keys"])
    apart = spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]
    near = spec["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"]
    assert apart["labelSelector"]["matchExpressions"] == [REV]  # the Pod has no label `none`
    assert near["labelSelector"]["matchExpressions"] == [{"key": "tenant", "operator": "NotIn", "values": ["t"]}]
    assert spec["topologySpreadConstraints"][0]["labelSelector"]["matchExpressions"] == [REV]
    assert prepared(spec) == spec


def test_no_selector_stays_none_because_it_selects_nothing() -> None:
    terms = [{**term(matchLabelKeys=["rev"]), "labelSelector": None}]
    spec = prepared({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}})
    assert spec["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] == terms


def whole(resources: Object, *containers: Object, **fields: Any) -> Object:
    spec = prepared({"resources": resources, "containers": list(containers), **fields})
    found: Object = spec["resources"]
    return found


def test_requests_of_the_whole_pod() -> None:
    one, two = asking(requests={"cpu": "1", "memory": "1Gi"}), asking("d", requests={"cpu": "500m"})
    assert whole({"limits": {"cpu": "3"}}, one, two)["requests"] == {"cpu": "1500m", "memory": "1Gi"}
    assert whole({"limits": {"cpu": "3"}}, asking())["requests"] == {"cpu": "3"}
    assert whole({"requests": {"cpu": "2"}}, one)["requests"] == {"cpu": "2", "memory": "1Gi"}
    assert whole({}, one) == {}
    pages = asking(requests={"hugepages-2Mi": "4Mi"}, limits={"hugepages-2Mi": "4Mi"})
    assert whole({"limits": {"cpu": "1"}}, pages) == {
        "limits": {"cpu": "1", "hugepages-2Mi": "4Mi"}, "requests": {"cpu": "1", "hugepages-2Mi": "4Mi"},
    }  # fmt: skip
