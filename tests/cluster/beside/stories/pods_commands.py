"""kubectl's commands with Pods and templates that are refused or warned of, and the other ways to write a Pod."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import APPLY, JSON_PATCH, MERGE, Story, http, kubectl
from tests.cluster.beside.stories.pods_refused import Object, pod

ITEMS = "/api/v1/namespaces/{ns}/pods"
BAD = {"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}


def deployment(spec: Object | None = None, container: Object | None = None, **more: Any) -> Object:
    template = {"metadata": {"labels": {"x": "y"}}, "spec": {
        "containers": [{"name": "c", "image": "i", **(container or {})}], **(spec or {})}}  # fmt: skip
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
        "spec": {"selector": {"matchLabels": {"x": "y"}}, "template": template, **more},
    }  # fmt: skip


STORIES = (
    Story("pods-commands", (
        kubectl("apply", "-f", "-", stdin=pod(name="a")),
        kubectl("apply", "-f", "-", stdin=pod(container=BAD, name="b")),
        kubectl("apply", "-f", "-", stdin=pod({"hostNetwork": True}, name="a")),
        kubectl("apply", "-f", "-", stdin=pod(container={"image": "j"}, name="a")),
        kubectl("replace", "-f", "-", stdin=pod({"nodeName": "n"}, name="a")),
        kubectl("create", "-f", "-", stdin=pod(container={"ports": [{"containerPort": 99999}]}, name="b")),
        kubectl("create", "-f", "-", stdin=pod(container={"env": [{"name": "a"}, {"name": "a"}]}, name="b")),
        kubectl("run", "Bad_Name", "--image=i"), kubectl("run", "e", "--image="),
        kubectl("run", "f", "--image=i", "--port=70000"),
        kubectl("label", "pod", "a", "x=y z"), kubectl("label", "pod", "a", "a b=c"),
        kubectl("annotate", "pod", "a", "a b=c"), kubectl("set", "image", "pod/a", "c= x"),
        kubectl("set", "resources", "pod/a", "--limits=cpu=1"),
        kubectl("patch", "pod", "a", "--subresource=status", "--type=merge", "-p",
                '{"status":{"conditions":[{"type":"a b"}]}}'),
        kubectl("patch", "pod", "a", "--type=json", "-p", '[{"op":"remove","path":"/spec/containers/0"}]'),
        kubectl("debug", "a", "--image=i", "-c", "c", "--attach=false"),
        kubectl("delete", "pod", "a", "b", "--force", "--grace-period=0"),
    )),
    Story("pods-of-deployments", (
        kubectl("apply", "-f", "-", stdin=deployment()),
        kubectl("apply", "-f", "-", stdin=deployment(container=BAD)),
        kubectl("apply", "-f", "-", stdin=deployment({"restartPolicy": "Never"})),
        kubectl("apply", "-f", "-", stdin=deployment({"nodeSelector": {"beta.kubernetes.io/os": "linux"}})),
        kubectl("apply", "-f", "-", stdin=deployment({"nodeSelector": {"beta.kubernetes.io/os": "linux"}})),
        kubectl("set", "resources", "deployment/d", "--limits=cpu=1", "--requests=cpu=2"),
        kubectl("set", "env", "deployment/d", "A B=c"), kubectl("set", "image", "deployment/d", "c="),
        kubectl("patch", "deployment", "d", "-p", '{"spec":{"template":{"spec":{"dnsPolicy":"x"}}}}'),
        kubectl("patch", "deployment", "d", "-p",
                '{"spec":{"template":{"spec":{"containers":[{"name":"c","ports":[{"containerPort":0}]}]}}}}'),
        kubectl("create", "job", "j", "--image=", "--", "x"),
        kubectl("create", "cronjob", "k", "--image=i", "--schedule=* * * * *", "--restart=Always"),
        kubectl("create", "deployment", "E_", "--image=i"),
    )),
    Story("pods-written", (
        http("PATCH", f"{ITEMS}/s?fieldManager=m&dryRun=All", pod(container=BAD, name="s"), APPLY),
        http("PATCH", f"{ITEMS}/s?fieldManager=m", pod(name="s"), APPLY),
        http("PATCH", f"{ITEMS}/s?fieldManager=m", pod({"hostPID": True}, name="s"), APPLY),
        http("GET", f"{ITEMS}/s", save={"rv": "metadata.resourceVersion"}),
        http("PUT", f"{ITEMS}/s", pod({"hostIPC": True}, name="s", resourceVersion="{rv}")),
        http("PUT", f"{ITEMS}/s", pod(container={"name": "other"}, name="s", resourceVersion="{rv}")),
        http("PUT", f"{ITEMS}/s/status", {**pod(name="s"), "status": {"phase": "Nope", "qosClass": "Guaranteed"}}),
        http("PATCH", f"{ITEMS}/s", [{"op": "add", "path": "/spec/containers/-", "value": {}}], JSON_PATCH),
        http("PATCH", f"{ITEMS}/s", {"spec": {"containers": [{"name": "c"}]}}, MERGE),
        http("PATCH", f"{ITEMS}/s", {"spec": None}, MERGE), http("PATCH", f"{ITEMS}/s", {"metadata": None}, MERGE),
        http("POST", ITEMS, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "t"}}),
        http("POST", ITEMS, {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {}}),
        http("POST", ITEMS, {"apiVersion": "v1", "kind": "Pod"}),
        http("POST", ITEMS, pod({"containers": [{}]})), http("POST", ITEMS, pod({"containers": [None]})),
        http("POST", ITEMS, pod({"volumes": [None], "tolerations": [None], "initContainers": [None]})),
        http("POST", ITEMS, pod({"affinity": {"podAffinity": {}}, "dnsConfig": {}, "securityContext": {}}, name="A")),
    )),
)  # fmt: skip
