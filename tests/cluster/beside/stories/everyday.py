"""Everyday work with kubectl: create by every generator, apply, patch, set, label, drain, evict, wait, delete."""

from __future__ import annotations

from typing import Any

from tests.cluster.beside.steps import STRATEGIC, Http, Kubectl, Story, http, kubectl

DEPLOYMENT = "/apis/apps/v1/namespaces/{ns}/deployments/d"
APPLYSET = {"KUBECTL_APPLYSET": "true"}
POD = "/api/v1/namespaces/{ns}/pods/a"


def deployment(image: str = "a:1", **metadata: Any) -> dict[str, Any]:
    spec = {
        "replicas": 2, "selector": {"matchLabels": {"app": "d"}}, "template": {
            "metadata": {"labels": {"app": "d"}}, "spec": {"containers": [{"name": "c", "image": image}]}},
    }  # fmt: skip
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", **metadata}, "spec": spec}


def config(name: str, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
            "spec": {"containers": [{"name": "c", "image": "a:1"}], **spec}}  # fmt: skip


def create(*arguments: str) -> Kubectl:
    return kubectl("create", "-o", "json", *arguments)


def patch(text: str, query: str = "") -> Http:
    return http("PATCH", DEPLOYMENT + query, text, STRATEGIC)


def containers(inner: str) -> Http:
    return patch('{"spec":{"template":{"spec":{' + inner + "}}}}")


def evict(options: dict[str, Any], query: str = "") -> Http:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}, "deleteOptions": options}
    return http("POST", f"{POD}/eviction{query}", body)


def apply(obj: object, *arguments: str, **more: Any) -> Kubectl:
    return kubectl("apply", *arguments, "-f", "-", stdin=obj, **more)


STORIES = (
    Story("everyday-create", (
        create("configmap", "c1", "--from-literal=a=b", "--from-literal=c="),
        create("secret", "docker-registry", "s2", "--docker-server=x.io", "--docker-username=u",
               "--docker-password=p"),
        create("deployment", "d1", "--image=nginx", "--replicas=3", "--port=80"),
        create("job", "j1", "--image=busybox", "--", "date"),
        create("cronjob", "cj1", "--image=busybox", "--schedule=*/1 * * * *", "--", "date"),
        create("job", "j2", "--from=cronjob/cj1"),
        create("ingress", "i1", "--rule=foo.com/bar=svc1:8080,tls=my-cert", "--class=default", "--annotation=a=b"),
        create("ingress", "i2", "--default-backend=d:http", "--rule=*.x.io/*=svc:port"),
        create("poddisruptionbudget", "p2", "--selector=app=x", "--max-unavailable=50%"),
        create("quota", "q1", "--hard=pods=50,services=10", "--scopes=BestEffort"),
        create("role", "r1", "--verb=get,list", "--resource=pods,deployments.apps,pods/log", "--resource-name=x"),
        create("role", "r2", "--verb=*", "--resource=nosuch"),
        create("rolebinding", "rb1", "--role=r1", "--user=u", "--group=g", "--serviceaccount=default:x"),
        create("clusterrole", "{ns}-cr2", "--aggregation-rule=a=b"),
        create("clusterrolebinding", "{ns}-crb", "--clusterrole={ns}-cr2", "--user=u"),
        create("service", "clusterip", "sh", "--clusterip=None"),
        create("service", "externalname", "se", "--external-name=x.io"),
        create("priorityclass", "{ns}-pc", "--value=10", "--preemption-policy=Never"),
        kubectl("create", "token", "nosuch"),
        create("configmap", "c1"),
        create("configmap", "C_1"),
        create("configmap", "dry", "--from-literal=a=b", "--dry-run=server"),
        create("configmap", "saved", "--save-config", "--from-literal=a=b"),
        kubectl("create", "-f", "-", stdin=[config("x"), config("y"), config("x")]),
        kubectl("create", "--validate=warn", "-f", "-", stdin=pod("bad", nodeNam="x")),
        kubectl("create", "-f", "-", stdin=pod("worse", nodeNam="x")),
        kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "Pood", "metadata": {"name": "bad"}}),
        kubectl("create", "-f", "-", stdin=config("elsewhere", namespace="default")),
        kubectl("get", "all,cm,secret,ing,pdb,quota,role,rolebinding", "-o", "wide"),
        kubectl("delete", "clusterrole/{ns}-cr2", "clusterrolebinding/{ns}-crb", "pc/{ns}-pc"),
    )),
    Story("everyday-change", (
        apply(deployment()),
        apply(deployment("a:2")),
        apply(deployment("a:3"), "--dry-run=server", "-o", "json"),
        kubectl("diff", "-f", "-", stdin=deployment("a:2")),
        # kubectl moves what it applied by itself before to server-side apply, in four requests.
        apply(deployment("a:4"), "--server-side"),
        http("GET", DEPLOYMENT),
        apply(deployment("a:4", annotations={"x": "y"}), "--server-side"),
        http("GET", DEPLOYMENT),
        apply(deployment("a:5"), "--server-side", "--field-manager=other"),
        apply({**deployment(), "spec": {**deployment()["spec"], "replica": 1}}),
        kubectl("patch", "deploy", "d", "--subresource=scale", "--type=merge", "-p", '{"spec":{"replicas":4}}',
                "-o", "json"),
        kubectl("patch", "deploy", "d", "-p", '{"metadata":{"name":"e"}}'),
        kubectl("scale", "deploy", "d", "--replicas=3", "--current-replicas=7"),
        kubectl("autoscale", "deploy", "d", "--min=1", "--max=4", "--cpu=80%", "-o", "json"),
        kubectl("expose", "deploy", "d", "--port=80", "--target-port=8080", "-o", "json"),
        kubectl("label", "deploy", "d", "x=?"),
        kubectl("label", "deploy", "d", "x=z", "--resource-version=1"),
        kubectl("set", "env", "deploy/d", "A=B", "C=D"),
        kubectl("set", "resources", "deploy/d", "--limits=cpu=200m,memory=512Mi", "-o", "json"),
        kubectl("rollout", "undo", "deploy/d"),
        kubectl("rollout", "pause", "deploy/d"),
        kubectl("rollout", "restart", "deploy/d"),
        kubectl("replace", "--force", "-f", "-", stdin=deployment()),
        kubectl("edit", "deploy/d", environment={"KUBE_EDITOR": "sed -i s/a:1/a:9/"}),
        kubectl("run", "p", "--image=a", "--restart=Never", "--env=A=B", "--labels=x=y", "-o", "json"),
        kubectl("label", "pods", "-l", "x=y", "s=t", "-o", "json"),
    )),
    Story("everyday-patches", (
        http("POST", DEPLOYMENT.removesuffix("/d"), deployment(finalizers=["x.io/a", "x.io/b"])),
        patch('{"spec":'),
        patch('{"spec":{"replicas":"x"}}'),
        patch('{"spec":{"replicas":[]}}'),
        patch('{"spec":{"paused":"x"}}'),
        patch('{"spec":{"selector":"x"}}'),
        patch('{"spec":{"template":5}}'),
        patch('{"spec":{"strategy":{"rollingUpdate":{"maxSurge":true}}}}'),
        patch('{"metadata":{"labels":"a"}}'),
        containers('"nodeName":5'),
        containers('"tolerations":{}'),
        containers('"containers":["a"]'),
        containers('"containers":[{"name":"y","image":"y"},{"name":"b","image":"b"},{"name":"c","image":"c"}]'),
        containers('"containers":[{"name":"b","image":"b2"},{"name":"n","image":"n"},{"name":"y","image":"c"}]'),
        containers('"$setElementOrder/containers":[{"name":"c"},{"name":"b"},{"name":"new"}],'
                   '"containers":[{"name":"new","image":"b2"}]'),
        containers('"$setElementOrder/containers":[{"name":"b"},{"name":"c"}],'
                   '"containers":[{"name":"new","image":"b2"}]'),
        containers('"$setElementOrder/containers":[{"name":"b"},{"name":"y"}]'),
        containers('"$setElementOrder/containers":5'),
        patch('{"metadata":{"$setElementOrder/finalizers":["x.io/b","x.io/a"],"finalizers":["x.io/b","x.io/a"]}}'),
        patch('{"metadata":{"finalizers":["x.io/c"]}}'),
        patch('{"metadata":{"$deleteFromPrimitiveList/finalizers":["x.io/b"]}}'),
        patch('{"metadata":{"finalizers":null}}'),
        patch('{"spec":{"nope":1,"template":{"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"y"}],'
              '"containers":[{"name":"y","image":"7"}]}}}}', "?fieldValidation=Strict"),
        containers('"containers":[{"image":"7"}]'),
        containers('"$patch":"replace","containers":[{"name":"o","image":"7"}]'),
        containers('"containers":[{"$patch":"replace"},{"name":"r","image":"7"}]'),
        containers('"containers":[{"$patch":"delete"}]'),
        containers('"containers":[{"$patch":"nope","name":"r"}]'),
        containers('"containers":[{"$patch":"merge","name":"r"}]'),
        patch('{"spec":{"strategy":{"$patch":"nope","type":"Recreate"}}}'),
        patch('{"spec":{"strategy":{"$retainKeys":"type","type":"Recreate"}}}'),
        patch('{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}'),
    )),
    Story("everyday-nodes", (
        apply([{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "{ns}-node"}},
               pod("a", nodeName="{ns}-node")]),
        kubectl("cordon", "{ns}-node"),
        kubectl("taint", "node", "{ns}-node", "k=v:NoSchedule"),
        kubectl("taint", "node", "{ns}-node", "k=w:NoSchedule"),
        kubectl("describe", "node", "{ns}-node"),
        kubectl("drain", "{ns}-node", "--timeout=2s"),
        kubectl("drain", "{ns}-node", "--force", "--dry-run=server"),
        evict({"dryRun": ["All"], "gracePeriodSeconds": 0}),
        evict({"gracePeriodSeconds": 0}, "?dryRun=All"),
        evict({"dryRun": ["Nope"]}),
        evict({"preconditions": {"uid": "x"}}),
        kubectl("get", "pods", "-o", "wide"),
        kubectl("drain", "{ns}-node", "--force", "--grace-period=0"),
        kubectl("uncordon", "{ns}-node"),
        kubectl("get", "--raw", "/api/v1/nodes/{ns}-node/proxy/stats/summary"),
        kubectl("delete", "node", "{ns}-node"),
    )),
    Story("everyday-deleting", (
        kubectl("create", "-f", "-", stdin=[config("a"), config("b"), config("fin", finalizers=["x.io/a"])]),
        kubectl("delete", "cm", "a", "--dry-run=server"),
        kubectl("delete", "cm", "a", "--cascade=background", "-o", "name"),
        kubectl("delete", "cm", "a", "--ignore-not-found"),
        kubectl("delete", "-f", "-", "--now", stdin=[config("b"), config("nosuch")]),
        kubectl("delete", "cm", "fin", "--wait=false"),
        kubectl("patch", "cm", "fin", "--type=merge", "-p", '{"metadata":{"finalizers":["x.io/b"]}}'),
        kubectl("patch", "cm", "fin", "--type=merge", "-p", '{"metadata":{"finalizers":null}}'),
        kubectl("get", "cm", "fin"),
        apply([config("s1"), config("s2")], "--prune", "--applyset=set", environment=APPLYSET),
        apply(config("s1"), "--prune", "--applyset=set", environment=APPLYSET),
        kubectl("get", "secret/set", "cm/s1", "-o", "json"),
        kubectl("delete", "ns", "default"),
        kubectl("get", "pods", "--sort-by=.nope"),
        kubectl("wait", "cm/s1", "--for=jsonpath={.metadata.name}=s1", "--timeout=1s"),
    )),
)  # fmt: skip
