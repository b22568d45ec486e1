"""Nobody who may write custom resources harms the API server, or anybody else's policy, with static registration."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from edged.kube.values.cel_types import judge
from tests.admission.resources import hostile_objects
from tests.cluster.api import Api, ApiFailure
from tests.cluster.cluster import Cluster
from tests.cluster.edged import MODULES, OBJECTS, Edged, create, pod, wait_for
from tests.cluster.edged import policy as configured
from tests.cluster.test_custom_resources import PODS, PRIVILEGED, Setup, install, policy, resource
from tests.kube.values import expressions

REREAD_S = 100.0
KINDS = ("AdmissionPolicy", "AdmissionPolicyGroup", "ClusterAdmissionPolicy", "ClusterAdmissionPolicyGroup")
PLURALS = dict(zip(KINDS, ("admissionpolicies", "admissionpolicygroups", "clusteradmissionpolicies",
                           "clusteradmissionpolicygroups"), strict=True))  # fmt: skip
INNOCENT = [
    policy("good"),
    resource("AdmissionPolicy", "good", "team", module=PRIVILEGED, rules=PODS, mutating=False),
    resource("AdmissionPolicy", "asked", "team", module=PRIVILEGED, rules=PODS, mutating=False,
             matchConditions=[{"name": "x", "expression": "quantity('1').isInteger()"}]),
    resource("AdmissionPolicyGroup", "good", "team", policies={"one": {"module": PRIVILEGED}}, expression="one()",
             message="no", rules=PODS),
]  # fmt: skip
ISSUE = [
    ("request.foo == 'a'", "undefined field 'foo'"), ("object.metadata.name ==", "Syntax error"),
    ("foo(object)", "undeclared reference to 'foo'"), ("object.a.matches('(')", "invalid matches argument"),
]  # fmt: skip


class Place:
    """An API server that reads edged's folders, with objects for trials and the definitions. edged does not run yet."""

    def __init__(self, folder: Path) -> None:
        self.static = folder / "static"
        self.cluster = Cluster(admission_config=self.static / "admission-configuration.json")
        admission = {"static_dir": str(self.static), "module_dirs": [str(MODULES)], "webhooks": "each"}
        self.edged = Edged(kubeconfig=self.cluster.kubeconfig, register="static", admission=admission,
                           policies=[configured("file", "pod-privileged", namespace="of-file")])
        self.setup = Setup(self.cluster, self.edged)

    def start(self) -> None:
        """The files have to be there before the API server starts, the objects can be made only then."""
        self.edged.command("webhook", "install")
        self.cluster.start()
        assert "created" in self.edged.command("webhook", "install").stdout
        install(self.cluster)
        self.setup.namespace("tenant", "issue", "team", "cr-good", "of-file", "later")
        self.setup.apply(resource("PolicyServer", "default"))

    def stop(self) -> None:
        self.edged.__exit__()
        self.cluster.stop()

    def create_hostile(self, api: Api, count: int) -> list[dict[str, Any]]:
        """Those that the definitions let pass; edged's own validation does not answer yet."""
        module = f"file://{MODULES}/pod-privileged/pod-privileged.wasm"
        passed = []
        for obj in hostile_objects.objects(3, "tenant", module, of_each=count, kinds=KINDS):
            namespace = f"namespaces/{obj['metadata']['namespace']}/" if "namespace" in obj["metadata"] else ""
            try:
                api.create(f"/apis/{obj['apiVersion']}/{namespace}{PLURALS[obj['kind']]}", obj)
            except ApiFailure:
                continue
            except (TypeError, UnicodeEncodeError):
                continue  # no JSON can say this
            passed.append(obj)
        return passed

    def denials(self) -> dict[str, str]:
        """What is said to a privileged Pod where each innocent policy looks."""
        said = {}
        for namespace in ("cr-good", "team", "of-file"):
            said[namespace] = create(self.cluster.kubectl, pod("x", privileged=True), "-n", namespace,
                                     "--dry-run=server").stderr
        return said

    def all_deny(self) -> bool:
        said = self.denials()
        assert not any("failed calling" in text for text in said.values()), said
        return all("is privileged" in text for text in said.values())

    def refused_files(self) -> list[str]:
        log = (self.cluster.folder / "kube-apiserver.log").read_text()
        return [line for line in log.splitlines() if "admission manifest config" in line and line.startswith("E")]


@pytest.fixture
def place(kube_programs: dict[str, Path], tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.mark.kube
@pytest.mark.timeout(900)
def test_hostile_custom_resources_cost_themselves_only(place: Place) -> None:
    cluster, edged = place.cluster, place.edged
    api = cluster.api()
    hostile = place.create_hostile(api, count=25)
    api.close()
    for number, (expression, _) in enumerate(ISSUE):
        spec = {"module": PRIVILEGED, "rules": PODS, "mutating": False}
        conditions = [{"name": "mine", "expression": expression}]
        place.setup.apply(resource("AdmissionPolicy", f"issue-{number}", "issue", **spec, matchConditions=conditions))
    place.setup.apply(resource("AdmissionPolicy", "sel", "issue", module=PRIVILEGED, rules=PODS, mutating=False,
                               objectSelector={"matchLabels": {"bad key!": "x"}}))
    assert len(hostile) > 150
    place.setup.apply(*INNOCENT)
    edged.start()
    for obj in INNOCENT:
        place.setup.wait_status(obj, "active", seconds=2 * REREAD_S)
    wait_for(place.all_deny, "denials", seconds=REREAD_S, every_s=1)
    for number, (_, words) in enumerate(ISSUE):
        place.setup.wait_reason(resource("AdmissionPolicy", f"issue-{number}", "issue"), words)
    place.setup.wait_reason(resource("AdmissionPolicy", "sel", "issue"), "bad key!")
    assert not place.refused_files()

    # The running API server takes later changes.
    edged.configure([*edged.policies, configured("later", "pod-privileged", namespace="later")])
    assert edged.reload() == ""
    wait_for(lambda: "later.policy.edged.dev" in create(
        cluster.kubectl, pod("x", privileged=True), "-n", "later", "--dry-run=server").stderr,
        "a later policy", seconds=REREAD_S, every_s=1)
    assert not place.refused_files()

    # It starts with the folder, also while edged starts without it.
    cluster.stop_apiserver()
    edged.stop()
    edged.start()
    time.sleep(1)
    cluster.start_apiserver()
    wait_for(place.all_deny, "denials", every_s=1)
    hooks = json.loads((place.static / "validating" / "edged.json").read_text())["webhooks"]
    assert "namespaced-team-asked.kubewarden.admission" in {hook["name"] for hook in hooks}
    for plural in OBJECTS:
        (trial,) = api_objects(cluster, plural)
        assert trial["metadata"]["name"] == "edged-trial-edge-1"
        assert not trial.get("webhooks"), "something was written to it"
        assert trial["metadata"]["generation"] == 1


def api_objects(cluster: Cluster, plural: str) -> list[dict[str, Any]]:
    return list(json.loads(cluster.kubectl("get", plural, "-o", "json").stdout)["items"])


def trial(conditions: list[str], live: dict[str, Any]) -> dict[str, Any]:
    hooks = [{
        "name": f"n{number}.policy.edged.dev", "clientConfig": {"url": "https://127.0.0.1:1"}, "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "matchConditions": [{"name": f"c{place}", "expression": text}
                            for place, text in enumerate(conditions[number : number + 64])],
    } for number in range(0, len(conditions), 64)]  # fmt: skip
    return {**live, "webhooks": hooks}


@pytest.mark.kube
@pytest.mark.timeout(600)
def test_conditions_that_edged_calls_fine_compile(place: Place) -> None:
    """And the API server refuses what edged calls wrong."""
    rng = Random(2)
    texts = {expressions.condition(rng, rng.choice((1, 2, 3))) for _ in range(60_000)}
    texts |= {f"object.a.matches(r'{expressions.pattern(rng)}')" for _ in range(3000)}
    kinds: dict[str, list[str]] = {"fine": [], "wrong": [], "unsure": []}
    for text in sorted(texts):
        kinds[judge(text).kind].append(text)
    assert len(kinds["fine"]) > 2500
    api = place.cluster.api()
    path = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/edged-trial-edge-1"
    live = api.get(path)
    for begin in range(0, len(kinds["fine"]), 1024):
        api.request("PUT", f"{path}?dryRun=All", trial(kinds["fine"][begin : begin + 1024], live))
    for text in rng.sample(kinds["wrong"], 200):
        if text.strip():
            with pytest.raises(ApiFailure, match="422"):
                api.request("PUT", f"{path}?dryRun=All", trial([text], live))
    api.close()
